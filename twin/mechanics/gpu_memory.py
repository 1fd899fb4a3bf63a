"""Device memory as its driver reports it: reserve, clock, and rows that are remapped to spares."""

from __future__ import annotations

import math

RESERVED_SHARE = 0.007
"""Share of the memory that the driver keeps for itself (an idle H100 80GB shows 0.5 GiB of 80 reserved; assumed the
same elsewhere)."""

MEMORY_CLOCKS = {
    "a100-sxm-40gb": 1215.0,
    "a100-sxm-80gb": 1593.0,
    "h100-sxm": 2619.0,
    "h200-sxm": 3201.0,
    "a10g": 6251.0,
    "l4": 6251.0,
    "l40s": 9001.0,
    "rtx-4090": 10501.0,
    "rtx-pro-6000": 14001.0,
    "b200": 3996.0,
}
"""Highest memory clock (MHz, `nvidia-smi -q -d CLOCK`): bandwidth is 2 x clock x bus width."""


def memory_clock(name: str) -> float:
    """Memory clock of a GPU in MHz, NaN where it is not known (a field that DCGM then has no value for)."""
    return MEMORY_CLOCKS.get(name, math.nan)


ERROR_STORM = 10.0
"""Corrected errors per second in one partition above which the driver stops taking interrupts for them (assumed)."""
