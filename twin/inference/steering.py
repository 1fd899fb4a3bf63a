"""Steering load: fewer requests let in, or none sent to one replica, for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.actions import Operation, Steps, Ticket
from twin.components import Component
from twin.inference.gateway import Gateway
from twin.inference.replica import Replica
from twin.mechanics.durations import DURATIONS, EXCLUDED_FOR, SHED_FOR, SHED_SHARE
from twin.mechanics.layers import Layer
from twin.process import State

if TYPE_CHECKING:
    from twin.inference.router import Router

ANSWERED = 'nginx_http_response_count_total{status="2xx"}'
MEASURED_OVER, REMEMBERED = 60.0, 600.0
"""Seconds over which a rate is measured, and how far back an operator looks for the best."""
LEAST_RATE = 0.1
"""Requests per second that a limit lets in at least."""


class Steering:
    """What operators do to the flow of requests. What they order lapses by itself, unless it is ordered again."""

    def __init__(self, router: Router, gateway: Gateway) -> None:
        self.world = router.world
        self.router = router
        self.gateway = gateway
        self._latest: Ticket | None = None
        self._excluded_by: dict[str, Ticket] = {}
        self.table: dict[str, Operation] = {
            "shed-load": Operation(self._no_shedding, self._shed),
            "route-around": Operation(self._no_detour, self._route_around),
        }

    def _no_shedding(self, target: Component) -> str:
        if target is not self.gateway:
            return "requests are limited at the gateway"
        return "" if self.gateway.state is not State.ABSENT else "it does not run anywhere"

    def _shed(self, target: Component, ticket: Ticket) -> Steps:
        """Let in a share of what the service has shown that it can serve; a later order takes this one's place."""
        served = self._served()
        yield self.world.clock.timeout(DURATIONS["shed-load"])
        self._latest = ticket
        self.gateway.rate_limit = max(LEAST_RATE, SHED_SHARE[ticket.action.parameter] * served)
        ticket.relieved += [c for c in target.conditions if c.layer is Layer.DEMAND]
        self.world.clock.at(self.world.now + SHED_FOR, lambda _: self._lift(ticket))

    def _lift(self, ticket: Ticket) -> None:
        if self._latest is ticket:
            self.gateway.rate_limit = None

    def _served(self) -> float:
        """Requests per second that were answered in the best minute of the last ten, as the scrapes have it."""
        window = self.world.observe(REMEMBERED)
        row, column = window.topology.index[self.gateway.name], window.features.index(ANSWERED)
        times, counts = window.scrape_times, window.metrics[row, column]
        best, first = 0.0, 0
        for last in range(len(times)):
            while times[last] - times[first] > MEASURED_OVER:
                first += 1
            if times[last] - times[first] >= 0.5 * MEASURED_OVER:
                rate = (counts[last] - counts[first]) / (times[last] - times[first])
                best = max(best, float(rate))  # a gap compares as false, a counter begun anew is negative
        return best if best > 0.0 else self.gateway.answered / max(1.0, self.world.now)

    def _no_detour(self, target: Component) -> str:
        if not isinstance(target, Replica):
            return "it is no replica"
        if target.state is State.ABSENT:
            return "it does not run anywhere"
        if target.name in self.router.handle.excluded:
            return "it gets no requests already"
        others = [r for r in self.router.replicas if r is not target and r.state is not State.ABSENT]
        return "" if any(r.name not in self.router.handle.excluded for r in others) else "no other replica is left"

    def _route_around(self, target: Component, ticket: Ticket) -> Steps:
        """Send a replica nothing new; what it has it finishes. `gentle` for a short while, `immediate` for a long one.

        A replica that is started meanwhile is a new one to Serve, and gets requests.
        """
        assert isinstance(target, Replica)
        yield self.world.clock.timeout(DURATIONS["route-around"])
        self.router.handle.excluded.add(target.name)
        ticket.relieved += [c for place in (target, *target.places()) for c in place.conditions]
        self._excluded_by[target.name] = ticket
        self.world.clock.at(
            self.world.now + EXCLUDED_FOR[ticket.action.parameter], lambda _: self._readmit(target, ticket)
        )

    def _readmit(self, replica: Replica, ticket: Ticket) -> None:
        if self._excluded_by.get(replica.name) is ticket:
            self.router.handle.excluded.discard(replica.name)
            self.router.handle.dispatch()
