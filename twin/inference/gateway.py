"""nginx in front of Ray Serve: proxies, times out, writes the access log; and the clients behind it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from twin.components import Component
from twin.inference.messages import nginx
from twin.inference.request import Request
from twin.mechanics.supervision import crash_loop_delay
from twin.process import Process, State
from twin.telemetry.records import LogTemplate, Span, counter, gauge

if TYPE_CHECKING:
    from twin.inference.router import Router
    from twin.world import World

READ_TIMEOUT = 60.0
"""proxy_read_timeout: the longest gap between two reads from the upstream (nginx default)."""

PATH = "/v1/chat/completions"
BYTES_PER_TOKEN = 190
"""Size of one server-sent event of a streamed chat completion (assumed; a chunk of JSON with one token)."""


class Gateway(Process):
    """nginx. A request it cannot hand on ends with 502, one without a first byte in time with 504."""

    kind = "nginx"
    program = "nginx"
    metrics = (
        counter("nginx_http_requests_total", "requests"),
        gauge("nginx_connections_active", "connections"),
        counter('nginx_http_response_count_total{status="2xx"}', "requests"),
        counter('nginx_http_response_count_total{status="4xx"}', "requests"),
        counter('nginx_http_response_count_total{status="5xx"}', "requests"),
        counter("nginx_http_upstream_time_seconds_sum", "s"),
    )

    def __init__(self, world: World, name: str, place: Component, router: Router, max_length: int) -> None:
        super().__init__(world, name, place)
        self.router = router
        self.max_length = max_length
        self.depends_on.append(router)
        self.accepted = self.answered = self.refused = 0
        """Requests taken in, ended in any way, and never taken in because nginx itself was down."""
        self._open: dict[int, Request] = {}
        self._silent: dict[int, Request] = {}
        """Open requests without a first byte, oldest first."""
        self._timer_set = False
        self._statuses = {2: 0, 4: 0, 5: 0}
        self._upstream_seconds = 0.0

    @property
    def in_flight(self) -> int:
        """Requests taken in and not yet ended."""
        return len(self._open)

    def submit(self, request: Request) -> None:
        """A client sends a request."""
        slo = self.world.slo
        slo.opened("success", request.id, self.world.now)
        slo.opened("ttft", request.id, self.world.now)
        slo.opened("e2e", request.id, self.world.now)
        if self.state is not State.RUNNING:  # a draining nginx has closed its listening socket
            self.refused += 1
            self._report(request, 503)
            return
        self.accepted += 1
        self._open[request.id] = request
        if request.prompt + 1 > self.max_length:
            self.on_ended(request, 400)
        elif self.router.state is not State.RUNNING:
            self._log_error(nginx.REFUSED, request)
            self.on_ended(request, 502)
        else:
            self._silent[request.id] = request
            self._arm_timer()
            self.router.submit(request)

    def on_first_token(self, request: Request) -> None:
        """The first byte of the answer: status 200 is on its way to the client."""
        self._silent.pop(request.id, None)
        self.world.slo.met("ttft", request.id, self.world.now)

    def on_ended(self, request: Request, status: int) -> None:
        """The answer is complete, or there will be none."""
        if self._open.pop(request.id, None) is None:
            return
        self._silent.pop(request.id, None)
        self.answered += 1
        if status in (500, 502) and self.router.up:
            phase = "response header from" if request.first_token is None else ""
            self._log_error(nginx.CLOSED, request, phase or "from")
        shown = 200 if request.first_token is not None and status >= 500 else status  # the header had been sent
        request.ended, request.status = self.world.now, status
        self._statuses[shown // 100] += 1
        self._upstream_seconds += self.world.now - request.arrived
        size = 412 + BYTES_PER_TOKEN * request.generated
        seconds = self.world.now - request.arrived
        self.log(nginx.ACCESS, _client(request), PATH, shown, size, seconds)
        if self.world.spec.telemetry.tracing != "off":
            ids = self.world.streams["trace"]
            trace, span = ids.hexadecimal(32, request.id), ids.hexadecimal(16, request.id, "nginx")
            self.world.recorder.span(Span(trace, span, "", self.name, f"POST {PATH}", request.arrived, seconds, shown))
        self._report(request, status)

    def _report(self, request: Request, status: int) -> None:
        """What the client saw, for the SLO. A refusal of the client's own mistake (4xx) is no failure."""
        slo = self.world.slo
        if status == 200 or 400 <= status < 500:
            for signal in ("success", "e2e", "ttft"):
                slo.met(signal, request.id, self.world.now)
        else:
            for signal in ("success", "e2e", "ttft"):
                slo.failed(signal, request.id)

    # --- time-outs --------------------------------------------------------------------------------------------

    def _arm_timer(self) -> None:
        if self._timer_set or not self._silent:
            return
        self._timer_set = True
        oldest = next(iter(self._silent.values()))
        self.world.clock.at(max(self.world.now, oldest.arrived + READ_TIMEOUT), lambda _: self._expire())

    def _expire(self) -> None:
        self._timer_set = False
        late = []
        for request in self._silent.values():
            if request.arrived + READ_TIMEOUT > self.world.now:
                break
            late.append(request)
        for request in late:
            self._log_error(nginx.TIMED_OUT, request)
            self.router.abort(request)
            self.on_ended(request, 504)
        self._arm_timer()

    # --- life -------------------------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        yield self.world.clock.timeout(1.0)
        return True

    def on_down(self, reason: str) -> None:
        for request in list(self._open.values()):
            self.router.abort(request)
            self.on_ended(request, 503)

    def restart_delay(self) -> float | None:
        return crash_loop_delay(self.deaths)

    def busy(self) -> bool:
        return bool(self._open)

    def sample(self) -> Sequence[float]:
        statuses = self._statuses
        requests = self.accepted
        return (requests, len(self._open), statuses[2], statuses[4], statuses[5], self._upstream_seconds)

    def _log_error(self, template: LogTemplate, request: Request, *fields: Any) -> None:
        self.log(template, request.id + 1, _client(request), PATH, "10.42.0.21:8000", *fields)


def _client(request: Request) -> str:
    return f"10.42.1.{10 + request.id % 40}"
