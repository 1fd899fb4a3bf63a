"""What exporters remember between two scrapes: temperatures, what drivers reported, when machines booted."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast.inference.episodes import Episode
from twin.fast.inference.exposed import RANK, SIGN
from twin.fast.inference.gpu_load import Load, power
from twin.fast.inference.told import Counts
from twin.mechanics.gpu_thermal import CONTROL_BAND, CORE_RISE, MAX_OPERATING, THERMAL_SECONDS


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Memory:
    """What exporters remember between two scrapes."""

    temperature: Array
    """[G] C."""
    xid: Array
    """[G] the last that the driver reported; 0 none."""
    booted: Array
    """[D] seconds."""


def remembered(world: Episode) -> Memory:
    """At the beginning: idle GPUs, machines that have just booted."""
    watts = jnp.asarray(world.exposed.gpu)[1] / jnp.asarray(world.exposed.gpu)[0]
    gpus, nodes = world.exposed.seat.shape[0], world.exposed.node.shape[0]
    return Memory(jnp.asarray(world.exposed.inlet) + CORE_RISE * watts, jnp.zeros(gpus), jnp.zeros(nodes))


def moved_on(
    world: Episode, memory: Memory, counts: Counts, work: Load, of_gpu: Array, now: Array, seconds: float
) -> Memory:
    """Temperatures, drivers and boots since the last scrape."""
    # The driver lets the device heat up at its full clock until it must hold it back.
    hottest = of_gpu[:, SIGN["hottest"]]
    cool = (hottest > 0.0) & (memory.temperature < MAX_OPERATING - CONTROL_BAND)
    watts = power(world, work, jnp.where(cool, 1.0, work.decode_clock), jnp.where(cool, 1.0, work.prefill_clock))
    share = watts / jnp.asarray(world.exposed.gpu)[0]
    target = jnp.asarray(world.exposed.inlet) + CORE_RISE * (1.0 + of_gpu[:, SIGN["heat_path"]]) * share
    warmer = target + (memory.temperature - target) * jnp.exp(-seconds / THERMAL_SECONDS)
    held = jnp.where(hottest > 0.0, jnp.maximum(hottest, memory.temperature - seconds), jnp.inf)
    reported = of_gpu[:, SIGN["xid"]] % RANK
    known = jnp.where(counts.reloaded > 0.0, 0.0, memory.xid)
    return Memory(
        temperature=jnp.minimum(warmer, held),
        xid=jnp.where(reported > 0.0, reported, known),
        booted=jnp.where(counts.booted > 0.0, now, memory.booted),
    )
