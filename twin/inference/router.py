"""Ray's head: the Serve proxy that routes requests and the controller that keeps replicas."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from twin.components import Component
from twin.inference.messages import serve
from twin.inference.replica import Replica
from twin.inference.request import Request
from twin.mechanics.supervision import crash_loop_delay
from twin.process import Process, State
from twin.telemetry.records import Span, counter, gauge

if TYPE_CHECKING:
    from twin.inference.gateway import Gateway
    from twin.world import World

STARTUP_SECONDS = 12.0
"""Start of the GCS, the Serve controller and its proxy (assumed)."""


class Router(Process):
    """Power of two choices over replicas with room (Ray Serve's default routing), a queue where none has."""

    kind = "ray-head"
    program = "ray::ServeController"
    metrics = (
        counter("ray_serve_num_router_requests_total", "requests"),
        counter("ray_serve_deployment_error_counter_total", "requests"),
        gauge("ray_serve_deployment_queued_queries", "requests", "serving"),
        gauge("ray_serve_num_ongoing_http_requests", "requests"),
        gauge("ray_serve_deployment_replica_healthy", "replicas"),
    )

    def __init__(self, world: World, name: str, place: Component, max_ongoing: int) -> None:
        super().__init__(world, name, place)
        self.replicas: list[Replica] = []
        self.gateway: Gateway | None = None
        self.max_ongoing = max_ongoing
        self._queue: deque[Request] = deque()
        self._routed = self._errors = 0
        self._ongoing: dict[int, Request] = {}

    # --- requests ---------------------------------------------------------------------------------------------

    def submit(self, request: Request) -> None:
        """Route a request, or queue it."""
        self._routed += 1
        self._ongoing[request.id] = request
        self._route(request)

    def abort(self, request: Request) -> None:
        """The gateway gave the request up."""
        if self._ongoing.pop(request.id, None) is None:
            return
        if request in self._queue:
            self._queue.remove(request)
            return
        for replica in self.replicas:
            if replica.name == request.replica and replica.engine is not None:
                replica.engine.abort(request)
        self._dispatch_queue()

    def on_first_token(self, request: Request) -> None:
        """A replica's first token passes."""
        if self.gateway is not None and request.id in self._ongoing:
            self.gateway.on_first_token(request)

    def on_finished(self, request: Request) -> None:
        """A replica is done with a request; the longest waiting one takes its room."""
        self._end(request, 200)
        self._dispatch_queue()

    def _route(self, request: Request) -> None:
        ready = [r for r in self.replicas if r.state is State.RUNNING and r.ongoing < self.max_ongoing]
        if not ready:
            self._queue.append(request)
            if len(self._queue) == 1:
                self.log(serve.NO_REPLICA, len(self._queue))
            return
        if len(ready) > 2:
            draw = self.world.streams["router"]
            first = draw.choice(ready, request.id, 0)
            second = draw.choice([r for r in ready if r is not first], request.id, 1)
            ready = [first, second]
        min(ready, key=lambda r: r.ongoing).submit(request)

    def _dispatch_queue(self) -> None:
        while self._queue and any(r.state is State.RUNNING and r.ongoing < self.max_ongoing for r in self.replicas):
            self._route(self._queue.popleft())

    def _end(self, request: Request, status: int) -> None:
        if self._ongoing.pop(request.id, None) is None:
            return
        if status != 200:
            self._errors += 1
        if self.world.spec.telemetry.tracing != "off":
            ids = self.world.streams["trace"]
            trace = ids.hexadecimal(32, request.id)
            span, parent = ids.hexadecimal(16, request.id, "serve"), ids.hexadecimal(16, request.id, "nginx")
            duration = self.world.now - request.arrived
            self.world.recorder.span(
                Span(trace, span, parent, self.name, "route_to_replica", request.arrived, duration, status)
            )
        if self.gateway is not None:
            self.gateway.on_ended(request, status)

    # --- replicas ---------------------------------------------------------------------------------------------

    def replica_up(self, replica: Replica) -> None:
        """A replica passed its first health check."""
        if self.up:
            self.log(serve.STARTED, self._replica_id(replica))
            self._dispatch_queue()

    def replica_down(self, replica: Replica, lost: Sequence[Request], crashed: bool) -> None:
        """A replica is gone and so are its requests: Serve does not run a request twice."""
        if self.up:
            self.log(serve.ACTOR_CRASHED if crashed else serve.STOPPING, self._replica_id(replica))
        for request in lost:
            self._end(request, 500)

    def _replica_id(self, replica: Replica) -> str:
        return self.world.streams["replica"].hexadecimal(8, replica.name, replica.pid)

    # --- life -------------------------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        yield self.world.clock.timeout(STARTUP_SECONDS)
        return True

    def on_down(self, reason: str) -> None:
        """Connections break: the replicas see their clients go away and abort what they had."""
        self._queue.clear()
        for request in list(self._ongoing.values()):
            self._ongoing.pop(request.id)
            self._errors += 1
            for replica in self.replicas:
                if replica.name == request.replica and replica.engine is not None:
                    replica.engine.abort(request)
            if self.gateway is not None:
                self.gateway.on_ended(request, 502)

    def restart_delay(self) -> float | None:
        return crash_loop_delay(self.deaths)

    def busy(self) -> bool:
        return bool(self._ongoing)

    def sample(self) -> Sequence[float]:
        healthy = sum(r.state is State.RUNNING for r in self.replicas)
        return (self._routed, self._errors, len(self._queue), len(self._ongoing), healthy)
