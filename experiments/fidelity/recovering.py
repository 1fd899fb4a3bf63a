"""How long recovery takes under each action, and how long the SLO is violated, in both twins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.fidelity.life import Life
from experiments.fidelity.trial import NOTHING, Trial
from twin.fast.twin import cluster_of
from twin.world import World

BAR = 0.15
"""Relative difference of the medians that is allowed."""
QUANTILES = (0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Recovery:
    """Seconds to recover under one action, life by life, where the SLO was violated in both twins."""

    category: str
    simpy: NDArray[np.float64]
    fast: NDArray[np.float64]
    only: tuple[int, int]
    """Lives with a violation in the SimPy twin only, in the fast twin only."""

    @property
    def medians(self) -> tuple[float, float]:
        """Of both twins; NaN where nothing was violated."""
        return (float(np.median(self.simpy)), float(np.median(self.fast))) if len(self.simpy) else (np.nan, np.nan)

    @property
    def error(self) -> float:
        """Relative difference of the medians."""
        simpy, fast = self.medians
        return fast / simpy - 1.0 if simpy else float("nan")

    @property
    def holds(self) -> bool | None:
        """Whether the medians are within the bar."""
        return bool(abs(self.error) <= BAR) if np.isfinite(self.error) else None

    @property
    def wasserstein(self) -> float:
        """Seconds between the two distributions (Wasserstein-1: of sorted samples of one size, their mean distance)."""
        if not len(self.simpy):
            return float("nan")
        return float(np.abs(np.sort(self.simpy) - np.sort(self.fast)).mean())

    @property
    def quantile_errors(self) -> tuple[float, ...]:
        """Relative difference at each of `QUANTILES`."""
        if not len(self.simpy):
            return (float("nan"),) * len(QUANTILES)
        simpy, fast = np.quantile(self.simpy, QUANTILES), np.quantile(self.fast, QUANTILES)
        return tuple(float(b / a - 1.0) if a else float("nan") for a, b in zip(simpy, fast, strict=True))


@dataclass(frozen=True)
class Violation:
    """What a scenario costs under one action: means over seeds, SimPy and fast."""

    scenario: str
    category: str
    seeds: int
    violation: tuple[float, float]
    """Seconds with the SLO violated."""
    loss: tuple[float, float]
    """Seconds of full outage."""


def trials(scenarios: Sequence[str], seeds: Sequence[int], chosen: Sequence[str] | None) -> list[Trial]:
    """Each scenario and seed under each action (all that the fast twin carries out, where none is chosen)."""
    found = []
    for name in scenarios:
        kind = World(Trial(name, seeds[0]).load(), seeds[0]).spec.cluster.kind
        every = (NOTHING, *sorted(cluster_of(kind).CARRIED_OUT - {NOTHING}))
        found += [Trial(name, seed, category) for category in chosen or every for seed in seeds]
    return found


def recoveries(pairs: Mapping[Trial, tuple[Life, Life]]) -> Iterator[Recovery]:
    """Each action, over all scenarios and seeds."""
    for category in dict.fromkeys(trial.doing for trial in pairs if _counts(trial)):
        lives = [pair for trial, pair in pairs.items() if _counts(trial) and trial.doing == category]
        simpy, fast = (np.array([pair[i].recovery for pair in lives], float) for i in (0, 1))
        both = np.isfinite(simpy) & np.isfinite(fast)
        only = int((np.isfinite(simpy) & ~both).sum()), int((np.isfinite(fast) & ~both).sum())
        yield Recovery(category, simpy[both], fast[both], only)


def violations(pairs: Mapping[Trial, tuple[Life, Life]]) -> Iterator[Violation]:
    """Each scenario under each action."""
    for name, category in dict.fromkeys((trial.scenario, trial.doing) for trial in pairs if _counts(trial)):
        lives = [
            pair
            for trial, pair in pairs.items()
            if _counts(trial) and (trial.scenario, trial.doing) == (name, category)
        ]

        def means(figure: str, lives: list[tuple[Life, Life]] = lives) -> tuple[float, float]:
            simpy, fast = (float(np.mean([getattr(pair[i], figure) for pair in lives])) for i in (0, 1))
            return simpy, fast

        yield Violation(name, category, len(lives), means("violation_seconds"), means("loss_seconds"))


def _counts(trial: Trial) -> bool:
    return not trial.faultless and trial.policy is None
