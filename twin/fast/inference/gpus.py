"""What the exporter of GPUs shows (DCGM)."""

from __future__ import annotations

from typing import Final

import jax.numpy as jnp
from jax import Array

from twin.fast.inference.episodes import Episode
from twin.fast.inference.exposed import SIGN, SOFTWARE_CAP, SOFTWARE_HEAT
from twin.fast.inference.gpu_load import Load, power
from twin.fast.inference.memory import Memory
from twin.fast.inference.signs import Signs
from twin.fast.inference.told import NEVER_READY, Gauges
from twin.fast.scraping import COLUMNS
from twin.mechanics.gpu_clocks import ClockEvent
from twin.mechanics.gpu_thermal import CONTROL_BAND, MAX_OPERATING

OF_DRIVER: Final = ("DCGM_FI_DEV_XID_ERRORS",)
OF_DEVICE: Final = tuple(name for name in COLUMNS["gpu"] if name not in OF_DRIVER)
"""What the driver says by itself, and what it has to ask the device for."""


def of_gpus(world: Episode, memory: Memory, gauges: Gauges, work: Load, of: Signs, now: Array) -> dict[str, Array]:
    """[G] by feature, at second `now`."""
    sign = of.gpu
    busy = work.decode + work.prefill
    heats = sign[:, SIGN["hottest"]] > 0.0
    hot = heats & (memory.temperature >= MAX_OPERATING - CONTROL_BAND)
    decode_clock = jnp.where(heats & ~hot, 1.0, work.decode_clock)
    prefill_clock = jnp.where(heats & ~hot, 1.0, work.prefill_clock)
    clock = (work.decode * decode_clock + work.prefill * prefill_clock) / jnp.maximum(busy, 1e-6)
    hardware = sign[:, SIGN["hardware"]]
    brake = hardware >= float(ClockEvent.HW_POWER_BRAKE_SLOWDOWN)
    alert = (hardware > 0.0) & ~brake
    capped = work.decode * sign[:, SIGN["decode_capped"]] + work.prefill * sign[:, SIGN["prefill_capped"]]
    bits = jnp.where(capped > 0.0, SOFTWARE_CAP, 0.0) + jnp.where(hot, SOFTWARE_HEAT, 0.0)
    bits = jnp.where(busy > 0.0, bits, float(ClockEvent.GPU_IDLE)) + hardware
    ready, warm = gauges.ready[work.replica], jnp.asarray(world.exposed.warm)[gauges.fresh[work.replica]]
    taken = gauges.up[work.replica] | ((ready < NEVER_READY) & (ready - now <= warm))
    megahertz, size = jnp.asarray(world.exposed.gpu)[2], jnp.asarray(world.exposed.gpu)[3]
    nanoseconds = 1e9
    return {
        "DCGM_FI_DEV_SM_CLOCK": jnp.round(megahertz * jnp.where(busy > 0.0, clock, 1.0)),
        "DCGM_FI_DEV_POWER_USAGE": power(world, work, decode_clock, prefill_clock),
        "DCGM_FI_DEV_GPU_TEMP": jnp.round(memory.temperature),
        "DCGM_FI_DEV_GPU_UTIL": jnp.round(100.0 * jnp.minimum(busy, 1.0)),
        "DCGM_FI_DEV_FB_USED": jnp.where(taken, size, 0.0),
        "DCGM_FI_DEV_XID_ERRORS": memory.xid,
        "DCGM_FI_DEV_POWER_VIOLATION": nanoseconds * jnp.where(brake, busy, capped),
        "DCGM_FI_DEV_THERMAL_VIOLATION": nanoseconds * jnp.where(hot | alert, busy, 0.0),
        "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": bits,
        "DCGM_FI_DEV_ROW_REMAP_PENDING": (sign[:, SIGN["remap_pending"]] > 0.0).astype(jnp.float32),
        "DCGM_FI_DEV_ROW_REMAP_FAILURE": (sign[:, SIGN["no_spare"]] > 0.0).astype(jnp.float32),
    }
