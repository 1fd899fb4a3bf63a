"""Both twins side by side: one line for each scenario and action, means over seeds and their relative differences."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.fidelity.lives import Life, lived
from experiments.fidelity.quick import Quick, lives
from twin.slo import recovery

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


FIGURES: dict[str, tuple[Callable[[Life], float], Callable[[Quick], float]]] = {
    "throughput": (lambda a: a.completed / len(a.loss), lambda b: b.completed / (len(b.loss) * b.tick)),
    "TTFT p50": (lambda a: _quantile(a.first, 0.5), lambda b: b.first_quantile(0.5)),
    "TTFT p99": (lambda a: _quantile(a.first, 0.99), lambda b: b.first_quantile(0.99)),
    "E2E p50": (lambda a: _quantile(a.whole, 0.5), lambda b: b.whole_quantile(0.5)),
    "E2E p99": (lambda a: _quantile(a.whole, 0.99), lambda b: b.whole_quantile(0.99)),
    "queue": (lambda a: float(a.queue.mean()), lambda b: float(b.queue.mean())),
    "violation": (lambda a: float(a.violated.sum()), lambda b: float(b.violated.sum() * b.tick)),
    "loss": (lambda a: float(a.loss.sum()), lambda b: float(b.loss.sum() * b.tick)),
    "recovery": (lambda a: _recovery(a.violated, 1.0), lambda b: _recovery(b.violated, b.tick)),
}
"""Name -> the figure of a life in either twin. Requests a second, seconds, requests."""


def compare(
    scenarios: Sequence[str],
    categories: Sequence[str],
    seeds: Sequence[int],
    workers: int = 2,
    told: Told = lambda done, total, line: None,
) -> Iterator[Line]:
    """A line for each scenario and action that has a target there. Raises NotCompiledError."""
    context = multiprocessing.get_context("spawn")
    total, done = len(scenarios) * len(categories), 0
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = {
            (scenario, category, seed): pool.submit(lived, scenario, seed, category)
            for scenario in scenarios
            for category in categories
            for seed in seeds
        }
        for scenario in scenarios:
            quick = lives(scenario, seeds, categories, TICKS)
            for category in categories:
                ours = quick.get(category, {})
                theirs = {seed: futures[scenario, category, seed].result() for seed in seeds}
                pairs = [(theirs[s], ours[s]) for s in seeds if theirs[s] is not None and s in ours]
                done += 1
                told(done, total, f"{scenario} {category}")
                if pairs:
                    yield Line(scenario, category, len(pairs), _figures(pairs))


def _figures(pairs: Sequence[tuple[Life | None, Quick]]) -> dict[str, Pair]:
    return {
        name: Pair(
            np.array([simpy(a) for a, _ in pairs if a is not None], float), np.array([fast(b) for _, b in pairs], float)
        )
        for name, (simpy, fast) in FIGURES.items()
    }


def _quantile(values: NDArray[np.float32], share: float) -> float:
    return float(np.quantile(values, share)) if len(values) else float("nan")


def _recovery(violated: NDArray[np.bool_], tick: float) -> float:
    """Seconds to recovery; NaN where nothing was violated."""
    seconds = np.repeat(violated, round(tick)) if tick >= 1.0 else violated
    found = recovery([bool(v) for v in seconds], 0.0, float(len(seconds)))
    return float("nan") if found.seconds is None else found.seconds
