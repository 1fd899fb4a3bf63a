"""A process whose own memory grows until its pod's limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin.inference.replica import Replica

CHECK = 1.0
"""Seconds between two looks at a growing process, as its allocations would come."""


class Leak:
    """What a replica has leaked since its process began, or since it began to leak."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._since: float | None = None
        self._looks = 0

    @property
    def bytes(self) -> float:
        """Bytes leaked so far."""
        if self._since is None:
            return 0.0
        return self._replica.value("memory_leak") * (self._replica.world.now - self._since)

    def look(self) -> None:
        """The leak began or was mended."""
        if not self._replica.value("memory_leak"):
            self._since = None
        elif self._since is None:
            self._since = self._replica.world.now
            self._looks += 1
            self._look_later(self._looks)

    def forget(self) -> None:
        """The process is gone, and its memory with it."""
        self._since = None

    def _look_later(self, number: int) -> None:
        def look(_: object) -> None:
            replica = self._replica
            if self._since is None or self._looks != number:
                return
            if replica.resident_memory > replica.cgroup.memory and replica.up:
                replica.cgroup.kill_largest()
            elif replica.engine is not None:
                replica.engine.mechanics_changed()
            self._look_later(number)

        self._replica.world.clock.at(self._replica.world.now + CHECK, look)
