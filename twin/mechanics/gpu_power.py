"""Power and clock of a GPU: what a kernel draws, and what the clock falls to when that is too much."""

from __future__ import annotations

import math

from twin.mechanics.hardware import Gpu

DECODE_ACTIVITY = 0.70
"""Share of the dynamic power range drawn by a decode step (splitwise-sim, Llama-2-70B on A100: 0.74 of TDP at TP 2)."""

PREFILL_ACTIVITY = 1.0
"""The same for a compute-bound step (same source: peaks at TDP)."""

POWER_EXPONENT = 3.0
"""Dynamic power ~ f V^2 with V ~ f: the classic cube (Mudge, IEEE Computer 2001)."""

CLOCK_STEP = 15.0
"""MHz between the clocks a GPU can run at (`nvidia-smi -q -d SUPPORTED_CLOCKS` of Ampere and Hopper parts)."""

HARDWARE_DIVISOR = 2.0
"""What the hardware's own slowdown divides the core clock by, at the least (NVML, nvmlClocksEventReasonHwSlowdown)."""


def clock_ratio(gpu: Gpu, limit: float, activity: float) -> float:
    """SM clock as a share of the maximum under a board power limit (W), for work of the given activity."""
    dynamic = (gpu.power - gpu.idle_power) * activity
    budget = max(0.0, min(limit, gpu.power) - gpu.idle_power)
    if dynamic <= budget:
        return 1.0
    return float(max((budget / dynamic) ** (1.0 / POWER_EXPONENT), gpu.min_clock / gpu.clock))


def stepped(gpu: Gpu, ratio: float) -> float:
    """The highest supported clock ratio that is not above `ratio`."""
    megahertz = math.floor(ratio * gpu.clock / CLOCK_STEP + 1e-9) * CLOCK_STEP
    return max(megahertz, gpu.min_clock) / gpu.clock if ratio < 1.0 else 1.0


def slowed(gpu: Gpu, ratio: float) -> float:
    """Clock ratio while the hardware itself holds the clock down, whatever the driver asks for."""
    return max(ratio / HARDWARE_DIVISOR, gpu.min_clock / gpu.clock)


def power(gpu: Gpu, clock: float, activity: float) -> float:
    """Board power (W) while a kernel of that activity runs at that clock ratio."""
    return gpu.idle_power + (gpu.power - gpu.idle_power) * activity * math.pow(clock, POWER_EXPONENT)
