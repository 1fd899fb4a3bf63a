"""A few machines with what is under nova, neutron and cinder, and no OpenStack service on them."""

from __future__ import annotations

from typing import Any

import pytest

from twin import World
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.node import Node
from twin.openstack.infrastructure import hosts
from twin.openstack.infrastructure.dataplane import PortPath
from twin.openstack.oslo.context import Context, new_context
from twin.process import Process
from twin.scenario import ResolvedScenario
from twin.truth import Incident

GIB = 2.0**30
IMAGE = "cirros"


class Agent(Process):
    """A neutron agent that does nothing by itself: the tests are its program."""

    kind = "agent"


class Machines:
    """Two compute hosts and a network node that also stores volumes. One network, one router."""

    def __init__(self) -> None:
        body = {
            "cluster": {"kind": "inference", "preset": "small"},
            "workload": {"arrivals": {"poisson": "0.0001/s"}, "prompt": 16, "output": 16},
            "telemetry": {"mode": "recorded"},
            "horizon": "200000s",
        }
        document = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "test"}, "spec": body}
        self.world = World(ResolvedScenario.model_validate(document), seed=3)
        self.nodes = [Node(self.world, f"compute-{i}", 64e9, 16) for i in range(2)]
        self.control = Node(self.world, "controller-1", 64e9, 16)
        self.all = hosts.build(self.world, self.nodes, [self.control], self.control)
        self.plane, self.volumes = self.all.dataplane, self.all.volumes
        self.first, self.second = self.all.libvirts.values()
        self.events: list[tuple[float, str, str, str]] = []
        """(second, host, server, transition)"""
        for host in (self.first, self.second):
            host.on_event = lambda uuid, what, host=host: self.events.append((self.now, host.node.name, uuid, what))
            host.boot()
        self.volumes.boot()
        self.agents = {node.name: Agent(self.world, f"agent@{node.name}", node) for node in (*self.nodes, self.control)}
        for agent in self.agents.values():
            agent.boot()
        self._network()
        self._asked = 0

    def _network(self) -> None:
        machines = list(self.plane.switches)
        for name, switch in self.plane.switches.items():
            switch.tunnels.update(other for other in machines if other != name)
        self.plane.agents = dict(self.agents)
        self.network = self.plane.network_nodes["controller-1"]
        self.network.start_dnsmasq(self.agents["controller-1"], "net")
        self.network.routers["router"] = {"net"}
        self.network.proxies.add("router")

    @property
    def now(self) -> float:
        return self.world.now

    def context(self) -> Context:
        self._asked += 1
        return new_context(self.world, "user", "project", "test", self._asked)

    def do(self, steps: Any, until: float | None = None) -> Any:
        """Run a call to its end and return its result; raise what it raises."""
        outcome: list[Any] = []
        self.begin(steps, outcome)
        deadline = self.now + 100_000 if until is None else until
        while not outcome and self.now < deadline:
            self.world.run(until=min(deadline, self.now + 0.25))
        if not outcome:
            raise TimeoutError
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0][1]

    def begin(self, steps: Any, outcome: list[Any] | None = None) -> list[Any]:
        """Let a call run; its outcome, (end in seconds, result) or the exception, is put into the list returned."""
        outcome = [] if outcome is None else outcome

        def go() -> Any:
            try:
                result = yield from steps
                outcome.append((self.now, result))
            except Exception as error:
                outcome.append(error)

        self.world.clock.process(go())
        return outcome

    def build(self, uuid: str, host: Any = None, wired: bool = True) -> Any:
        """What nova and neutron do for a server with one port: steps to be run."""
        host = self.first if host is None else host
        context, port = self.context(), f"port-{uuid}"
        self.plane.bind(port, PortPath(uuid, "net", host.node.name))
        self.network.floating[f"ip-{uuid}"] = port
        self.network.reload_allocations("net", {*self.network.dnsmasq["net"], port})
        yield from host.disk.create_disk(context, uuid, 20, IMAGE)
        yield from host.disk.compute(context, host.times.plug)
        switch = self.plane.switches[host.node.name]
        switch.plug(port)
        yield from host.define_and_start(context, uuid, f"instance-{uuid}", 2 * GIB, 1, (port,), project="p")
        if wired:
            switch.wire(port, 1)
        yield from host.resume_domain(context, uuid)

    def impose(self, component: Any, parameter: str, value: float, layer: Layer = Layer.PROCESS) -> Condition:
        """What a fault named `fault` does."""
        condition = Condition(layer, parameter, value, "fault")
        self.world.truth.incidents.setdefault("fault", Incident("fault", "", "", (component.name,)))
        self.world.truth.injected(component.name, condition, self.now)
        component.impose(condition)
        return condition

    def printed(self, template: str) -> list[Any]:
        """The records of a template."""
        return [record for record in self.world.recorder.logs if record.template.id == template]


@pytest.fixture
def machines() -> Machines:
    """A fresh set of machines."""
    return Machines()
