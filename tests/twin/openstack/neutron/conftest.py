"""A small cloud without tenants: the tests ask neutron's API and start guests themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.twin.openstack.conftest import make_world
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.openstack.mutation.operators import mutation
from twin.openstack.oslo.context import Context, new_context
from twin.openstack.oslo.wsgi import Response
from twin.telemetry.records import LogRecord

PROJECT = "11111111111111111111111111111111"


class Cloud:
    """A world, and a client of neutron's API."""

    def __init__(self, seed: int = 5, **spec: Any) -> None:
        self.world = make_world(rate="0.000001/s", seed=seed, **spec)
        self.site = self.world.cluster.site
        self.tables = self.site.neutron.tables
        self.plane = self.site.dataplane
        self.network = next(n for n in self.tables.networks.values() if n.name == "private")
        self.public = next(n for n in self.tables.networks.values() if n.name == "public")
        self.node = next(iter(self.plane.network_nodes.values()))
        self._asked = 0
        self.world.run(until=10)

    @property
    def now(self) -> float:
        return self.world.now

    def run(self, seconds: float) -> None:
        self.world.run(until=self.now + seconds)

    def context(self, project: str = PROJECT) -> Context:
        self._asked += 1
        return new_context(self.world, "user", project, "test", self._asked)

    def ask(self, operation: str, method: str = "GET", project: str = PROJECT, **arguments: Any) -> Response:
        """Send a request and run until it is answered."""
        uri = f"/v2.0/{operation.partition('.')[0]}"
        answer = self.site.endpoint("neutron-server").serve(self.context(project), operation, method, uri, **arguments)
        deadline = self.now + 100
        while not answer.triggered and self.now < deadline:
            self.world.run(until=self.now + 0.05)
        assert answer.triggered
        return answer.value

    def port(self, host: str = "compute-0", server: str = "server-1", **arguments: Any) -> dict[str, Any]:
        """A port of a server."""
        response = self.ask(
            "ports.create",
            "POST",
            network_id=self.network.id,
            device_id=server,
            device_owner="compute:nova",
            host_id=host,
            **arguments,
        )
        assert response.status == 201
        return response.body

    def status(self, port: str) -> str:
        return self.tables.ports[port].status

    def boot(self, port: dict[str, Any]) -> None:
        """Start a guest with a port, as nova does."""
        host, server = port["binding:host_id"], port["device_id"]
        self.plane.switches[host].plug(port["id"])
        libvirt = self.site.libvirts[host]
        steps = libvirt.define_and_start(self.context(), server, server, 2.0**29, 1, ports=(port["id"],), paused=False)
        self.world.clock.process(steps)

    def active(self, port: str, within: float = 30.0) -> bool:
        """Run until a port is ACTIVE; whether it became so in time."""
        deadline = self.now + within
        while self.now < deadline and self.status(port) != "ACTIVE":
            self.world.run(until=self.now + 0.1)
        return self.status(port) == "ACTIVE"

    def lines(self, template: str, component: str = "") -> list[LogRecord]:
        return [
            record
            for record in self.world.recorder.logs
            if record.template.id == template and record.component.startswith(component)
        ]

    def errors(self) -> list[LogRecord]:
        return [record for record in self.world.recorder.logs if record.template.level.value == "ERROR"]

    def events_to_nova(self) -> int:
        """Requests with events that reached nova's API."""
        return self.site.endpoint("nova-api").ledger.received

    def kill(self, component: str) -> None:
        """SIGKILL, and nobody starts it again."""
        self.world.components[component].stop("killed")

    def mutate(self, component: str, site: str, operator: str, argument: str | None = None) -> None:
        """Give a component a bad release."""
        code = mutation(site, operator, argument).text
        self.world.components[component].impose(Condition(Layer.CONTAINER, "mutation", 1.0, "bug", code=code))


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture(scope="session")
def make_cloud() -> Callable[..., Cloud]:
    return Cloud
