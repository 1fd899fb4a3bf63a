"""Numbers that are none: noticed at the end of each decision, then searched for tick by tick.

The check at a decision is one flag of each lane, so that it costs next to nothing; only where it is raised are the
lane's ticks lived through once more, one by one on the host, to find where and when the first one came.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from twin.fast.errors import NotANumberError

if TYPE_CHECKING:
    from twin.fast.twin import FastTwin, Lane

LEAST = 1e-12
"""What a sum is made smaller by, twice."""
WHOLE = "the cluster"
"""Whose a quantity is that belongs to no component."""


def sound(lanes: Lane, *told: Array) -> Array:
    """[L] whether no float of a lane's state is NaN (a time that never comes is infinite) and all floats that are told
    of it [L, …] are finite.

    As matrix products, which run at the speed of memory; a boolean reduction for each field takes many times as long.
    """
    count = lanes.episode.shape[0]
    state = jnp.concatenate([leaf.reshape(count, -1) for leaf in _floats(lanes.state)], axis=1)
    wrong = jnp.isnan(state).astype(jnp.float32) @ jnp.ones(state.shape[1])
    for values in told:
        flat = values.reshape(count, -1)
        # Of finite numbers this sum is finite, as it is too small to overflow.
        wrong = wrong + jnp.abs(flat @ jnp.full(flat.shape[1], LEAST)) * LEAST
    return wrong < 0.5


def unsound(twin: FastTwin, lane: Lane, actions: Any) -> NotANumberError:
    """What is no number, found by living on from a lane under `actions` [D, 3]."""
    world = jax.tree.map(np.asarray, twin.world(lane.episode))
    origin = twin.origins[int(lane.episode)]
    holders = twin.cluster.holders(world)
    may = _infinite(jax.tree.map(lambda field: field[lane.episode], twin.begun))
    given = next((name for name, value in _named(world) if np.isnan(value).any()), "")
    tick = 0
    for state, told in _lived(twin, world, lane, actions):
        tick = int(state.tick)
        wrong = [(name, np.isnan(value) if name in may else ~np.isfinite(value)) for name, value in _named(state)]
        wrong += [(name, ~np.isfinite(value)) for name, value in _named(told)]
        found = [(name, _whose(name, bad, holders, origin.components)) for name, bad in wrong if bad.any()]
        if found:
            # What is a component's own says more than what is added up over all of them.
            name, component = min(found, key=lambda each: each[1] == WHOLE)
            return NotANumberError(component, name, tick, origin.scenario, origin.seed, given)
    return NotANumberError(WHOLE, "observation", tick, origin.scenario, origin.seed, given)


def check(twin: FastTwin, told: Any, numbers: Array, lucks: Array, actions: Any) -> None:
    """Raise NotANumberError where a float of what is told [L, …] of lanes is none: episodes `numbers` [L] that began
    with `lucks` [L] and went on under `actions` [L, D, 3]."""
    rows = [np.isfinite(np.asarray(leaf)).reshape(len(leaf), -1).all(axis=1) for leaf in _floats(told)]
    wrong = np.flatnonzero(~np.all(rows, axis=0))
    if len(wrong):
        i = wrong[0]
        raise unsound(twin, twin.begin(numbers[i], lucks[i])[1], actions[i])


def _lived(twin: FastTwin, world: Any, lane: Lane, actions: Any) -> Iterator[tuple[Any, Any]]:
    """The state as it is, then each tick's with what is told of it."""
    dt, state = twin.tick_seconds, lane.state
    live = jax.jit(lambda state: twin.cluster.live(world, state, dt, twin.chance))
    yield state, None
    for action in actions:
        state, _ = twin.cluster.order(world, state, jnp.asarray(action), state.tick * dt)
        for _ in range(twin.ticks):
            state, told = live(state)
            yield state, told


def _whose(name: str, bad: NDArray[np.bool_], holders: Any, components: tuple[str, ...]) -> str:
    """The component, or components, whose positions of a field are bad."""
    held = holders.get(name)
    if held is None:
        return WHOLE
    rows = bad.reshape(len(held), -1).any(axis=1) if len(held) > 1 else np.array([bad.any()])
    names = [components[number] for number in dict.fromkeys(held[rows].tolist()) if 0 <= number < len(components)]
    return ", ".join(names) or WHOLE


def _infinite(state: Any) -> set[str]:
    """Fields that may be infinite: those that are when an episode begins, such as times that have not come."""
    return {name for name, value in _named(state) if np.isinf(value).any()}


def _floats(tree: Any) -> list[Array]:
    return [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)]


def _named(tree: Any) -> list[tuple[str, NDArray[Any]]]:
    """The floats of a tree by the path of their field."""
    found = [
        (jax.tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in jax.tree.leaves_with_path(tree)
    ]
    return [(name, np.asarray(leaf)) for name, leaf in found if jnp.issubdtype(leaf.dtype, jnp.floating)]
