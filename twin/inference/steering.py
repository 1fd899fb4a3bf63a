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

ARRIVALS = "nginx_http_requests_total"
MEASURED_OVER = 60.0
"""Seconds of scrapes from which the present load is read."""


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
        """Let in a share of the requests of the last minute; a later order takes this one's place."""
        arriving = self._arriving()
        yield self.world.clock.timeout(DURATIONS["shed-load"])
        self._latest = ticket
        self.gateway.rate_limit = max(0.1, SHED_SHARE[ticket.action.parameter] * arriving)
        ticket.relieved += [c for c in target.conditions if c.layer is Layer.DEMAND]
        self.world.clock.at(self.world.now + SHED_FOR, lambda _: self._lift(ticket))

    def _lift(self, ticket: Ticket) -> None:
        if self._latest is ticket:
            self.gateway.rate_limit = None

    def _arriving(self) -> float:
        """Requests per second, as the last scrapes have it."""
        window = self.world.observe(MEASURED_OVER)
        if len(window.scrape_times) < 2:
            return self.gateway.accepted / max(1.0, self.world.now)
        row, column = window.topology.index[self.gateway.name], window.features.index(ARRIVALS)
        first, last = float(window.metrics[row, column, 0]), float(window.metrics[row, column, -1])
        seconds = float(window.scrape_times[-1] - window.scrape_times[0])
        known = last >= first  # neither absent nor begun anew
        return (last - first) / seconds if known else self.gateway.accepted / max(1.0, self.world.now)

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
