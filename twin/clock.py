"""Simulated time: SimPy's environment, plus call-backs at absolute times."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Any

from simpy.core import Environment
from simpy.events import NORMAL, Event


class Clock(Environment):
    """SimPy's environment with ``at``: components that know *when* need no process of their own.

    Times are absolute seconds, so a moment computed once is reached exactly; ``timeout(t - now)`` would round.
    """

    def live_until(self, time: float) -> None:
        """Process every event up to and including the absolute time `time`; `run(until)` stops before those at it."""
        queue = self._queue
        while queue and queue[0][0] <= time:
            self.step()
        self._now = time

    def at(self, time: float, callback: Callable[[Event], Any]) -> None:
        """Call ``callback(event)`` at the absolute time ``time`` (seconds), after what was scheduled there before.

        Raises ValueError when ``time`` has passed: the clock never goes back.
        """
        if time < self._now:
            raise ValueError(f"cannot schedule at {time} s: the clock stands at {self._now} s")
        event = Event(self)
        event._ok = True
        event._value = None
        event.callbacks = [callback]
        heappush(self._queue, (time, NORMAL, next(self._eid), event))
