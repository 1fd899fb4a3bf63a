"""Both twins side by side: one line for each scenario and action, means over seeds and their relative differences."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.fidelity.life import Life
from experiments.fidelity.orders import categories
from experiments.fidelity.quick import lives
from experiments.fidelity.slow import lived
from twin.scenario import Scenario
from twin.world import World

Told = Callable[[int, int, object], None]
TICKS = 10
"""Ticks of a decision."""


@dataclass(frozen=True)
class Pair:
    """A figure in both twins, seed by seed; NaN where it does not exist."""

    simpy: NDArray[np.float64]
    fast: NDArray[np.float64]

    @property
    def means(self) -> tuple[float, float]:
        """Of the seeds that have it in both."""
        both = np.isfinite(self.simpy) & np.isfinite(self.fast)
        return (float(self.simpy[both].mean()), float(self.fast[both].mean())) if both.any() else (np.nan, np.nan)

    @property
    def error(self) -> float:
        """Relative difference of the means."""
        simpy, fast = self.means
        return fast / simpy - 1.0 if simpy else float("nan")


@dataclass(frozen=True)
class Line:
    """One scenario under one action."""

    scenario: str
    category: str
    seeds: int
    figures: dict[str, Pair]


FIGURES: dict[str, Callable[[Life], float]] = {
    "throughput": lambda life: life.completed / life.seconds,
    "TTFT p50": lambda life: life.quantile("ttft", 0.5),
    "TTFT p99": lambda life: life.quantile("ttft", 0.99),
    "E2E p50": lambda life: life.quantile("e2e", 0.5),
    "E2E p99": lambda life: life.quantile("e2e", 0.99),
    "API p50": lambda life: life.quantile("api", 0.5),
    "API p99": lambda life: life.quantile("api", 0.99),
    "create p50": lambda life: life.quantile("create", 0.5),
    "create p95": lambda life: life.quantile("create", 0.95),
    "queue": lambda life: float(life.queue.mean()),
    "violation": lambda life: float(life.violated.sum() * life.tick),
    "loss": lambda life: float(life.loss.sum() * life.tick),
    "recovery": lambda life: life.recovery(),
}
"""Name -> the figure of a life. Requests a second, seconds, requests."""


def compare(
    scenarios: Sequence[str],
    chosen: Sequence[str] | None,
    seeds: Sequence[int],
    workers: int = 2,
    told: Told = lambda done, total, line: None,
) -> Iterator[Line]:
    """A line for each scenario and action (all that the cluster has, where none is chosen) that has a target there.
    Raises NotCompiledError."""
    context = multiprocessing.get_context("spawn")
    tried = {name: chosen or categories(World(Scenario.load(name), seeds[0])) for name in scenarios}
    total, done = sum(map(len, tried.values())), 0
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = {
            (scenario, category, seed): pool.submit(lived, scenario, seed, category)
            for scenario in scenarios
            for category in tried[scenario]
            for seed in seeds
        }
        for scenario in scenarios:
            quick = lives(scenario, seeds, tried[scenario], TICKS)
            for category in tried[scenario]:
                ours = quick.get(category, {})
                theirs = {seed: futures[scenario, category, seed].result() for seed in seeds}
                pairs = [(life, ours[s]) for s, life in theirs.items() if life is not None and s in ours]
                done += 1
                told(done, total, f"{scenario} {category}")
                if pairs:
                    yield Line(scenario, category, len(pairs), _figures(pairs))


def _figures(pairs: Sequence[tuple[Life, Life]]) -> dict[str, Pair]:
    return {
        name: Pair(
            np.array([figure(simpy) for simpy, _ in pairs], float), np.array([figure(fast) for _, fast in pairs], float)
        )
        for name, figure in FIGURES.items()
    }
