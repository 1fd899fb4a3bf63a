"""The ticks of one decision, and what exporters are told of them.

Of what happened they are told sums, and of how it is the end, scrape by scrape: both are kept up from tick to tick, so
that no tick is kept by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from twin.fast.cluster import Cluster
from twin.fast.scraping import Reading, Schedule


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Told:
    """What is told of a decision. s scrapes."""

    loss: Array
    """[] seconds of full outage."""
    violated: Array
    """[] seconds with the SLO violated."""
    reading: Reading
    """[s, …]"""


def lived(cluster: Cluster, world: Any, state: Any, plan: Schedule, chance: bool) -> tuple[Any, Told]:
    """One cluster a decision further."""
    dt = plan.tick

    def tick(state: Any) -> tuple[Any, Array, Array, Reading]:
        state, told = cluster.live(world, state, dt, chance)
        return state, told.loss, told.violated, Reading(told.counts, cluster.gauges(world, state, state.tick * dt))

    def turn(carried: tuple[Any, Array, Array, Reading], part: Array) -> tuple[Any, None]:
        state, loss, violated, heard = carried
        state, lost, bad, told = tick(state)
        counts = jax.tree.map(lambda sums, new: _put(sums, _at(sums, part) + new, part), heard.counts, told.counts)
        gauges = jax.tree.map(lambda ends, new: _put(ends, new, part), heard.gauges, told.gauges)
        return (state, loss + lost, violated + bad, Reading(counts, gauges)), None

    scrapes = len(plan.ends)
    *_, like = jax.eval_shape(tick, state)
    nothing: Reading = jax.tree.map(lambda leaf: jnp.zeros((scrapes, *leaf.shape), leaf.dtype), like)
    begin = (state, jnp.float32(0.0), jnp.float32(0.0), nothing)
    (state, loss, violated, heard), _ = lax.scan(turn, begin, jnp.array(plan.parts))
    return state, Told(loss * dt, violated * dt, heard)


def _at(rows: Array, number: Array) -> Array:
    row: Array = lax.dynamic_index_in_dim(rows, number, keepdims=False)
    return row


def _put(rows: Array, row: Array, number: Array) -> Array:
    after: Array = lax.dynamic_update_index_in_dim(rows, row, number, 0)
    return after
