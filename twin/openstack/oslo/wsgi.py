"""HTTP services behind the load balancer: requests, tokens, errors, access lines and the balancer's counters."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from simpy.events import Event
from simpy.exceptions import Interrupt

from twin.components import Component
from twin.mechanics import openstack as facts
from twin.mechanics.keystone import HANDSHAKE
from twin.openstack.keystone.middleware import AuthProtocol
from twin.openstack.oslo import logs
from twin.openstack.oslo.clients import TLS_FAILED
from twin.openstack.oslo.context import Context, branch, close_span, open_span
from twin.openstack.oslo.exceptions import HttpError, HTTPFault
from twin.openstack.oslo.frames import WSGI_ENTRY, Frame
from twin.openstack.oslo.service import PROCESS_METRICS, Service, Steps
from twin.openstack.site import Site
from twin.telemetry.records import LogTemplate, Metric, counter, gauge

if TYPE_CHECKING:
    from twin.openstack.infrastructure.backends import Backend

Operation = Callable[..., Generator[Any, Any, "Response"]]

AVERAGE_OVER = 1024
"""HAProxy averages times over this many requests."""

TLS_PROBE = gauge("probe_success", "bool", None)
"""Of a blackbox exporter whose module connects to what ends TLS for clients and shakes hands: 0 where nobody listens,
or nobody would accept the certificate. Absent from a service behind a load balancer, which ends TLS for it. There is no
`probe_ssl_earliest_cert_expiry`: the twin's certificates have no date until they expire."""

API_METRICS = (
    gauge("haproxy_backend_active_servers", "servers"),
    gauge("haproxy_backend_current_sessions", "sessions"),
    counter('haproxy_backend_http_responses_total{code="2xx"}', "responses"),
    counter('haproxy_backend_http_responses_total{code="5xx"}', "responses"),
    gauge("haproxy_backend_total_time_average_seconds", "s"),
    counter('haproxy_backend_http_responses_total{code="3xx"}', "responses", None),
    counter('haproxy_backend_http_responses_total{code="4xx"}', "responses", None),
    counter("haproxy_backend_retry_warnings_total", "retries", None),
    counter("haproxy_backend_redispatch_warnings_total", "retries", None),
    counter("haproxy_backend_check_up_down_total", "changes", None),
    *PROCESS_METRICS,
    TLS_PROBE,
)


AUTH_MESSAGES = {
    401: "The request you have made requires authentication.",
    503: "The Keystone service is temporarily unavailable.",
}
"""What keystonemiddleware answers with."""
CONNECTION_REFUSED = (
    "Unable to establish connection to http://{0}:{1}: HTTPConnectionPool(host='{0}', port={1}): Max retries exceeded "
    "with url: / (Caused by NewConnectionError('<urllib3.connection.HTTPConnection object>: Failed to establish a new "
    "connection: [Errno 111] ECONNREFUSED'))"
)
CERTIFICATE_EXPIRED = (
    "SSL exception connecting to https://{0}:{1}: HTTPSConnectionPool(host='{0}', port={1}): Max retries exceeded with "
    "url: / (Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
    "failed: certificate has expired (_ssl.c:992)')))"
)


@dataclass(frozen=True, slots=True)
class Response:
    """What a client gets."""

    status: int
    body: Any = None
    length: int = 0
    message: str = ""
    """Why not, where it is an error."""


@dataclass(slots=True)
class Ledger:
    """Every request that reached the balancer, and what became of it (invariant: request conservation)."""

    received: int = 0
    refused: int = 0  # no server up: 503
    finished: int = 0  # the service wrote an answer, in time or not
    dropped: int = 0  # the service died with it: 502
    timed_out: int = 0  # of the others: the balancer answered 504 first


class ApiService(Service):
    """A WSGI service behind HAProxy.

    The balancer answers 503 at once where no server is up, 502 where the server dies, 504 after `GATEWAY_TIMEOUT`. It
    is not part of the service: its counters are there while the controller is.
    """

    port: int
    wsgi_logger: str
    metrics: tuple[Metric, ...] = API_METRICS

    def __init__(self, site: Site, name: str, place: Component, workers: int = 1) -> None:
        super().__init__(site, name, place, workers)
        self.ledger = Ledger()
        self.auth_token = AuthProtocol(self)
        self.backend: Backend | None = None
        """Where the load balancer has it; None where clients reach it directly."""
        self._sessions = 0
        self._responses = {"2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0}
        self._averaged = 0
        self._average = 0.0

    # --- what a subclass says ---------------------------------------------------------------------------------

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What it answers: operation -> generator function (context, **arguments)."""
        return {}

    def plain(self, name: str, length: int = 600) -> Operation:
        """An operation that is nothing but its work, then 200."""
        work = facts.API[name]

        def answer(context: Context) -> Generator[Any, Any, Response]:
            yield from self.work(context, work)
            return Response(200, length=length)

        return answer

    def log_request(self, context: Context, method: str, uri: str) -> None:
        """Print what some APIs print when a request has got past its token."""

    def log_access(self, context: Context, method: str, uri: str, response: Response, seconds: float) -> None:
        """Print the access line."""

    def refuse(self, context: Context, error: Exception) -> Response:
        """The answer to an error that came out of an operation. A client's own mistake is a status below 500."""
        if isinstance(error, HTTPFault):
            return Response(error.code, length=112, message=str(error))
        self.unexpected(error)
        self.exception(self.unexpected_error, context, error, entry=self.entry)
        status = error.status if isinstance(error, HttpError) and error.service == "keystone" else 500
        return Response(status, length=208, message="The server has either erred or is incapable of performing it.")

    unexpected_error: LogTemplate
    """How it logs an error that it did not expect."""
    entry: tuple[Frame, ...] = WSGI_ENTRY
    """What its stack traces begin with."""

    def inner_context(self, context: Context) -> Context:
        """The context as this service logs it."""
        return context

    # --- requests ---------------------------------------------------------------------------------------------

    def serve(self, context: Context, operation: str, method: str, uri: str, **arguments: Any) -> Event:
        """Take a request; the event succeeds with the `Response` that the client gets."""
        if self._certificate_refused():
            return self._refuse_connection()
        context = branch(context, operation)
        if self.backend is not None:
            return self.backend.serve(context, operation, method, uri, **arguments)
        ledger, clock, now = self.ledger, self.clock, self.world.now
        answer = clock.event()
        ledger.received += 1
        if not self.accepting:
            ledger.refused += 1
            self._count(503)
            answer.succeed(Response(503, message=CONNECTION_REFUSED.format(self.site.address(self.node), self.port)))
            return answer
        self._sessions += 1
        self.spawn(self._answer(context, operation, method, uri, arguments, answer))

        def give_up(_: Event) -> None:
            if not answer.triggered:
                ledger.timed_out += 1
                self._sessions -= 1
                self._count(504)
                answer.succeed(Response(504))

        clock.at(now + facts.GATEWAY_TIMEOUT, give_up)
        return answer

    def _certificate_refused(self) -> bool:
        """Whether no client accepts the certificate of what ends TLS: the load balancer, or the service itself."""
        end = self if self.backend is None else self.backend.proxy
        return bool(end.conditions) and end.up and bool(end.value("certificate_expired"))

    def _refuse_connection(self) -> Event:
        """The client's end of a failed handshake: no request arrives."""
        answer = self.clock.event()
        message = CERTIFICATE_EXPIRED.format(self.site.address(self.node), self.port)
        self.clock.at(self.world.now + HANDSHAKE, lambda _: answer.succeed(Response(TLS_FAILED, message=message)))
        return answer

    def take(
        self, context: Context, operation: str, method: str, uri: str, arguments: dict[str, Any], answer: Event
    ) -> None:
        """Take a request from the load balancer, which has got the connection and keeps the time."""
        self.ledger.received += 1
        self._sessions += 1
        self.spawn(self._answer(context, operation, method, uri, arguments, answer))

    @property
    def in_flight(self) -> int:
        """Requests that the service works on."""
        return self.ledger.received - self.ledger.refused - self.ledger.finished - self.ledger.dropped

    def _answer(
        self, context: Context, operation: str, method: str, uri: str, arguments: dict[str, Any], answer: Event
    ) -> Steps:
        start = self.world.now
        span = open_span(self.world, context)
        inner = self.inner_context(context).inside(span)
        try:
            response = yield from self._carry_out(inner, operation, method, uri, arguments)
        except Interrupt:
            self.ledger.dropped += 1
            self._close(context, span, operation, start, Response(502), answer)
            raise
        self.ledger.finished += 1
        self.log_access(inner, method, uri, response, self.world.now - start)
        self._close(context, span, operation, start, response, answer)

    def _carry_out(self, context: Context, operation: str, method: str, uri: str, arguments: dict[str, Any]) -> Steps:
        try:
            status = yield from self.authenticate(context)
            if status:
                return Response(status, length=114, message=AUTH_MESSAGES[status])
            self.log_request(context, method, uri)
            response = yield from self.operations[operation](context, **arguments)
        except Interrupt:
            raise
        except Exception as error:
            response = self.refuse(context, error)
        return response

    def authenticate(self, context: Context) -> Steps:
        """keystonemiddleware: the status to refuse the request with, 0 or None where it may pass."""
        return self.auth_token.process_request(context)

    def _close(
        self, context: Context, span: str, operation: str, start: float, response: Response, answer: Event
    ) -> None:
        close_span(self.world, context, span, self.name, operation, start, response.status)
        if answer.triggered:
            return
        self._sessions -= 1
        self._count(response.status)
        took = self.world.now - start
        self._averaged = min(self._averaged + 1, AVERAGE_OVER)
        self._average += (took - self._average) / self._averaged
        answer.succeed(response)

    def _count(self, status: int) -> None:
        family = f"{status // 100}xx"
        if family in self._responses:
            self._responses[family] += 1

    # --- life and telemetry -----------------------------------------------------------------------------------

    def on_running(self) -> None:
        super().on_running()
        self.auth_token.forget()
        if self.world.now > 0 and self.wsgi_logger:
            self.say(logs.AUTH_NO_SERVICE_ROLES, None)
            self.say(replace(logs.WSGI_UP, origin=self.wsgi_logger), None, self.pid, self.port)

    @property
    def reachable(self) -> bool:
        return self.node.up if self.backend is None else self.backend.proxy.reachable

    def sample(self) -> Sequence[float]:
        if self.backend is not None:
            return (*self.backend.sample(), *self.process_sample(), math.nan)
        return (
            float(self.accepting),
            self._sessions,
            self._responses["2xx"],
            self._responses["5xx"],
            self._average,
            self._responses["3xx"],
            self._responses["4xx"],
            0,
            0,
            0,
            *self.process_sample(),
            float(self.up and not self._certificate_refused()),
        )
