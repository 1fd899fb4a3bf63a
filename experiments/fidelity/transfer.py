"""Is what was learnt in the fast twin worth as much? Two policies, trained for the same wall time, one in each twin,
and judged in the SimPy twin on the same cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments import tracking
from experiments.fidelity import slow
from experiments.fidelity.life import Life
from experiments.fidelity.trial import NOTHING, POLICY, Trial
from experiments.policy_training import DEFAULT, FAST, Twin, train_policy
from policies.ppo import PpoConfig
from policies.statistics import Interval, clustered_interval
from twin.scenario import Suite

LADDER = "ladder"
TAUGHT: Mapping[Twin, PpoConfig] = {
    "simpy": replace(DEFAULT, imitation_updates=20),
    "fast": replace(FAST, imitation_updates=6, imitation_epochs=2),
}
"""Both do as the rule ladder does at first, for about a third of ten minutes, and then learn by themselves: neither
finds out in so short a time that anything but waiting is worth its price. With sixteen times the decisions of an
update there are fewer updates, and fewer passes over each."""


@dataclass(frozen=True)
class Transfer:
    """What came of it. Returns are in seconds of outage, higher is better."""

    steps: Mapping[str, int]
    """Twin -> decisions that its policy learnt from."""
    returns: Mapping[str, Interval]
    """Policy -> mean return in the SimPy twin, with its 95 % interval over seeds."""
    gain: Interval
    """Return of the policy from the fast twin minus that of the one from the SimPy twin, paired."""
    violation: Interval
    """The same of seconds with the SLO violated: lower is better."""


def transfer(
    training: Suite,
    judged: Sequence[str],
    seeds: Sequence[int],
    seconds: float,
    folder: Path,
    *,
    seed: int = 0,
    workers: int = 2,
    parent: tracking.Run | None = None,
    told: Callable[[int, int, object], None] = lambda done, total, what: None,
) -> Transfer:
    """Train in each twin for `seconds` of wall clock, then judge on the scenarios `judged` under `seeds`."""
    steps: dict[str, int] = {
        twin: train_policy(
            training, folder / twin, config=config, seed=seed, seconds=seconds, twin=twin, parent=parent
        ).steps
        for twin, config in TAUGHT.items()
    }
    names = [str(folder / "simpy"), str(folder / "fast"), LADDER, NOTHING]
    trials = [Trial(name, s, POLICY + policy) for policy in names for name in judged for s in seeds]
    lives: dict[str, list[Life]] = {name: [] for name in names}
    for done, (trial, life) in enumerate(slow.lives(trials, workers), 1):
        assert life is not None and trial.policy is not None
        lives[trial.policy].append(life)
        told(done, len(trials), trial.scenario)
    cases = [s for _ in judged for s in seeds]

    def gain(figure: str) -> Interval:
        ours, theirs = (lives[str(folder / twin)] for twin in ("fast", "simpy"))
        values = [float(getattr(a, figure) - getattr(b, figure)) for a, b in zip(ours, theirs, strict=True)]
        return clustered_interval(values, cases)

    labels = {names[0]: "trained in the SimPy twin", names[1]: "trained in the fast twin"}
    returns = {
        labels.get(name, name): clustered_interval([life.total_reward for life in lived], cases)
        for name, lived in lives.items()
    }
    return Transfer(steps, returns, gain("total_reward"), gain("violation_seconds"))
