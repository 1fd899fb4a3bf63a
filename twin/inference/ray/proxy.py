"""Serve's HTTP proxy on the head: takes requests from the gateway, hands answers back, counts them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from twin.inference.messages import serve
from twin.inference.request import Request
from twin.mechanics.serving import LATENCY_BUCKETS_MS, PROXY_START
from twin.telemetry.histogram import Histogram
from twin.telemetry.records import LogTemplate

if TYPE_CHECKING:
    from twin.inference.router import Router

PARAMETERS = frozenset({"proxy_hang", "router_stale"})
"""What conditions of a proxy's process change: a new proxy is without them."""


class Proxy:
    """An event loop between gateway and replicas. One that hangs accepts connections and says nothing on them."""

    def __init__(self, head: Router) -> None:
        self.head = head
        self.open: dict[int, Request] = {}
        """Requests taken in and not ended."""
        self.running = False
        self.requests = self.disconnects = 0
        self.errors = {500: 0, 503: 0}
        """Failed requests by the status that the proxy answers with."""
        self.latency = Histogram(LATENCY_BUCKETS_MS)
        self._held: list[Callable[[], None]] = []
        """What arrived while it hung."""
        self._starts = 0

        self.hangs_since = math.inf
        """Since when its event loop stands still (seconds); infinite where it does not."""

    @property
    def hangs(self) -> bool:
        """Whether its event loop stands still."""
        return bool(self.head.value("proxy_hang"))

    def conditions_changed(self) -> None:
        """It stands still, or goes on."""
        if self.hangs:
            self.hangs_since = min(self.hangs_since, self.head.world.now)
        elif self.hangs_since < math.inf:
            self.hangs_since = math.inf
            self._awaken()

    # --- requests ---------------------------------------------------------------------------------------------

    def receive(self, request: Request) -> None:
        """A request from the gateway."""
        self.open[request.id] = request
        self._when_awake(lambda: self._take(request))

    def _take(self, request: Request) -> None:
        if request.id in self.open:
            self.requests += 1
            self.head.handle.assign(request)

    def abort(self, request: Request) -> None:
        """The gateway closed the connection."""
        if self.open.pop(request.id, None) is not None:
            self._when_awake(lambda: self._cancel(request))

    def _cancel(self, request: Request) -> None:
        self.disconnects += 1
        self.latency.observe(1000.0 * (self.head.world.now - request.arrived))
        self.head.log(serve.DISCONNECTED, self.head.world.streams["request"].uuid(request.id))
        self.head.handle.cancel(request)
        self.head.handle.dispatch()

    def first_token(self, request: Request) -> None:
        """The first chunk of an answer, and with it the response's header."""

        def act() -> None:
            gateway = self.head.gateway
            if gateway is not None and request.id in self.open:
                network = self.head.world.network
                network.deliver(self.head, gateway, lambda: gateway.on_first_token(request), (request.id, "first"))

        self._when_awake(act)

    def finished(self, request: Request) -> None:
        """The last chunk of an answer."""

        def act() -> None:
            if self.head.handle.finished(request):
                self.end(request, 200)
                self.head.handle.dispatch()

        self._when_awake(act)

    def fail(self, request: Request, error: LogTemplate) -> None:
        """An exception instead of an answer: 500, or the end of a stream that had begun."""
        if request.id in self.open:
            self.head.log(error, self.head.world.streams["request"].uuid(request.id))
        self.end(request, 500)

    def end(self, request: Request, status: int) -> None:
        """Hand the end of a request to the gateway. 502 stands for a connection that broke."""
        head = self.head
        if self.open.pop(request.id, None) is None:
            return
        if status != 200:
            self.errors[503 if status == 503 else 500] += 1
        elapsed = head.world.now - request.arrived
        self.latency.observe(1000.0 * elapsed)
        if head.world.spec.telemetry.tracing != "off":
            head.world.recorder.span(
                (request.id, "serve", "nginx", head.name, "route_to_replica", request.arrived, elapsed, status, None)
            )
        gateway = head.gateway
        if gateway is not None:
            head.world.network.deliver(head, gateway, lambda: gateway.on_ended(request, status), (request.id, "end"))

    # --- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen."""
        self.running = True
        self._starts += 1
        self.requests = self.disconnects = self.head.handle.routed = 0
        self.errors = dict.fromkeys(self.errors, 0)
        self.latency = Histogram(LATENCY_BUCKETS_MS)

    def stop(self) -> None:
        """The process is gone: connections break on both sides."""
        self.running = False
        self._held.clear()
        self.head.handle.clear()
        for request in list(self.open.values()):
            self.end(request, 502)

    def replace(self) -> None:
        """The controller kills it and starts another."""
        head = self.head
        head.log(serve.PROXY_UNHEALTHY, head.node_id)
        self.stop()
        head.renew_part(PARAMETERS)
        starts = self._starts

        def started(_: object) -> None:
            if head.up and not self.running and self._starts == starts:
                self.start()
                head.log(serve.PROXY_STARTED, head.node_id)
                head.handle.refresh()

        head.world.clock.at(head.world.now + PROXY_START, started)

    def _awaken(self) -> None:
        held, self._held = self._held, []
        for act in held:
            act()

    def _when_awake(self, act: Callable[[], None]) -> None:
        if self.hangs:
            self._held.append(act)
        else:
            act()
