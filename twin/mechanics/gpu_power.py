"""Power, clock and temperature of a GPU."""

from __future__ import annotations

import math

from twin.mechanics.hardware import Gpu

DECODE_ACTIVITY = 0.70
"""Share of the dynamic power range drawn by a decode step (splitwise-sim, Llama-2-70B on A100: 0.74 of TDP at TP 2)."""

PREFILL_ACTIVITY = 1.0
"""The same for a compute-bound step (same source: peaks at TDP)."""

POWER_EXPONENT = 3.0
"""Dynamic power ~ f V^2 with V ~ f: the classic cube (Mudge, IEEE Computer 2001)."""

THERMAL_SECONDS = 23.0
"""Time constant of the core temperature (0.5 s samples of a 24 GB card, liao4s/BurstGPT_test, MIT)."""


def clock_ratio(gpu: Gpu, limit: float, activity: float) -> float:
    """SM clock as a share of the maximum under a board power limit (W), for work of the given activity."""
    dynamic = (gpu.power - gpu.idle_power) * activity
    budget = max(0.0, min(limit, gpu.power) - gpu.idle_power)
    if dynamic <= budget:
        return 1.0
    return float(max((budget / dynamic) ** (1.0 / POWER_EXPONENT), gpu.min_clock / gpu.clock))


def power(gpu: Gpu, clock: float, activity: float) -> float:
    """Board power (W) while a kernel of that activity runs at that clock ratio."""
    return gpu.idle_power + (gpu.power - gpu.idle_power) * activity * math.pow(clock, POWER_EXPONENT)


def target_temperature(utilization: float, running: int) -> float:
    """Steady core temperature (C): 47.8 + 0.308 x utilisation (per cent) + 0.037 x min(running, 256) (same samples)."""
    return 47.8 + 30.8 * utilization + 0.037 * min(running, 256)


def temperature_after(now: float, target: float, seconds: float) -> float:
    """First-order lag towards `target`."""
    return target + (now - target) * math.exp(-seconds / THERMAL_SECONDS)
