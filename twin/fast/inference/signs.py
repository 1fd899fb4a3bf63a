"""What the conditions that hold show of each program, GPU and machine, and of whom nothing is seen."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from twin.fast.inference.episodes import Episode
from twin.fast.inference.exposed import SIGN
from twin.fast.inference.told import Gauges


@dataclass(frozen=True)
class Signs:
    """[P, M], [G, M], [D, M] the strongest sign of the conditions on each."""

    program: Array
    gpu: Array
    node: Array


def on_rows(world: Episode, signs: Array, kind: int, rows: int) -> Array:
    """[rows, M] of conditions [K, M] on one kind of component."""
    here = (jnp.asarray(world.exposed.kind) == kind)[:, None] & (
        jnp.asarray(world.exposed.row)[:, None] == jnp.arange(rows)[None, :]
    )
    return jnp.where(here[:, :, None], signs[:, None, :], 0.0).max(axis=0)


def reached(world: Episode, on: Array, programs: int, gpus: int) -> tuple[Array, Array, Array]:
    """[P], [G], [D] whom the monitoring system reaches."""
    blind = (jnp.asarray(world.exposed.blind) & on[:, None]).any(axis=0)
    seen = jnp.append(~blind, True)[jnp.asarray(world.exposed.slots)]
    return seen[:programs], seen[programs : programs + gpus], seen[programs + gpus :]


def without_power(world: Episode, gauges: Gauges, now: Array) -> Array:
    """[D] machines without power, or that boot after they had none."""
    conditions, boots = world.conditions, jnp.asarray(world.exposed.signs)[:, SIGN["boots"]]
    begun, until = now >= jnp.asarray(conditions.begins), jnp.asarray(conditions.ends) + boots
    dark = (boots > 0.0) & begun & (now < until) & ~gauges.healed
    machines = jnp.arange(world.exposed.node.shape[0])
    return (dark[:, None] & (jnp.asarray(world.exposed.row)[:, None] == machines[None, :])).any(axis=0)
