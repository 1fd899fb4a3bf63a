"""How supervisors restart what died."""

from __future__ import annotations

CRASH_LOOP_BASE = 10.0
CRASH_LOOP_LIMIT = 300.0
CRASH_LOOP_RESET = 600.0
"""Seconds of running after which a supervisor forgets earlier crashes (kubelet: 10 minutes)."""


def crash_loop_delay(deaths: int) -> float:
    """Seconds until the next start after that many deaths: at once, then 10 s doubled to 300 s (kubelet's back-off)."""
    return 0.0 if deaths <= 1 else min(CRASH_LOOP_LIMIT, CRASH_LOOP_BASE * 2.0 ** (deaths - 2))
