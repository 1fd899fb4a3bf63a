"""The proof of the fast twin: the same trials in both twins, and what they say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.fidelity import quick, ranking, recovering, slow, steady
from experiments.fidelity.coverage import missing
from experiments.fidelity.life import Life
from experiments.fidelity.ranking import Ranking
from experiments.fidelity.recovering import Recovery, Violation
from experiments.fidelity.steady import Error
from experiments.fidelity.trial import Trial

Told = Callable[[int, int, object], None]


@dataclass(frozen=True)
class Proof:
    """What was found. `left_out`: scenario -> what of it the fast twin does not have."""

    left_out: Mapping[str, str]
    steady: Sequence[Error]
    recoveries: Sequence[Recovery]
    violations: Sequence[Violation]
    rankings: Sequence[Ranking]
    losses: Mapping[str, tuple[list[float], list[float], float]]
    """Scenario -> mean loss over time with nothing done, in the SimPy and the fast twin, and seconds of a tick of the
    latter."""


@dataclass(frozen=True)
class Plan:
    """What is compared."""

    suites: Mapping[str, Sequence[str]]
    """Name -> scenarios."""
    seeds: Sequence[int]
    actions: Sequence[str] | None
    """Categories; None for all."""
    policies: Sequence[str]


def prove(plan: Plan, workers: int, keep: Path | None, told: Told = lambda done, total, what: None) -> Proof:
    """Live through everything in both twins. Scenarios that the fast twin does not have are left out and named."""
    every = list(dict.fromkeys(name for scenarios in plan.suites.values() for name in scenarios))
    left_out = {name: what for name in every if (what := missing(name))}
    compiled = [name for name in every if name not in left_out]
    trials = [
        *steady.trials(compiled, plan.seeds),
        *recovering.trials(compiled, plan.seeds, plan.actions),
        *ranking.trials(compiled, plan.seeds, plan.policies),
    ]
    pairs = _both(trials, workers, keep, told)
    return Proof(
        left_out=left_out,
        steady=list(steady.errors(pairs)),
        recoveries=list(recovering.recoveries(pairs)),
        violations=list(recovering.violations(pairs)),
        rankings=list(ranking.rankings(plan.suites, pairs)),
        losses=_losses(pairs),
    )


def _both(trials: Sequence[Trial], workers: int, keep: Path | None, told: Told) -> dict[Trial, tuple[Life, Life]]:
    fast = quick.lives(trials, lambda done, total, what: told(done, 2 * total, what))
    possible = [trial for trial in trials if trial in fast]
    found = {}
    for done, (trial, life) in enumerate(slow.lives(possible, workers, keep), len(possible) + 1):
        told(done, 2 * len(possible), trial.scenario)
        if life is not None:
            found[trial] = life, fast[trial]
    return found


def _losses(pairs: Mapping[Trial, tuple[Life, Life]]) -> dict[str, tuple[list[float], list[float], float]]:
    found = {}
    for scenario in dict.fromkeys(trial.scenario for trial in pairs):
        lives = [pair for trial, pair in pairs.items() if trial == Trial(scenario, trial.seed)]
        if lives:
            simpy, fast = (sum(pair[i].loss for pair in lives) / len(lives) for i in (0, 1))
            found[scenario] = [float(v) for v in simpy], [float(v) for v in fast], lives[0][1].tick  # type: ignore[union-attr]
    return found
