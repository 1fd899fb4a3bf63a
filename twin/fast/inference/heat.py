"""Temperatures of GPUs whose heat path is bad, and the clocks that their driver allows.

In the SimPy twin the driver looks once a second; here it does so as often within a tick, with the power of the tick
before. Only where a scenario has such a fault: elsewhere the arrays are empty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from twin.fast.inference.channels import Engine
from twin.mechanics.gpu_power import CLOCK_STEP, DECODE_ACTIVITY, POWER_EXPONENT, PREFILL_ACTIVITY
from twin.mechanics.gpu_thermal import (
    CONTROL_BAND,
    CONTROL_GAIN,
    CONTROL_SECONDS,
    CORE_RISE,
    MAX_OPERATING,
    MEMORY_MAX_OPERATING,
    MEMORY_RISE,
    THERMAL_SECONDS,
)

CLOCKS: Final = 12
"""Clocks at which the times of steps are known."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Heat:
    """Of one kind of GPU in H seats (0 where nothing can overheat)."""

    inlet: NDArray[np.float32]
    """[H] C, of each seat's machine."""
    idle: NDArray[np.float32]
    """[] share of the default power limit without work."""
    least: NDArray[np.float32]
    """[2] lowest clock, and the step between clocks, as shares of the maximum."""
    slower: NDArray[np.float32]
    """[CLOCKS, 3] a clock's share; how many times longer decode steps and prompts take at it, minus one."""


def heat(engine: Engine, inlets: Sequence[float], size: int) -> Heat:
    """The constants of `size` seats; `inlets` of those there are."""
    gpu = engine.gpu
    least = gpu.min_clock / gpu.clock
    clocks = np.geomspace(least, 1.0, CLOCKS)
    rows = [
        (
            c,
            engine.decode_seconds(c) / engine.decode_seconds() - 1,
            engine.prefill_seconds(c) / engine.prefill_seconds() - 1,
        )
        for c in clocks
    ]
    inlet = np.full(size, inlets[0] if len(inlets) else 0.0, np.float32)
    inlet[: min(size, len(inlets))] = inlets[:size]
    return Heat(
        inlet, np.float32(gpu.idle_power / gpu.power), np.array([least, CLOCK_STEP / gpu.clock], np.float32),  # type: ignore[arg-type]
        np.array(rows, np.float32),
    )  # fmt: skip


def still(heat: Heat) -> Array:
    """[H, 2] core and memory of boards that do nothing."""
    return jnp.asarray(heat.inlet)[:, None] + jnp.array([CORE_RISE, MEMORY_RISE]) * heat.idle


def clock(heat: Heat, warm: Array) -> Array:
    """[H] what the driver allows at these temperatures [H, 2]."""
    above = jnp.maximum(warm[:, 0] - MAX_OPERATING, warm[:, 1] - MEMORY_MAX_OPERATING) + CONTROL_BAND
    share = jnp.floor((1.0 - CONTROL_GAIN * above) / heat.least[1] + 1e-4) * heat.least[1]
    return jnp.where(above > 0.0, jnp.clip(share, heat.least[0], 1.0), 1.0)


def warmed(heat: Heat, warm: Array, path: Array, busy: Array, dt: float) -> tuple[Array, Array]:
    """Temperatures [H, 2] after `dt` seconds, and the mean clock [H] meanwhile. `path` [H]: thermal resistance to a
    sound board's; `busy` [H, 2]: shares of the time of decode steps and of prompts."""
    looks = max(1, round(dt / CONTROL_SECONDS))
    lag = math.exp(-dt / looks / THERMAL_SECONDS)
    work = busy[:, 0] * DECODE_ACTIVITY + busy[:, 1] * PREFILL_ACTIVITY
    rise = jnp.array([CORE_RISE, MEMORY_RISE]) * path[:, None]
    allowed = []
    for _ in range(looks):
        now = clock(heat, warm)
        share = heat.idle + (1.0 - heat.idle) * work * now**POWER_EXPONENT
        settles = jnp.asarray(heat.inlet)[:, None] + rise * share[:, None]
        warm = settles + (warm - settles) * lag
        allowed.append(now)
    return warm, jnp.stack(allowed).mean(axis=0)


def slower(heat: Heat, share: Array) -> Array:
    """[H, 2] how many times longer decode steps and prompts take at a clock [H], minus one."""
    table = jnp.asarray(heat.slower)
    return jnp.stack([jnp.interp(share, table[:, 0], table[:, i]) for i in (1, 2)], axis=1)
