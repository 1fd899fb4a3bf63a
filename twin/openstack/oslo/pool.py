"""A pool: so many at a time, the others wait in the order of arrival."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any

from simpy.events import Event

from twin.clock import Clock


class Pool:
    """Worker threads, connections or cores. Its capacity may grow while it is used."""

    def __init__(self, clock: Clock, capacity: int) -> None:
        self.clock = clock
        self.capacity = capacity
        self.busy = 0
        self.held = 0
        """Places that nobody gives back."""
        self.waiting: deque[Slot] = deque()

    def slot(self) -> Slot:
        """A place, for a ``with`` block: wait for `slot.turn` where it is not None."""
        return Slot(self)

    def grow(self, by: int) -> None:
        """Add capacity; whoever waits longest gets it."""
        self.capacity += by
        self._fill()

    def hold(self, places: int) -> None:
        """Take places away for good, or give them back: from now on so many are held."""
        self.held = min(places, self.capacity)
        self._fill()

    def _fill(self) -> None:
        while self.waiting and self.busy < self.capacity - self.held:
            self.busy += 1
            self.waiting.popleft().grant()

    def release(self) -> None:
        """Give a place back, or on to the first who waits."""
        if self.waiting and self.busy <= self.capacity - self.held:
            self.waiting.popleft().grant()
        else:
            self.busy -= 1


class Slot:
    """One place in a pool, taken on entry or as soon as there is one; always given back on exit."""

    __slots__ = ("_pool", "granted", "turn")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.granted = False
        self.turn: Event | None = None
        """Succeeds with True when the place is there, with False when `give_up_at` came first."""

    def __enter__(self) -> Slot:
        pool = self._pool
        if pool.busy < pool.capacity - pool.held:
            pool.busy += 1
            self.granted = True
        else:
            self.turn = Event(pool.clock)
            pool.waiting.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.granted:
            self._pool.release()
        elif self in self._pool.waiting:
            self._pool.waiting.remove(self)

    def grant(self) -> None:
        """Called by the pool."""
        self.granted = True
        assert self.turn is not None
        self.turn.succeed(True)

    def give_up_at(self, time: float) -> None:
        """Stop waiting at the given second."""

        def expire(_: Event) -> Any:
            if self.turn is not None and not self.turn.triggered:
                self._pool.waiting.remove(self)
                self.turn.succeed(False)

        self._pool.clock.at(time, expire)
