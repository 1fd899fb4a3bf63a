"""A cloud on paper: the APIs' answers without services behind them, for what the clients do with answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from simpy.events import Event

from twin.clock import Clock
from twin.openstack.infrastructure.dataplane import Reach
from twin.openstack.oslo.wsgi import Response
from twin.openstack.tenants.client import Requests
from twin.openstack.tenants.tester import Tester, Trial
from twin.slo import Objective, SloMeter
from twin.streams import Streams

OPERATIONS = {
    "networks": "network_id",
    "subnets": "subnet_id",
    "routers": "router_id",
    "ports": "port_id",
    "floatingips": "floatingip_id",
    "security_groups": "group_id",
    "servers": "server_id",
    "volumes": "volume_id",
    "snapshots": "snapshot_id",
    "images": "image_id",
    "keypairs": "name",
    "stacks": "name",
}

STATES = {"os-stop": "SHUTOFF", "resize": "VERIFY_RESIZE"}
"""Of a server after an action, where it is not ACTIVE."""


@dataclass
class PaperWorld:
    """Time, luck and objectives."""

    clock: Clock = field(default_factory=Clock)
    streams: Streams = field(default_factory=lambda: Streams(5))
    slo: SloMeter = field(default_factory=lambda: SloMeter([Objective("api", 0.99, 2.0)], 10.0))

    @property
    def now(self) -> float:
        return self.clock.now


class PaperCloud:
    """Rows by kind and id. `answers` holds what an operation answers instead; `seconds` how long all of them take."""

    def __init__(self) -> None:
        self.world = PaperWorld()
        self.mutated = False
        self.image = "image-id"
        self.rows: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in OPERATIONS}
        self.rows["networks"]["public-id"] = {"id": "public-id", "name": "public", "status": "ACTIVE"}
        self.flavors = [{"id": "1", "name": "m1.tiny"}]
        self.answers: dict[str, Callable[[dict[str, Any]], Response]] = {}
        self.asked: list[str] = []
        self.statuses: list[int] = []
        self.seconds = 0.2
        self.connected = True
        self._ids = count(1)

    dataplane = property(lambda self: self)
    operations = frozenset(f"{kind}.show" for kind in OPERATIONS if kind != "security_groups")

    def endpoint(self, kind: str) -> PaperCloud:
        return self

    def reaches(self, server: str) -> Reach:
        return Reach(True, "", 0.8, "connected") if self.connected else Reach(False, "", 15.0, "timed out")

    def serve(self, context: Any, operation: str, method: str, uri: str, **arguments: Any) -> Event:
        self.asked.append(operation)
        answer = self.world.clock.event()
        answer_with = self.answers.get(operation, lambda given: self.answer(operation, given))
        response = answer_with(arguments)
        self.statuses.append(response.status)
        self.world.clock.at(self.world.now + self.seconds, lambda _: answer.succeed(response))
        return answer

    def answer(self, operation: str, given: dict[str, Any]) -> Response:
        kind, _, verb = operation.partition(".")
        if operation == "token":
            return Response(201, {"id": f"token-{next(self._ids)}"})
        if operation == "flavors.list":
            return Response(200, self.flavors)
        if kind in ("security_group_rules", "volume_attachments", "interfaces"):
            return self.attach(kind, verb, given)
        if operation == "servers.action":
            return self.act(self.rows["servers"].get(given["server_id"]), given)
        rows = self.rows[kind]
        if verb in ("list", "detail"):
            return Response(200, [r for r in rows.values() if all(r.get(k) == v for k, v in given.items())])
        if verb == "create":
            return Response(202, self.create(kind, given))
        row = rows.get(given[OPERATIONS[kind]])
        if row is None:
            return Response(404, message="not found")
        if verb == "delete":
            if kind == "volumes" and row["status"] == "in-use":
                return Response(400, message="Volume status must be available")
            del rows[given[OPERATIONS[kind]]]
            if kind == "servers":
                self.detach(row["id"])
            if kind == "networks":
                self.rows["subnets"] = {i: r for i, r in self.rows["subnets"].items() if r["network_id"] != row["id"]}
        return Response(200, row)

    def create(self, kind: str, given: dict[str, Any]) -> dict[str, Any]:
        status = {"servers": "ACTIVE", "volumes": "available", "snapshots": "available", "images": "active"}
        id = f"{kind}-{next(self._ids)}"
        row = {"name": "", **given, "id": id, "status": status.get(kind, "ACTIVE")}
        self.rows[kind][given["name"] if kind == "keypairs" else id] = row
        if kind == "stacks":
            del self.rows[kind][id]
            self.rows[kind][given["name"]] = row | {"stack_status": "CREATE_COMPLETE"}
        if kind == "servers":
            for i in range(1, given.get("min_count", 1)):
                other = f"{id}-{i + 1}"
                self.rows[kind][other] = row | {"id": other, "name": f"{row['name']}-{i + 1}"}
            if given.get("min_count", 1) > 1:
                row["name"] += "-1"
            self.create("ports", {"device_id": id})
            if "volume" in given:
                self.rows["volumes"][given["volume"]] |= {"status": "in-use", "server": id}
        return row

    def act(self, server: dict[str, Any] | None, given: dict[str, Any]) -> Response:
        if server is None:
            return Response(404, message="not found")
        if given["action"] == "createImage":
            self.create("images", {"name": given["name"]})
        else:
            server["status"] = STATES.get(given["action"], "ACTIVE")
        return Response(202)

    def attach(self, kind: str, verb: str, given: dict[str, Any]) -> Response:
        if kind == "interfaces":
            self.create("ports", {"device_id": given["server_id"]})
        elif kind == "volume_attachments":
            volume = self.rows["volumes"][given["volume_id"]]
            attached = verb == "create"
            volume |= {
                "status": "in-use" if attached else "available",
                "server": given["server_id"] if attached else "",
            }
        return Response(200, {})

    def detach(self, server: str) -> None:
        self.rows["ports"] = {id: row for id, row in self.rows["ports"].items() if row.get("device_id") != server}
        for volume in self.rows["volumes"].values():
            if volume.get("server") == server:
                volume["status"] = "available"


@dataclass
class Run:
    """A finished run and its cloud."""

    cloud: PaperCloud
    requests: Requests
    trial: Trial
    tester: Tester


@pytest.fixture
def cloud() -> PaperCloud:
    """A cloud on paper in which everything works."""
    return PaperCloud()


@pytest.fixture
def run(cloud: PaperCloud) -> Callable[..., Run]:
    """Let a tester run a load on `cloud`."""

    def go(load: Callable[[Tester], Any], name: str = "deployment") -> Run:
        requests = Requests()
        tester = Tester(cloud, requests, name, 7, "user", "project")  # type: ignore[arg-type]
        trials: list[Trial] = []

        def process() -> Any:
            trials.append((yield from tester.run(load)))

        cloud.world.clock.process(process())
        cloud.world.clock.run()
        return Run(cloud, requests, trials[0], tester)

    return go
