"""Clients: each creates a server, waits for it, keeps it for its lifetime and deletes it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simpy.events import Event

from twin.openstack.oslo.context import Context, new_context
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import ApiService, Response
from twin.openstack.site import Site
from twin.openstack.tables import Server
from twin.scenario.workload import Concurrency, ServerClient
from twin.streams import Key

if TYPE_CHECKING:
    from twin.world import World

DEFAULT_RATE = 0.1
"""Servers created per second where the scenario names no arrivals."""
DEFAULT_LIFETIME = 60.0
"""Seconds from ACTIVE to the deletion."""
DEFAULT_PATIENCE = 300.0
"""Seconds a client waits for ACTIVE before it gives up."""
DELETE_ATTEMPTS, DELETE_PATIENCE, DELETE_PAUSE = 3, 60.0, 10.0
"""How often a client asks for a deletion, how long it waits for it, and the pause after an error (assumed)."""
POLL_WAITS = (0.0, 2.0, 4.0, 6.0, 8.0)
"""Seconds between polls; the last repeats (OPENSTACK-FAILURES, retries of clients)."""


@dataclass(slots=True)
class Requests:
    """What became of the clients' API requests (invariant: request conservation)."""

    sent: int = 0
    answered: int = 0  # below 500
    failed: int = 0  # 5xx from a service, or refused
    timed_out: int = 0  # 504

    @property
    def in_flight(self) -> int:
        return self.sent - self.answered - self.failed - self.timed_out


class Workload:
    """Arrivals of server life cycles. Every draw is keyed by the server's number."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.world: World = site.world
        spec = self.world.spec.workload
        arrivals = spec.arrivals
        self._constant = arrivals.constant if arrivals else None
        self._poisson = (arrivals.poisson if arrivals else None) or DEFAULT_RATE
        self._users_in_turn = arrivals.concurrency if arrivals else None
        self.client = spec.client or ServerClient()
        self._numbered = 0
        self.lifetime = DEFAULT_LIFETIME if spec.lifetime is None else spec.lifetime
        self.patience = spec.client_timeout or DEFAULT_PATIENCE
        self.requests = Requests()
        self.started = self.completed = self.abandoned = 0
        users = self.world.streams["openstack/users"]
        self._users = [(users.hexadecimal(32, "user", i), users.hexadecimal(32, "project", i)) for i in range(4)]

    def start(self) -> None:
        """Let clients arrive from now on."""
        if self._users_in_turn is None:
            self.world.clock.process(self._arrive())
            return
        for user in range(self._users_in_turn.users):
            self.world.clock.process(self._come_again(user, self._users_in_turn))

    def _arrive(self) -> Steps:
        gaps = self.world.streams["workload/arrivals"]
        while True:
            number = self._next_number()
            gap = 1.0 / self._constant if self._constant else gaps.exponential(1.0 / self._poisson, number)
            yield self.world.clock.timeout(gap)
            self.world.clock.process(self._live(number))

    def _come_again(self, user: int, loop: Concurrency) -> Steps:
        """One user of a closed loop: a server after the other, or so many at a time that the eldest has to go."""
        clock, thinking = self.world.clock, self.world.streams["workload/think"]
        yield clock.timeout(loop.ramp * user / loop.users)
        kept: deque[_Client] = deque()
        while True:
            number = self._next_number()
            if self.client.keep is None:
                yield from self._live(number)
            else:
                client = self._begin(number)
                if (yield from client.create()):
                    kept.append(client)
                else:
                    self._end(client, well=False)
                if len(kept) >= self.client.keep:
                    eldest = kept.popleft()
                    gone = yield from eldest.delete()
                    self._end(eldest, gone and not eldest.failures)
            yield clock.timeout(loop.think * thinking.between(0.9, 1.1, number))

    # --- one client ----------------------------------------------------------------------------------------------

    def _next_number(self) -> int:
        self._numbered += 1
        return self._numbered

    def _live(self, number: int) -> Steps:
        """One server's life. `success` is met where no API request failed and the server never was in ERROR."""
        client = self._begin(number)
        well = yield from client.run()
        self._end(client, well)

    def _begin(self, number: int) -> _Client:
        world = self.world
        self.started += 1
        world.slo.opened("success", number, world.now)
        user, project = world.streams["openstack/users"].choice(self._users, number)
        server = Server(number, world.streams["openstack/server"].uuid(number), user, project, world.now)
        return _Client(self, server)

    def _end(self, client: _Client, well: bool) -> None:
        world, number = self.world, client.server.number
        if well:
            self.completed += 1
            world.slo.met("success", number, world.now)
        else:
            self.abandoned += 1
            world.slo.failed("success", number)

    def send(
        self, number: int, context: Context, service: ApiService, operation: str, request: str, **fields: Any
    ) -> Event:
        """Send a request and judge it: `api` is met by an answer below 500."""
        world, slo, requests = self.world, self.world.slo, self.requests
        key = (number, context.trace.id)
        slo.opened("api", key, world.now)
        requests.sent += 1
        method, uri = request.split(" ")
        answer = service.serve(context, operation, method, uri, **fields)

        def judge(event: Event) -> None:
            response: Response = event.value  # type: ignore[assignment]
            status = response.status
            if status < 500:
                requests.answered += 1
                slo.met("api", key, world.now)
            else:
                requests.timed_out += status == 504
                requests.failed += status != 504
                slo.failed("api", key)

        assert answer.callbacks is not None
        answer.callbacks.append(judge)
        return answer


class _Client:
    """The steps of one client."""

    def __init__(self, workload: Workload, server: Server) -> None:
        self.workload = workload
        self.site = workload.site
        self.world = workload.world
        self.server = server
        self.token = ""
        self.failures = 0
        self._requests = 0

    def run(self) -> Steps:
        """Create, wait, keep, delete; whether all of it went well."""
        if not (yield from self.create()):
            return False
        status = yield from self._poll_until("ACTIVE", "ERROR", patience=self.workload.patience)
        if status == "ACTIVE":
            spread = self.world.streams["workload/lifetime"]
            yield self.world.clock.timeout(self.workload.lifetime * spread.between(0.9, 1.1, self.server.number))
        well = status == "ACTIVE"
        gone = yield from self.delete()
        return well and gone and not self.failures

    def create(self) -> Steps:
        """Get a token and ask for a server; whether the request was accepted."""
        server, site, world = self.server, self.site, self.world
        response = yield from self._send(site.keystone, "token", "POST /v3/auth/tokens")
        if response.status >= 500:
            return False
        self.token = world.streams["openstack/token"].hexadecimal(32, server.number)
        response = yield from self._send(site.api, "servers.create", "POST /v2.1/servers", server=server)
        if response.status != 202:
            return False
        world.slo.opened("create", server.uuid, world.now)
        if server.status != "BUILD":  # it was faster than its own answer
            world.slo.met("create", server.uuid, world.now)
        return True

    def delete(self) -> Steps:
        """Ask for the deletion until it is done; whether the server is gone."""
        for _ in range(DELETE_ATTEMPTS):
            uri = f"DELETE /v2.1/servers/{self.server.uuid}"
            response = yield from self._send(self.site.api, "servers.delete", uri, uuid=self.server.uuid)
            if response.status < 500:
                status = yield from self._poll_until("gone", patience=DELETE_PATIENCE)
                if status == "gone":
                    return True
            else:
                yield self.world.clock.timeout(DELETE_PAUSE)
        return False

    def _poll_until(self, *ends: str, patience: float) -> Steps:
        """Poll until the server is in one of the states, or patience is over; the last state seen."""
        deadline = self.world.now + patience
        habits = self.workload.client
        status, row = "", 0
        while self.world.now < deadline:
            pause = POLL_WAITS[min(row, len(POLL_WAITS) - 1)] if habits.every is None else habits.every * (row > 0)
            yield self.world.clock.timeout(pause)
            row += 1
            for _ in range(habits.polls):
                status = yield from self._look()
            if status in ends:
                break
        return status

    def _look(self) -> Steps:
        """One poll: the server's status, "gone" where there is none, empty where nothing is to be learnt."""
        uuid = self.server.uuid
        if self.workload.client.poll == "list":
            response = yield from self._send(self.site.api, "servers.detail", "GET /v2.1/servers/detail")
            if response.status >= 500:
                return ""
            return dict(response.body).get(uuid, "gone")
        response = yield from self._send(self.site.api, "servers.show", f"GET /v2.1/servers/{uuid}", uuid=uuid)
        if response.status >= 500:
            return ""
        return "gone" if response.status == 404 else str(response.body)

    def _send(self, service: ApiService, operation: str, request: str, **fields: Any) -> Steps:
        self._requests += 1
        key: tuple[Key, ...] = (self.server.number, self._requests)
        context = new_context(self.world, self.server.user, self.server.project, *key, token=self.token)
        response: Response = yield self.workload.send(
            self.server.number, context, service, operation, request, **fields
        )
        self.failures += response.status >= 500
        return response
