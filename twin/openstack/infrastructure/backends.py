"""The back ends of the load balancer: whom it takes for up, whom it asks, and what becomes of a request.

A check every two seconds decides who is up; between a death and the fifth failed check the dead server is still tried,
a second apart, and another one where there is one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simpy.events import Event

from twin.mechanics import haproxy as limits
from twin.openstack.infrastructure import logs
from twin.openstack.infrastructure.mysql import SYNCED, MySQL
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Service
from twin.openstack.oslo.wsgi import Response
from twin.streams import Key

if TYPE_CHECKING:
    from twin.openstack.infrastructure.haproxy import HAProxy
    from twin.openstack.oslo.wsgi import ApiService


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found. `reason` as HAProxy prints it, `late` where it waited for an answer in vain."""

    passed: bool
    reason: str
    late: bool = False


CONNECTED = Verdict(True, "Layer4 check passed")
ANSWERED = Verdict(True, "Layer7 check passed, code: 200")
REFUSED = Verdict(False, 'Layer4 connection problem, info: "Connection refused"')
SILENT = Verdict(False, "Layer4 timeout", late=True)
NOT_SYNCED = Verdict(False, 'Layer7 wrong status, code: 503, info: "Service Unavailable"')


class Server:
    """A server of a back end, as HAProxy sees it."""

    __slots__ = ("backup", "disabled", "name", "process", "sessions", "streak", "up", "waiting")

    def __init__(self, name: str, process: Service, backup: bool) -> None:
        self.name = name
        self.process = process
        self.backup = backup
        self.up = True
        self.disabled = False
        """Whether an operator has taken it out."""
        self.streak = 0
        """Checks in a row that speak against `up`."""
        self.waiting = False
        """Whether a check waits for an answer."""
        self.sessions = 0


class Backend:
    """The servers of one service: the first that is not a backup, the next in turn."""

    def __init__(self, proxy: HAProxy, kind: str, servers: Sequence[Server], galera: bool = False) -> None:
        self.proxy = proxy
        self.world = proxy.world
        self.clock = proxy.clock
        self.kind = kind
        self.name = kind.replace("-", "_")
        self.servers = tuple(servers)
        self.ledger = Ledger()
        self._galera = galera
        self._usable: list[Server] = []
        self._turn = 0
        self._deadlines: deque[_Request] = deque()
        self._armed = False
        self.sessions = 0
        self.retries = self.redispatches = self.check_failures = self.changes = 0
        self.responses = {2: 0, 3: 0, 4: 0, 5: 0}
        self.average = 0.0
        self._averaged = 0
        self.select()

    # --- whom it asks --------------------------------------------------------------------------------------------

    def pick(self) -> Server | None:
        """The next server that it takes for up; None where there is none."""
        usable = self._usable
        if not usable:
            return None
        self._turn += 1
        return usable[self._turn % len(usable)]

    def select(self) -> None:
        """Find out anew whom requests may go to."""
        usable = [s for s in self.servers if s.up and not s.disabled]
        self._usable = [s for s in usable if not s.backup] or usable[:1]

    @property
    def active(self) -> int:
        """Active servers that are up (`haproxy_backend_active_servers`)."""
        return sum(s.up and not s.disabled for s in self.servers if not s.backup)

    @property
    def spare(self) -> int:
        """Backup servers that are up."""
        return sum(s.up and not s.disabled for s in self.servers if s.backup)

    def disable(self, name: str) -> None:
        """Take a server out for maintenance (`disable server`): new sessions go elsewhere, open ones stay."""
        self._set(name, disabled=True)

    def enable(self, name: str) -> None:
        """Put a server back (`enable server`)."""
        self._set(name, disabled=False)

    def _set(self, name: str, disabled: bool) -> None:
        server = next(s for s in self.servers if s.name == name)
        if server.disabled is disabled:
            return
        server.disabled = disabled
        self.select()
        kind = "Backup " if server.backup else ""
        backups = " Running on backup." if not self.active and self.spare else ""
        what = (kind, f"{self.name}_back", server.name)
        if disabled:
            self.proxy.tell(logs.HAPROXY_DISABLED, *what, self.active, self.spare, backups, server.sessions)
        else:
            self.proxy.tell(logs.HAPROXY_ENABLED, *what)

    def attempt(self, server: Server, *key: Key) -> float | None:
        """Try to connect to a server: None where it takes the connection, else the seconds that the failure took.

        `key` names the attempt.
        """
        process, world = server.process, self.world
        silent = not process.place_up or (world.network.disturbed and not world.network.reachable(self.proxy, process))
        if silent or not process.accepting or self._dropped(process, "connect", *key):
            self.retries += 1
            return limits.CONNECT_TIMEOUT if silent else limits.RETRY_PAUSE
        return None

    def _dropped(self, process: Service, *key: Key) -> bool:
        """Whether the queue of its listening socket has no room for one more connection."""
        share = process.value("connect_failures")
        return bool(share) and self.world.streams["haproxy/connect"].uniform(process.name, *key) < share

    # --- checks --------------------------------------------------------------------------------------------------

    def check(self, number: int) -> None:
        """Check all servers."""
        for server in self.servers:
            if server.disabled:
                continue
            verdict = self._verdict(server, number)
            if verdict.late and not server.waiting:
                server.waiting = True  # the answer fails to come until the next round
                continue
            server.waiting = verdict.late
            if verdict.passed is server.up:
                server.streak = 0
                continue
            server.streak += 1
            self.check_failures += not verdict.passed
            if server.streak >= (limits.RISE if verdict.passed else limits.FALL):
                self._turn_over(server, verdict)

    def _verdict(self, server: Server, number: int) -> Verdict:
        process = server.process
        network = self.world.network
        if not process.place_up or (network.disturbed and not network.reachable(self.proxy, process)):
            return SILENT
        if self._galera:  # the cluster check answers for its server
            assert isinstance(process, MySQL)
            if not process.ready or process.wsrep != SYNCED:
                return NOT_SYNCED
            return REFUSED if self._dropped(process, "check", number) else ANSWERED
        if not process.accepting or self._dropped(process, "check", number):
            return REFUSED
        return CONNECTED

    def _turn_over(self, server: Server, verdict: Verdict) -> None:
        server.up = verdict.passed
        server.streak = 0
        had = bool(self._usable)
        self.select()
        self.changes += bool(self._usable) is not had
        proxy = self.proxy
        kind = "Backup " if server.backup else ""
        took = int(1000 * limits.INTER) if verdict.late else 0
        left = (self.active, self.spare, " Running on backup." if not self.active and self.spare else "")
        what = (kind, f"{self.name}_back", server.name, verdict.reason, took)
        if verdict.passed:
            proxy.tell(logs.HAPROXY_UP, *what, *left)
        else:
            proxy.tell(logs.HAPROXY_DOWN, *what, *left, server.sessions)
            if not self._usable:
                proxy.tell(logs.HAPROXY_EMPTY, f"{self.name}_back")

    def sample(self) -> tuple[float, ...]:
        """Servers up, sessions, responses of 2xx and 5xx, average seconds; of 3xx and 4xx, retries, changes."""
        of = self.responses
        counts = (of[3], of[4], self.retries, self.redispatches, self.changes)
        return (self.active, self.sessions, of[2], of[5], self.average, *counts)

    # --- requests ------------------------------------------------------------------------------------------------

    def serve(self, context: Context, operation: str, method: str, uri: str, **arguments: Any) -> Event:
        """Take a request; the event succeeds with the `Response` that the client gets."""
        answer = Event(self.clock)
        request = _Request(self, context, operation, method, uri, arguments, answer)
        self.ledger.received += 1
        if not self.proxy.up:
            self.ledger.refused += 1
            answer.succeed(Response(503, message="Unable to establish connection"))
            return answer
        self.sessions += 1
        server = self.pick()
        if server is None:
            request.refuse("SC--")
        elif (
            not server.process.conditions
            and not self.world.network.disturbed
            and server.process.accepting
            and server.process.place_up
        ):
            request.forward(server)
        else:
            self.clock.process(self._insist(request, server))
        return answer

    def _insist(self, request: _Request, server: Server | None) -> Generator[Any, Any, None]:
        """Connect with retries; after the first failure any other server will do."""
        network, proxy = self.world.network, self.proxy
        for attempt in range(limits.RETRIES + 1):
            if server is None:
                break
            failed = self.attempt(server, request.context.trace.key, attempt)
            if failed is None:
                late = network.round_trip(proxy, server.process) if network.disturbed else 0.0
                if late:
                    yield self.clock.timeout(late)
                request.forward(server)
                return
            yield self.clock.timeout(failed)
            before, server = server, self.pick()
            self.redispatches += server is not before
        request.refuse("SC--")

    def watch(self, request: _Request) -> None:
        """Answer 504 if the server has not answered in time. One timer serves all requests, in their order."""
        self._deadlines.append(request)
        if not self._armed:
            self._arm(request.deadline)

    def _arm(self, time: float) -> None:
        self._armed = True
        self.clock.at(time, self._expire)

    def _expire(self, _: Event) -> None:
        deadlines, now = self._deadlines, self.world.now
        while deadlines and (deadlines[0].answer.triggered or deadlines[0].deadline <= now):
            request = deadlines.popleft()
            if not request.answer.triggered:
                self.ledger.timed_out += 1
                request.answer.succeed(Response(504, message="The server didn't respond in time."))
        if deadlines:
            self._arm(deadlines[0].deadline)
        else:
            self._armed = False

    def account(self, request: _Request, status: int) -> None:
        """A request is answered."""
        self.sessions -= 1
        family = status // 100
        if family in self.responses:
            self.responses[family] += 1
        took = self.world.now - request.began
        self._averaged = min(self._averaged + 1, limits.AVERAGE_OVER)
        self.average += (took - self.average) / self._averaged


@dataclass(slots=True)
class Ledger:
    """Every request that reached the balancer, and what became of it (invariant: request conservation)."""

    received: int = 0
    refused: int = 0  # no server took it: 503
    answered: int = 0  # by a server, in time
    timed_out: int = 0  # 504

    @property
    def in_flight(self) -> int:
        """Requests without an answer yet."""
        return self.received - self.refused - self.answered - self.timed_out


class _Request:
    """A request on its way."""

    __slots__ = (
        "answer",
        "arguments",
        "backend",
        "began",
        "connected",
        "context",
        "deadline",
        "method",
        "operation",
        "server",
        "uri",
    )

    def __init__(
        self,
        backend: Backend,
        context: Context,
        operation: str,
        method: str,
        uri: str,
        arguments: dict[str, Any],
        answer: Event,
    ) -> None:
        self.backend = backend
        self.context = context
        self.operation = operation
        self.method = method
        self.uri = uri
        self.arguments = arguments
        self.answer = answer
        self.server: Server | None = None
        self.began = self.connected = backend.world.now
        self.deadline = 0.0

    def forward(self, server: Server) -> None:
        """Hand it to a server that has taken the connection."""
        backend = self.backend
        self.server = server
        self.connected = backend.world.now
        self.deadline = self.connected + limits.SERVER_TIMEOUT
        server.sessions += 1
        assert self.answer.callbacks is not None
        self.answer.callbacks.append(self._closed)
        backend.watch(self)
        api: ApiService = server.process  # type: ignore[assignment]
        api.take(self.context, self.operation, self.method, self.uri, self.arguments, self.answer)

    def refuse(self, flags: str) -> None:
        """No server takes it."""
        backend = self.backend
        backend.ledger.refused += 1
        backend.account(self, 503)
        self._log(503, 0, flags)
        self.answer.succeed(Response(503, message="No server is available to handle this request."))

    def _closed(self, event: Event) -> None:
        response: Response = event.value  # type: ignore[assignment]
        assert self.server is not None
        self.server.sessions -= 1
        backend = self.backend
        if response.status != 504 or backend.world.now < self.deadline:
            backend.ledger.answered += 1
        backend.account(self, response.status)
        flags = {502: "SH--", 504: "sH--"}.get(response.status, "----")
        self._log(response.status, response.length, flags)

    def _log(self, status: int, length: int, flags: str) -> None:
        backend, proxy = self.backend, self.backend.proxy
        if proxy.muted or not proxy.up:
            return
        now = backend.world.now
        waited, took = int(1000 * (self.connected - self.began)), int(1000 * (now - self.connected))
        server = self.server
        name, queue = (server.name, 0) if server is not None else ("<NOSRV>", -1)
        phases = (0, queue, waited, took, waited + took) if server is not None else (0, -1, -1, -1, waited)
        proxy.requests += 1
        client = f"{proxy.address}:{32768 + proxy.requests * 7919 % 28232}"
        sessions = (backend.sessions, backend.sessions, backend.sessions, server.sessions if server else 0, 0)
        proxy.tell(
            logs.HAPROXY_ACCESS,
            client,
            self.began,
            f"{backend.name}_front",
            f"{backend.name}_back",
            name,
            *phases,
            status,
            length,
            flags,
            *sessions,
            self.method,
            self.uri,
        )
