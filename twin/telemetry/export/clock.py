"""Simulated seconds as Unix time, in the ways that formats write it."""

from __future__ import annotations

from datetime import UTC, datetime


class UnixClock:
    """Turns simulated seconds into Unix nanoseconds, and those into text."""

    def __init__(self, epoch: float) -> None:
        """`epoch`: Unix time of second 0."""
        self._epoch = round(epoch * 1e6) * 1000
        self._second = -1
        self._text = ""

    def nanoseconds(self, time: float) -> int:
        """Unix time in nanoseconds, exact to the last bit of the simulated time."""
        return self._epoch + round(time * 1e9)

    def text(self, nanoseconds: int) -> str:
        """UTC with microseconds, as `2026-01-01 00:00:11.545816`."""
        second, rest = divmod(nanoseconds, 1_000_000_000)
        if second != self._second:  # telemetry comes in the order of time
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
        return f"{self._text}.{rest // 1000:06d}"
