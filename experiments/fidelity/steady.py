"""Steady state: scenarios without their faults, in both twins. Figures are of all seeds together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from experiments.fidelity.life import Life
from experiments.fidelity.trial import Trial


@dataclass(frozen=True)
class Error:
    """One figure of one scenario in both twins."""

    scenario: str
    figure: str
    seeds: int
    simpy: float
    fast: float
    bar: float | None
    """The relative difference that is allowed; None where the figure is only told."""

    @property
    def relative(self) -> float:
        """fast / simpy - 1."""
        return self.fast / self.simpy - 1.0 if self.simpy else float("nan")

    @property
    def holds(self) -> bool | None:
        """Whether it is within the bar."""
        return None if self.bar is None else bool(abs(self.relative) <= self.bar)


@dataclass(frozen=True)
class Figure:
    """A figure of lives, and its bar."""

    name: str
    of: Callable[[Life], float]
    bar: float | None


def _latency(signal: str, share: float, bar: float) -> Figure:
    return Figure(f"{signal} p{100 * share:.0f}", lambda life: life.quantile(signal, share), bar)


THROUGHPUT_BAR, P50_BAR, P99_BAR = 0.05, 0.10, 0.25
FIGURES: Final = (
    Figure("throughput", lambda life: life.completed / life.seconds, THROUGHPUT_BAR),
    *(_latency(signal, 0.5, P50_BAR) for signal in ("ttft", "e2e", "api", "create")),
    *(_latency(signal, 0.99, P99_BAR) for signal in ("ttft", "e2e", "api", "create")),
    Figure("queue", lambda life: float(life.queue.mean()), None),
)
"""Requests a second, seconds, requests."""


def trials(scenarios: Sequence[str], seeds: Sequence[int]) -> list[Trial]:
    """Each scenario without its faults under each seed; those that are then the same only once."""
    unlike: dict[str, str] = {}
    for name in scenarios:
        spec = Trial(name, seeds[0], faultless=True).load().resolve(seeds[0]).model_dump(mode="json")["spec"]
        unlike.setdefault(json.dumps({k: v for k, v in spec.items() if k != "slo"}, sort_keys=True), name)
    return [Trial(name, seed, faultless=True) for name in unlike.values() for seed in seeds]


def errors(pairs: Mapping[Trial, tuple[Life, Life]]) -> Iterator[Error]:
    """Every figure of every scenario among these lives (SimPy, fast)."""
    for scenario in dict.fromkeys(trial.scenario for trial in pairs if trial.faultless):
        found = [pair for trial, pair in pairs.items() if trial.faultless and trial.scenario == scenario]
        simpy, fast = (pooled([pair[i] for pair in found]) for i in (0, 1))
        for figure in FIGURES:
            values = figure.of(simpy), figure.of(fast)
            if not np.isnan(values).any():
                yield Error(scenario, figure.name, len(found), *values, figure.bar)


def pooled(lives: Sequence[Life]) -> Life:
    """Lives one after the other."""
    first = lives[0]
    return Life(
        tick=first.tick,
        loss=np.concatenate([life.loss for life in lives]),
        violated=np.concatenate([life.violated for life in lives]),
        queue=np.concatenate([life.queue for life in lives]),
        completed=sum(life.completed for life in lives),
        latency={signal: np.sum([life.latency[signal] for life in lives], axis=0) for signal in first.latency},
    )
