"""The same lives in the fast twin, all seeds of a scenario at once."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.fidelity.life import Life
from experiments.fidelity.orders import NOTHING, order
from twin import fast
from twin.scenario import Scenario
from twin.spaces import Layout
from twin.world import World


def lives(scenario: str, seeds: Sequence[int], categories: Sequence[str], ticks: int) -> dict[str, dict[int, Life]]:
    """Category -> seed -> life, in `ticks` a decision. Raises NotCompiledError."""
    loaded = Scenario.load(scenario, ("spec.telemetry=off",))
    twin = fast.compile(loaded, seeds, ticks)
    worlds = [World(loaded, seed) for seed in seeds]
    run = jax.jit(jax.vmap(twin.whole))
    numbers, lucks = jnp.arange(len(worlds)), jax.random.split(jax.random.key(1), len(worlds))
    found: dict[str, dict[int, Life]] = {}
    for category in categories:
        actions = [_actions(world, category) for world in worlds]
        there = [i for i, action in enumerate(actions) if action is not None]
        if there:
            nothing = np.zeros_like(actions[there[0]])
            given = jnp.asarray(np.stack([nothing if action is None else action for action in actions]))
            told = jax.tree.map(np.asarray, run(numbers, given, lucks))
            found[category] = {seeds[i]: _life(told, i, twin) for i in there}
    return found


def _actions(world: World, category: str) -> NDArray[np.int32] | None:
    """[D, 3] the action of each decision; None where the order has no target."""
    spec = world.spec
    actions = np.zeros((int((spec.horizon - spec.control.warmup) / spec.control.interval), 3), np.int32)
    if category == NOTHING:
        return actions
    ordered = order(world, category)
    if ordered is None:
        return None
    at = int((ordered.time - spec.control.warmup) / spec.control.interval)
    actions[at] = Layout(world.topology).encode(ordered.action)
    return actions


def _life(told: fast.Tick, i: int, twin: fast.FastTwin) -> Life:
    def of(field: jax.Array) -> NDArray[np.float32]:
        return np.asarray(field[i], np.float32)

    latency = np.asarray(told.latency[i], np.float64).sum(axis=0)
    return Life(
        tick=twin.tick_seconds,
        loss=of(told.loss),
        violated=of(told.violated).astype(bool),
        queue=of(told.queue),
        completed=float(of(told.completed).sum()),
        latency=dict(zip(twin.cluster.LATENCIES, latency, strict=True)),
    )
