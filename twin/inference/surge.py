"""Who comes beyond the usual: a flash crowd, and a client that abuses the service.

Both are thinned from a plane of points that is drawn once and for all: points lie with density 1 over time (s) and
level (1/s), and those below the present extra rate come. So a larger crowd contains the smaller one, an earlier end
takes nobody away who came before, and the usual clients' arrivals are not touched (honesty rule 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from twin.inference.workload import Arrival, nominal_rate

if TYPE_CHECKING:
    from twin.inference.clients import Clients
    from twin.streams import Stream

CELL = 1.0
"""Seconds of the plane that are drawn at a time."""
PER_CELL = 4096
"""At most this many points of a cell can come."""

SURGE, ABUSE = 1 << 44, 1 << 45
"""From where requests of the crowd, and of the abusive client, are numbered."""

ABUSER = 23
"""Which client abuses the service: one address."""


def points(stream: Stream, cell: int, level: float) -> Iterator[tuple[int, float, float]]:
    """(number, time, level) of the points of a cell up to a level, by level."""
    height = 0.0
    for j in range(PER_CELL):
        height += stream.exponential(1.0 / CELL, cell, j)
        if height >= level:
            return
        yield j, (cell + stream.uniform(cell, j, "time")) * CELL, height


class Surge:
    """Calls beyond the workload, as the conditions on the gateway's demand say."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.world = clients.world
        self._crowd, self._abuse = self.world.streams["surge/crowd"], self.world.streams["surge/abuse"]
        self._plan = 0  # numbers the plans of a cell: a change of demand voids the older one
        self._since = 0.0
        self._factor = 1.0
        self._nominal: Callable[[float], float] | None = None

    def demand_changed(self) -> None:
        """Conditions on the demand came or went: plan the rest of this cell anew."""
        factor = self.clients.gateway.value("arrival_rate")
        if factor != self._factor:
            self._factor, self._since = factor, self.world.now
            self._nominal = nominal_rate(self.clients.spec) or self._rate_so_far()
        self._plan += 1
        self._next_cell(self._plan)

    def _next_cell(self, plan: int) -> None:
        now = self.world.now
        cell = math.floor(now / CELL)
        abuse = self.clients.gateway.value("abuse_rate")
        if plan != self._plan or (self._factor <= 1.0 and not abuse):
            return
        crowd = max(self._extra(now), self._extra((cell + 1) * CELL))  # the usual rate is taken as linear in a cell
        for number, time, level in points(self._crowd, cell, crowd):
            if time >= now:
                self._expect(time, self._join, plan, cell, number, level)
        for number, time, _ in points(self._abuse, cell, abuse):
            if time >= now:
                self._expect(time, self._abusive, plan, cell, number)
        self.world.clock.at((cell + 1) * CELL, lambda _: self._next_cell(plan))

    def _expect(self, time: float, come: Callable[..., None], *who: float) -> None:
        self.world.clock.at(time, lambda _: come(*who))

    def _join(self, plan: int, cell: int, number: int, level: float) -> None:
        """One more of the crowd, if that many have heard by now."""
        ramp = self.clients.gateway.value("arrival_ramp")
        grown = 1.0 if ramp <= 0 else min(1.0, (self.world.now - self._since) / ramp)
        if plan == self._plan and level < grown * self._extra(self.world.now):
            self.clients.call(
                SURGE + cell * PER_CELL + number, self.clients.asks.of(self.world.now, "crowd", cell, number)
            )

    def _abusive(self, plan: int, cell: int, number: int) -> None:
        if plan != self._plan:
            return
        gateway = self.clients.gateway
        prompt, output = max(1, round(gateway.value("abuse_prompt"))), max(1, round(gateway.value("abuse_output")))
        self.clients.call(ABUSE + cell * PER_CELL + number, Arrival(self.world.now, prompt, output, client=ABUSER))

    def _extra(self, time: float) -> float:
        """Calls a second of the whole crowd at a time."""
        return max(0.0, self._factor - 1.0) * (self._nominal(time) if self._nominal is not None else 0.0)

    def _rate_so_far(self) -> Callable[[float], float]:
        """A closed loop has no rate of its own: what it has sent until now counts."""
        rate = self.clients.calls / max(self.world.now, 1.0)
        return lambda _: rate
