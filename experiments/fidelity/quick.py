"""The same lives in the fast twin, all seeds of a scenario at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.fidelity.orders import order
from twin import fast
from twin.fast.dynamics import Tick
from twin.scenario import Scenario
from twin.spaces import Layout
from twin.world import World


@dataclass(frozen=True)
class Quick:
    """One life: T ticks from the warm-up to the horizon."""

    seed: int
    tick: float
    loss: NDArray[np.float32]
    """[T]"""
    violated: NDArray[np.bool_]
    queue: NDArray[np.float32]
    completed: float
    routed: NDArray[np.float32]
    """[T, R]"""
    first: NDArray[np.float32]
    crowded: NDArray[np.float32]
    spread: NDArray[np.float32]
    whole: NDArray[np.float32]

    def first_quantile(self, share: float) -> float:
        """Quantile of the time to first token: those who wait for nobody, and the exponential tail of those who do."""
        weight = self.routed / max(float(self.routed.sum()), 1e-9)

        def beyond(limit: float) -> float:
            tail = self.crowded * np.exp(-np.maximum(limit - self.first, 0.0) / np.maximum(self.spread, 1e-9))
            return float((weight * np.where(self.first >= limit, 1.0, tail)).sum())

        return _bisected(beyond, 1.0 - share)

    def whole_quantile(self, share: float) -> float:
        """Quantile of the time to the last token."""
        weight = self.routed.ravel()
        order = np.argsort(self.whole.ravel())
        reached = np.cumsum(weight[order]) / max(float(weight.sum()), 1e-9)
        return float(self.whole.ravel()[order][np.searchsorted(reached, share)])


def _bisected(beyond, share: float) -> float:  # type: ignore[no-untyped-def]
    low, high = 0.0, 1e4
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if beyond(middle) > share else (low, middle)
    return high


def lives(scenario: str, seeds: Sequence[int], categories: Sequence[str], ticks: int) -> dict[str, dict[int, Quick]]:
    """Category -> seed -> life. Raises NotCompiledError."""
    loaded = Scenario.load(scenario, ("spec.telemetry=off",))
    twin = fast.compile(loaded, seeds, ticks)
    worlds = [World(loaded, seed) for seed in seeds]
    spec = worlds[0].spec
    decisions = int((spec.horizon - spec.control.warmup) / spec.control.interval)
    numbers, lucks = jnp.arange(len(worlds)), jax.random.split(jax.random.key(1), len(worlds))
    run = jax.jit(jax.vmap(twin.whole))
    found: dict[str, dict[int, Quick]] = {}
    for category in categories:
        actions = np.zeros((len(worlds), decisions, 3), np.int32)
        there = []
        for i, world in enumerate(worlds):
            ordered = order(world, category)
            there.append(category == "noop" or ordered is not None)
            if ordered is not None:
                at = int((ordered.time - spec.control.warmup) / spec.control.interval)
                actions[i, at] = Layout(world.topology).encode(ordered.action)
        if any(there):
            told = jax.tree.map(np.asarray, run(numbers, jnp.asarray(actions), lucks))
            found[category] = {
                seed: _life(told, i, seed, twin.tick_seconds) for i, seed in enumerate(seeds) if there[i]
            }
    return found


def _life(told: Tick, i: int, seed: int, tick: float) -> Quick:
    def of(name: str) -> NDArray[np.float32]:
        return np.asarray(getattr(told, name)[i])

    return Quick(
        seed, tick, of("loss"), of("violated").astype(bool), of("running"), float(of("completed").sum()), of("routed"),
        of("first_token"), of("crowded"), of("spread"), of("whole"),
    )  # fmt: skip
