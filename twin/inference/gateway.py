"""nginx in front of Ray Serve: limits, proxies, times out, writes the access log."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from twin.components import Component
from twin.inference import container
from twin.inference.cgroup import PROMPT_BYTES_PER_TOKEN
from twin.inference.messages import nginx
from twin.inference.request import Request
from twin.inference.upstream import Peer, RateLimit, Upstream
from twin.mechanics.layers import Layer
from twin.mechanics.serving import CONNECT_TIMEOUT, NGINX_START, READ_TIMEOUT, WORKER_CONNECTIONS
from twin.mechanics.supervision import crash_loop_delay
from twin.node import Node
from twin.process import Process, State
from twin.telemetry.records import LogTemplate, counter, gauge

if TYPE_CHECKING:
    from twin.inference.router import Router
    from twin.world import World

PATH = "/v1/chat/completions"
OPERATION = f"POST {PATH}"
BYTES_PER_TOKEN = 190
"""Size of one server-sent event of a streamed chat completion (assumed; a chunk of JSON with one token)."""

SIGNALS = ("success", "e2e", "ttft")
CODES = (400, 499, 500, 502, 503, 504)


def _count(status: object) -> str:
    return f'nginx_http_response_count_total{{status="{status}"}}'


class Gateway(Process):
    """nginx. A request it cannot hand on ends with 502, one without a byte from upstream in time with 504."""

    kind = "nginx"
    program = "nginx"
    layers = Process.layers | {Layer.DEMAND}
    metrics = (
        counter("nginx_http_requests_total", "requests"),
        gauge("nginx_connections_active", "connections"),
        counter(_count("2xx"), "requests"),
        counter(_count("4xx"), "requests"),
        counter(_count("5xx"), "requests"),
        counter("nginx_http_upstream_time_seconds_sum", "s"),
        *(counter(_count(code), "requests", profile=None) for code in CODES),
        gauge("nginx_up", profile=None),
        counter("nginx_connections_accepted", "connections", profile=None),
        counter("nginx_connections_handled", "connections", profile=None),
        gauge("nginx_connections_reading", "connections", profile=None),
        gauge("nginx_connections_writing", "connections", profile=None),
        gauge("nginx_connections_waiting", "connections", profile=None),
        counter("nginx_http_response_size_bytes_sum", "bytes", profile=None),
        counter("nginx_http_response_time_seconds_sum", "s", profile=None),
        counter("nginx_http_response_time_seconds_count", "requests", profile=None),
        *container.METRICS,
    )

    def __init__(self, world: World, name: str, place: Component, router: Router, max_length: int) -> None:
        super().__init__(world, name, place)
        self.router = router
        self.upstream: Upstream[Router] = Upstream([(router, "10.42.0.21:8000")])
        self.max_length = max_length
        self.depends_on.append(router)
        self.rate_limit: float | None = None
        """Requests/s that limit_req lets in; None: it is not configured."""
        self.accepted = self.answered = self.refused = 0
        """Requests taken in, ended in any way, and never taken in because nginx itself was down."""
        self.on_demand: Callable[[], None] | None = None
        """Whom to tell when conditions on the demand change: the clients."""
        self._limiter = RateLimit()
        self._open: dict[int, Request] = {}
        self._connections: dict[int, int] = {}
        """Serial numbers of the connections of open requests."""
        self._peers: dict[int, Peer[Router]] = {}
        """Open requests that an upstream has accepted."""
        self._streaming: set[int] = set()
        """Open requests whose response header has come."""
        self._deadlines: dict[int, float] = {}
        """When an open request has waited too long for its upstream."""
        self._timers: list[tuple[float, int]] = []
        """The same as a heap; entries of requests that ended or moved on are stale."""
        self._armed = math.inf
        self._forget_counts()

    def _forget_counts(self) -> None:
        """What the exporter tells begins with the process."""
        self._accepted_before, self._answered_before = self.accepted, self.answered
        self._statuses = {2: 0, 4: 0, 5: 0}
        self._codes = dict.fromkeys(CODES, 0)
        self._upstream_seconds = self._seconds = 0.0
        self._bytes = self._tokens = 0
        self._received = 0.0

    @property
    def in_flight(self) -> int:
        """Requests taken in and not yet ended."""
        return len(self._open)

    @property
    def read_timeout(self) -> float:
        """proxy_read_timeout, as configured now."""
        return min(READ_TIMEOUT, self.value("upstream_timeout"))

    # --- clients ----------------------------------------------------------------------------------------------

    def submit(self, request: Request) -> None:
        """A client sends a request."""
        for signal in SIGNALS:
            self.world.slo.opened(signal, request.id, self.world.now)
        if self.state is not State.RUNNING:  # a draining nginx has closed its listening socket
            self.refused += 1
            request.ended, request.status = self.world.now, 503
            self._report(request, 503)
            return
        self.accepted += 1
        self._open[request.id] = request
        self._connections[request.id] = self.accepted
        self._received += PROMPT_BYTES_PER_TOKEN * request.prompt
        excess = None if self.rate_limit is None else self._limiter.admits(self.world.now, self.rate_limit)
        if excess is not None:
            self._log_error(nginx.LIMITED, request, "", excess)
            self._end(request, 503)
        elif 2 * len(self._open) > self._connection_limit:
            self._log_error(nginx.NO_CONNECTIONS, request, self.upstream.peers[0].address, self._worker_connections)
            self._end(request, 500)
        elif request.prompt + 1 > self.max_length:
            self._end(request, 400)
        else:
            self._connect(request, ())

    def client_gone(self, request: Request) -> None:
        """The client closed its connection: nginx closes the one to its upstream."""
        if request.id in self._open:
            self._hang_up(request)
            self._end(request, 499)

    def visit(self, client: str, request: str, status: int, size: int, agent: str) -> None:
        """Somebody asks for what nginx answers by itself: a page that is not there, a health check."""
        if self.state is not State.RUNNING:
            return
        self.accepted += 1
        self.answered += 1
        self._statuses[status // 100] += 1
        if status in self._codes:
            self._codes[status] += 1
        self._bytes += size
        self.log(nginx.ACCESS, client, request, status, size, 0.0, agent)

    # --- upstream ---------------------------------------------------------------------------------------------

    def _connect(self, request: Request, tried: tuple[Peer[Router], ...]) -> None:
        """Try the next peer. A connection that was refused carried no request, so a POST may go to another."""
        peer = self.upstream.pick(self.world.now, tried)
        if peer is None:
            if not tried:
                self._log_error(nginx.NO_LIVE, request, "llm")
            self._end(request, 502)
            return
        self._await(request, CONNECT_TIMEOUT)
        network, router = self.world.network, peer.server
        wrong_port = bool(self.value("upstream_port_wrong"))

        def arrive() -> None:
            if not network.node_of(router).up:
                return  # nobody there to refuse
            if router.accepting and not wrong_port:
                network.deliver(router, self, lambda: self._connected(request, peer), (request.id, "accepted"))
                router.submit(request)
            else:
                network.deliver(router, self, lambda: self._refused(request, peer, tried), (request.id, "refused"))

        network.deliver(self, router, arrive, (request.id, "request"))

    def _connected(self, request: Request, peer: Peer[Router]) -> None:
        if request.id in self._open:
            self._peers[request.id] = peer
            self._await(request, self.read_timeout)

    def _refused(self, request: Request, peer: Peer[Router], tried: tuple[Peer[Router], ...]) -> None:
        if request.id in self._open:
            self._log_error(nginx.REFUSED, request, peer.address)
            self.upstream.failed(peer, self.world.now)
            self._connect(request, (*tried, peer))

    def on_first_token(self, request: Request) -> None:
        """The header of the answer: status 200 is on its way to the client."""
        if request.id not in self._open:
            return
        peer = self._peers.get(request.id)
        if peer is not None:
            self.upstream.answered(peer)
        self._streaming.add(request.id)
        self._await(request, self.read_timeout)
        self.world.slo.met("ttft", request.id, self.world.now)

    def streams(self, request: Request) -> bool:
        """Whether its answer has begun to reach the client."""
        return request.id in self._streaming

    def on_ended(self, request: Request, status: int) -> None:
        """The answer is complete, or there will be none; 502 where the upstream closed the connection."""
        if request.id not in self._open:
            return
        peer = self._peers.get(request.id)
        streaming = request.id in self._streaming
        if peer is not None:
            if status == 502 or (streaming and status != 200):
                self._log_error(nginx.CLOSED, request, peer.address, nginx.BODY if streaming else nginx.HEADER)
            if status == 502:
                self.upstream.failed(peer, self.world.now)
            else:
                self.upstream.answered(peer)
        self._end(request, status)

    def _hang_up(self, request: Request) -> None:
        """Close the connection to the upstream."""
        router = self._peers[request.id].server if request.id in self._peers else self.router
        self.world.network.deliver(self, router, lambda: router.abort(request), (request.id, "abort"))

    def _end(self, request: Request, status: int) -> None:
        """The end of a request that nginx lives to log."""
        peer, streaming = self._peers.get(request.id), request.id in self._streaming
        now = self.world.now
        # A status line that has been sent stands: what went wrong since then shows in the error log only.
        shown = 200 if streaming else status
        seconds = now - request.arrived
        size = 412 + BYTES_PER_TOKEN * request.generated
        self._statuses[shown // 100] += 1
        if shown in self._codes:
            self._codes[shown] += 1
        self._seconds += seconds
        self._bytes += size
        self._tokens += request.generated
        if peer is not None:
            self._upstream_seconds += seconds
            if peer.server.waypoint is not None:
                peer.server.waypoint.observe(seconds)
        self.log(nginx.ACCESS, _client(request), PATH, shown, size, seconds)
        if self.world.spec.telemetry.tracing != "off":
            self.world.recorder.span(
                (request.id, "nginx", "", self.name, OPERATION, request.arrived, seconds, shown, None)
            )
        self._forget(request, status)

    def _forget(self, request: Request, status: int) -> None:
        """Close the books of a request and tell its client."""
        del self._open[request.id]
        self._deadlines.pop(request.id, None)
        self._peers.pop(request.id, None)
        self._streaming.discard(request.id)
        del self._connections[request.id]
        self.answered += 1
        request.ended, request.status = self.world.now, status
        self._report(request, status)

    def _report(self, request: Request, status: int) -> None:
        """What the client saw, for the SLO. A refusal of the client's own mistake is no failure; giving up is."""
        slo = self.world.slo
        for signal in SIGNALS:
            if status == 200 or 400 <= status < 499:
                slo.met(signal, request.id, self.world.now)
            else:
                slo.failed(signal, request.id)
        if request.on_end is not None:
            request.on_end(request)

    # --- time-outs --------------------------------------------------------------------------------------------

    def _await(self, request: Request, seconds: float) -> None:
        """Wait that long for the upstream, from now on."""
        known = request.id in self._deadlines
        earlier = known and self._deadlines[request.id] > self.world.now + seconds
        self._deadlines[request.id] = self.world.now + seconds
        if not known or earlier:
            self._arm(request.id, self.world.now + seconds)

    def _arm(self, number: int, deadline: float) -> None:
        heappush(self._timers, (deadline, number))
        if deadline < self._armed:
            self._armed = deadline
            self.world.clock.at(deadline, lambda _: self._expire(deadline))

    def _expire(self, armed: float) -> None:
        if armed != self._armed:
            return  # an earlier one was armed since
        self._armed = math.inf
        now = self.world.now
        while self._timers:
            due, number = self._timers[0]
            deadline = self._deadlines.get(number)
            if deadline is not None and deadline <= now:
                heappop(self._timers)
                self._late(self._open[number])
            elif deadline is None or deadline != due:
                heappop(self._timers)
                if deadline is not None:
                    heappush(self._timers, (deadline, number))
            else:
                break
        if self._timers:
            self._armed = due = self._timers[0][0]
            self.world.clock.at(due, lambda _: self._expire(due))

    def _late(self, request: Request) -> None:
        peer = self._peers.get(request.id)
        streaming = request.id in self._streaming
        if streaming and peer is not None:
            due = peer.server.last_chunk(request) + self.read_timeout
            if due > self.world.now:
                self._deadlines[request.id] = due
                self._arm(request.id, due)
                return
        phase = nginx.CONNECTING if peer is None else nginx.BODY if streaming else nginx.HEADER
        failing = peer or self.upstream.peers[0]
        self._log_error(nginx.TIMED_OUT, request, failing.address, phase)
        self.upstream.failed(failing, self.world.now)
        self._hang_up(request)
        self._end(request, 504)

    def conditions_changed(self) -> None:
        super().conditions_changed()
        if self.on_demand is not None:
            self.on_demand()

    # --- life -------------------------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        """Read the configuration; a name in it that does not resolve is fatal."""
        yield self.world.clock.timeout(NGINX_START)
        if self.world.network.resolves(self):
            return True
        self.log(nginx.NOT_RESOLVED, 0, "", "", "", "llama-serve-svc")
        return False

    def on_running(self) -> None:
        self._forget_counts()

    def on_down(self, reason: str) -> None:
        """Connections break on both sides; nobody is left to log it."""
        for request in list(self._open.values()):
            if request.id in self._open:  # what it frees in the upstream may end others at once
                self._hang_up(request)
                self._forget(request, 503)

    def restart_delay(self) -> float | None:
        return crash_loop_delay(self.deaths)

    def busy(self) -> bool:
        return bool(self._open)

    @property
    def traffic(self) -> tuple[float, float]:
        """With clients; Ray's head is on the same machine, and what they tell each other leaves it not."""
        return (self._received, float(self._bytes))

    @property
    def _worker_connections(self) -> int:
        return int(min(WORKER_CONNECTIONS, self.value("connection_limit")))

    @property
    def _connection_limit(self) -> int:
        """Connections to clients and upstreams that all workers can hold; one worker a core (`auto`)."""
        return self._worker_connections * (self.place.cores if isinstance(self.place, Node) else 1)

    def sample(self) -> Sequence[float]:
        statuses, open_requests = self._statuses, len(self._open)
        accepted = self.accepted - self._accepted_before
        return (
            accepted,
            open_requests,
            statuses[2],
            statuses[4],
            statuses[5],
            self._upstream_seconds,
            *self._codes.values(),
            1.0,
            accepted,
            accepted,
            0.0,
            open_requests,
            0.0,
            self._bytes,
            self._seconds,
            self.answered - self._answered_before,
            *self._container(),
        )

    def _container(self) -> tuple[float, ...]:
        """On its own interface nginx also talks to Ray's head."""
        requests, passed = self.accepted - self._accepted_before, BYTES_PER_TOKEN * self._tokens
        received, sent = self._received + passed, self._bytes + self._received
        return container.values(self, container.NGINX, requests, self._tokens, 2 * len(self._open), received, sent)

    def _log_error(self, template: LogTemplate, request: Request, upstream: str, *fields: Any) -> None:
        self.log(template, self._connections.get(request.id, self.accepted), _client(request), PATH, upstream, *fields)


def _client(request: Request) -> str:
    return f"10.42.1.{10 + request.client % 40}"
