"""Host mechanics: how contention for memory and cores slows the work of a node."""

from __future__ import annotations

MEMORY_KNEE = 0.90
"""Share of memory in use above which the kernel reclaims page cache and executable pages (assumed; kswapd starts at the
low watermark, a few per cent of free memory)."""

MEMORY_SLOWDOWN = 6.0
"""How many times slower host work is at 100 % of memory than at the knee (assumed: refaults from disk dominate)."""


def stressor_bytes(size: float, growth: float, elapsed: float) -> float:
    """Resident bytes of a memory stressor `elapsed` seconds after its start: linear growth (bytes/s) up to `size`."""
    return min(size, growth * elapsed) if growth > 0 else size


def host_slowdown(memory_share: float, runnable_per_core: float) -> float:
    """Factor on the duration of host work: processor sharing among runnable threads, times reclaim near full memory."""
    sharing = max(1.0, runnable_per_core)
    thrash = (min(memory_share, 1.0) - MEMORY_KNEE) / (1.0 - MEMORY_KNEE)
    return sharing * (1.0 + max(0.0, thrash) * (MEMORY_SLOWDOWN - 1.0))
