"""Do both twins put policies in the same order? Kendall's tau-b over the pairs that differ in the SimPy twin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from experiments.fidelity.life import Life
from experiments.fidelity.trial import POLICY, Trial
from policies.statistics import paired_difference

BAR = 0.8


@dataclass(frozen=True)
class Ranking:
    """The returns of policies on the cases (scenario and seed) of one suite, in both twins."""

    suite: str
    policies: tuple[str, ...]
    simpy: NDArray[np.float64]
    """[P, cases] returns, seconds of outage."""
    fast: NDArray[np.float64]
    """[P, cases]"""

    @property
    def means(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """[P] mean return in each twin."""
        return self.simpy.mean(axis=1), self.fast.mean(axis=1)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Pairs of policies whose paired difference in the SimPy twin has a 95 % interval without zero."""
        found = []
        for a, b in combinations(range(len(self.policies)), 2):
            difference = paired_difference(self.simpy[a].tolist(), self.simpy[b].tolist())
            if difference.low > 0.0 or difference.high < 0.0:
                found.append((a, b))
        return found

    @property
    def tau(self) -> float:
        """Kendall's tau-b over those pairs; NaN where there are none. Ties can be in the fast twin only."""
        simpy, fast = self.means
        signs = np.array([(np.sign(simpy[a] - simpy[b]), np.sign(fast[a] - fast[b])) for a, b in self.pairs])
        if not len(signs) or not signs[:, 1].any():
            return float("nan")
        return float((signs[:, 0] * signs[:, 1]).sum() / np.sqrt(len(signs) * (signs[:, 1] != 0.0).sum()))

    @property
    def turned(self) -> list[tuple[str, str]]:
        """Pairs that are the other way round in the fast twin: the better one there first."""
        simpy, fast = self.means
        found = []
        for a, b in self.pairs:
            if (simpy[a] - simpy[b]) * (fast[a] - fast[b]) < 0.0:
                found.append((self.policies[a], self.policies[b])[:: 1 if fast[a] > fast[b] else -1])
        return [(better, worse) for better, worse in found]


def trials(scenarios: Sequence[str], seeds: Sequence[int], policies: Sequence[str]) -> list[Trial]:
    """Every policy on every case."""
    return [Trial(name, seed, POLICY + policy) for name in scenarios for policy in policies for seed in seeds]


def rankings(suites: Mapping[str, Sequence[str]], pairs: Mapping[Trial, tuple[Life, Life]]) -> Iterator[Ranking]:
    """One for each suite (name -> its scenarios) that policies have lived through."""
    for suite, scenarios in suites.items():
        acted = {trial: pair for trial, pair in pairs.items() if trial.policy and trial.scenario in scenarios}
        policies = tuple(dict.fromkeys(str(trial.policy) for trial in acted))
        cases = dict.fromkeys((trial.scenario, trial.seed) for trial in acted)
        if policies:
            returns = [
                [
                    [acted[Trial(name, seed, POLICY + policy)][twin].total_reward for name, seed in cases]
                    for policy in policies
                ]
                for twin in (0, 1)
            ]
            yield Ranking(suite, policies, np.array(returns[0]), np.array(returns[1]))
