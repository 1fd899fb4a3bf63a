"""What GPUs did since the last scrape, and the power that they drew."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from twin.fast.inference.episodes import Episode
from twin.fast.inference.exposed import SIGN
from twin.fast.inference.signs import Signs
from twin.fast.inference.told import Counts, Gauges
from twin.mechanics.gpu_power import DECODE_ACTIVITY, POWER_EXPONENT, PREFILL_ACTIVITY


@dataclass(frozen=True)
class Load:
    """What a GPU did since the last scrape. [G] shares of the time, and clocks as shares of the highest."""

    replica: Array
    """[G] int32: whose it is."""
    decode: Array
    prefill: Array
    decode_clock: Array
    prefill_clock: Array


def load(world: Episode, counts: Counts, gauges: Gauges, of: Signs) -> Load:
    """Those of the kernels of whoever sits on each."""
    seats = jnp.arange(gauges.seat.shape[0])
    holder = jnp.argmax(gauges.seat[None, :] == seats[:, None], axis=1)[jnp.asarray(world.exposed.seat)]
    working = gauges.up[holder] & (gauges.running[holder] + gauges.queued[holder] > 0.0)
    spins = working & (of.program[holder, SIGN["spins"]] > 0.0)
    return Load(
        holder,
        jnp.where(spins, 1.0, counts.decode[holder]),
        counts.prefill[holder],
        1.0 - of.gpu[:, SIGN["decode_slow"]],
        1.0 - of.gpu[:, SIGN["prefill_slow"]],
    )


def power(world: Episode, work: Load, decode_clock: Array, prefill_clock: Array) -> Array:
    """[G] mean power at these clocks."""
    limit, idle = jnp.asarray(world.exposed.gpu)[0], jnp.asarray(world.exposed.gpu)[1]
    drawn = work.decode * DECODE_ACTIVITY * decode_clock**POWER_EXPONENT
    drawn = drawn + work.prefill * PREFILL_ACTIVITY * prefill_clock**POWER_EXPONENT
    return idle + (limit - idle) * drawn / jnp.maximum(work.decode + work.prefill, 1.0)
