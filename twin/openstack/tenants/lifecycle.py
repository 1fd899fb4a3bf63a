"""The lifecycle load: a server is created, waited for, kept for its lifetime and deleted, by a program with a token."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from twin.mechanics.tenants import DELETE_ATTEMPTS, DELETE_PATIENCE, DELETE_PAUSE, POLL_WAITS
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import Response
from twin.openstack.tenants.capacity import DEFAULT_FLAVORS
from twin.openstack.tenants.client import RequestError, Session
from twin.scenario.workload import Concurrency, Load, ServerClient

if TYPE_CHECKING:
    from twin.openstack.tenants.workload import Workload

DEFAULT_LIFETIME = 60.0
"""Seconds from ACTIVE to the deletion."""
DEFAULT_PATIENCE = 300.0
"""Seconds a client waits for ACTIVE before it gives up."""


class Lifecycle:
    """Server lives, one after the other or many at a time. `success` is met by a life without an error."""

    def __init__(self, workload: Workload, spec: Load) -> None:
        self.workload = workload
        self.world = workload.world
        self.client = spec.client or ServerClient()
        self.lifetime = DEFAULT_LIFETIME if spec.lifetime is None else spec.lifetime
        self.flavor = spec.flavor or DEFAULT_FLAVORS["lifecycle"]
        self.patience = spec.client_timeout or DEFAULT_PATIENCE

    def live(self, number: int) -> Steps:
        """One server's life."""
        life = self._begin(number)
        well = yield from life.run()
        self._end(life, well)

    def keep(self, loop: Concurrency, numbers: Iterator[int]) -> Steps:
        """One user of a closed loop who keeps so many servers that the eldest has to go."""
        clock, thinking = self.world.clock, self.world.streams["workload/think"]
        kept: deque[ServerLife] = deque()
        while not self.workload.stopped:
            number = next(numbers)
            life = self._begin(number)
            if (yield from life.create()):
                kept.append(life)
            else:
                self._end(life, well=False)
            if self.client.keep is not None and len(kept) >= self.client.keep:
                eldest = kept.popleft()
                gone = yield from eldest.delete()
                self._end(eldest, gone and not eldest.session.errors)
            yield clock.timeout(loop.think * thinking.between(0.9, 1.1, number))

    def _begin(self, number: int) -> ServerLife:
        self.workload.began(number)
        return ServerLife(self, number)

    def _end(self, life: ServerLife, well: bool) -> None:
        self.workload.ended(life.number, well)


class ServerLife:
    """The steps of one client."""

    def __init__(self, load: Lifecycle, number: int) -> None:
        self.load = load
        self.number = number
        self.world = load.world
        workload = load.workload
        user, project = workload.user(number)
        self.session = Session(workload.site, workload.requests, user, project, number)
        self.uuid = ""
        """Of its server, once it is accepted."""

    def run(self) -> Steps:
        """Create, wait, keep, delete; whether all of it went well."""
        if not (yield from self.create()):
            return False
        if self.load.client.poll == "list":
            yield from self._show()  # what a command line prints of the server it has created
        status = yield from self._poll_until("ACTIVE", "ERROR", patience=self.load.patience)
        if status == "ACTIVE":
            spread = self.world.streams["workload/lifetime"]
            yield self.world.clock.timeout(self.load.lifetime * spread.between(0.9, 1.1, self.number))
        well = status == "ACTIVE"
        gone = yield from self.delete()
        return well and gone and not self.session.errors

    def create(self) -> Steps:
        """Ask for a server; whether the request was accepted."""
        site, slo = self.load.workload.site, self.world.slo
        wired = self.world.streams["workload/ports"].uniform(self.number) < self.load.client.ports
        networks = (site.network,) if wired else ()
        what = {"name": f"vm-{self.number}", "flavor": self.load.flavor, "image": site.image, "networks": networks}
        response = yield from self._send("servers.create", "POST", "", **what)
        if response.status != 202:
            return False
        self.uuid = response.body["id"]
        server = site.tables.servers.get(self.uuid)
        if self.load.client.load and server is not None:
            wants = self.world.streams["workload/load"].exponential(self.load.client.load, self.number)
            site.dataplane.demand[self.uuid] = wants
        slo.opened("create", self.uuid, self.world.now)
        if server is not None and server.status == "ACTIVE":  # it was faster than its own answer
            slo.met("create", self.uuid, self.world.now)
        return True

    def delete(self) -> Steps:
        """Ask for the deletion until it is done; whether the server is gone."""
        for _ in range(DELETE_ATTEMPTS):
            uuid = self.uuid
            response = yield from self._send("servers.delete", "DELETE", f"/{uuid}", server_id=uuid)
            if response.status < 400 or response.status == 404:
                status = yield from self._poll_until("gone", patience=DELETE_PATIENCE)
                if status == "gone":
                    return True
            else:
                yield self.world.clock.timeout(DELETE_PAUSE)
        return False

    def _poll_until(self, *ends: str, patience: float) -> Steps:
        """Poll until the server is in one of the states, or patience is over; the last state seen."""
        deadline = self.world.now + patience
        habits = self.load.client
        status, row = "", 0
        while self.world.now < deadline:
            if row == 0:
                pause = habits.first
            elif habits.every is None:
                pause = POLL_WAITS[min(row, len(POLL_WAITS) - 1)]
            else:
                pause = habits.every
            yield self.world.clock.timeout(pause)
            row += 1
            for _ in range(habits.polls):
                status = yield from self._look()
            if status in ends:
                break
        return status

    def _look(self) -> Steps:
        """One poll: the server's status, "gone" where there is none, empty where nothing is to be learnt."""
        uuid = self.uuid
        if self.load.client.poll == "list":
            response = yield from self._send("servers.detail", "GET", "/detail")
            if response.status >= 400:
                return ""
            return next((str(server["status"]) for server in response.body if server["id"] == uuid), "gone")
        return (yield from self._show())

    def _show(self) -> Steps:
        """The server's status as it is shown."""
        uuid = self.uuid
        response = yield from self._send("servers.show", "GET", f"/{uuid}", server_id=uuid)
        if response.status == 404:
            return "gone"
        return "" if response.status >= 400 else str(response.body["status"])

    def _send(self, operation: str, method: str, path: str, **arguments: Any) -> Steps:
        try:
            return (yield from self.session.send("nova-api", operation, method, f"/v2.1/servers{path}", **arguments))
        except RequestError as error:  # no token: as if nova had answered so
            return Response(error.error.status)
