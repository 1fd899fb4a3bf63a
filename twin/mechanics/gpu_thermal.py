"""Temperature of a GPU, and what its driver does about it.

A part is `inlet + heat path x power` warm once it has settled, and gets there with a first-order lag. Above the maximum
operating temperature the driver lowers the clock in proportion; above the slowdown temperature the hardware divides it.
"""

from __future__ import annotations

import math

from twin.mechanics.gpu_power import stepped
from twin.mechanics.hardware import Gpu

THERMAL_SECONDS = 23.0
"""Time constant of the core temperature (0.5 s samples of a 24 GB card, liao4s/BurstGPT_test, MIT)."""

INLET_TEMPERATURE = 27.0
"""Air at the GPU's inlet, C (upper end of what ASHRAE recommends for class A1)."""

INLET_SPREAD = 2.0
"""How far a node's inlet is from that, K, either way (assumed: its height in the rack)."""

CORE_RISE = 45.0
"""Core above inlet at the default power limit, K (assumed: about 72 C under full load)."""

MEMORY_RISE = 50.0
"""Memory above inlet at the default power limit, K (assumed)."""

MAX_OPERATING = 87.0
MEMORY_MAX_OPERATING = 95.0
SLOWDOWN = 89.0
"""C, as `nvidia-smi -q -d TEMPERATURE` prints them of an H100: GPU Max Operating, Memory Max Operating and GPU
Slowdown."""

CONTROL_BAND = 2.0
"""K below the maximum operating temperature at which the driver begins to lower the clock (assumed)."""

CONTROL_GAIN = 0.2
"""Share of the clock taken away per kelvin within the band (assumed: a proportional controller)."""

CONTROL_SECONDS = 1.0
"""How often the driver looks (assumed)."""


def settled(inlet: float, rise: float, heat_path: float, share: float) -> float:
    """Temperature (C) in the long run at `share` of the default power limit, with the thermal resistance `heat_path`
    times that of a sound board."""
    return inlet + rise * heat_path * share


def temperature_after(now: float, target: float, seconds: float, constant: float = THERMAL_SECONDS) -> float:
    """First-order lag towards `target` with that time constant."""
    return target + (now - target) * math.exp(-seconds / constant)


def can_overheat(inlet: float, heat_path: float) -> bool:
    """Whether the driver may have to lower the clock at full power."""
    core = settled(inlet, CORE_RISE, heat_path, 1.0)
    memory = settled(inlet, MEMORY_RISE, heat_path, 1.0)
    return core > MAX_OPERATING - CONTROL_BAND or memory > MEMORY_MAX_OPERATING - CONTROL_BAND


def governed_clock(gpu: Gpu, core: float, memory: float) -> float:
    """Highest clock ratio that the driver allows at these temperatures (C): a supported clock, or 1 when cool."""
    above = max(core - MAX_OPERATING, memory - MEMORY_MAX_OPERATING) + CONTROL_BAND
    return stepped(gpu, 1.0 - CONTROL_GAIN * above) if above > 0 else 1.0
