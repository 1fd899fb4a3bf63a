"""Deployments that are nobody's incident: one replica after the other is replaced, each after the last one runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import Array

from twin.fast import orders
from twin.fast.inference import operations
from twin.fast.orders import NUMBER

if TYPE_CHECKING:
    from twin.fast.inference.episodes import Episode
    from twin.fast.inference.state import State


def begun(world: Episode, state: State, now: Array) -> State:
    """With the next replica's new pod ordered, where it is its turn: gently, as an operator's `recreate`."""
    if world.rollouts.shape[0] == 0:
        return state
    replicas = world.exists.shape[0]
    active = jnp.asarray(world.active)
    each = active.sum()
    number = state.rolled_out // jnp.maximum(each, 1)
    there = number < world.rollouts.shape[0]
    rollout = jnp.asarray(world.rollouts)[jnp.minimum(number, world.rollouts.shape[0] - 1)]
    turn = jnp.cumsum(active) - 1 == state.rolled_out % jnp.maximum(each, 1)
    mine = active & turn
    target = jnp.argmax((jnp.asarray(world.role) == 0) & (jnp.asarray(world.index) == jnp.argmax(mine)))
    whole = (state.up[:replicas] | ~state.deployed).all()
    free = operations.free(world, state, target)
    whole = whole & ~(state.orders.active & (state.orders.category == NUMBER["recreate"])).any()
    starts = there & (now >= rollout[0]) & (now >= state.rests) & whole & free
    action = jnp.array([NUMBER["recreate"], 0, 0]).at[1].set(target)
    slot = orders.free(state.orders) & starts
    drains = jnp.where(state.decoding.sum() > 0.0, operations.drain_seconds(world, state), 0.0)
    return replace(
        state,
        orders=orders.begun(state.orders, slot, action, now, drains, operations.seconds_of("recreate")),
        spare=jnp.where(slot, -1, state.spare),
        rolled_out=state.rolled_out + slot.any(),
        rests=jnp.where(whole, state.rests, now + rollout[1]),
    )
