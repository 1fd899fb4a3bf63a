"""The steady load of a cloud that is looked at: dashboards, scripts and monitoring that list and show."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from twin.openstack.oslo.service import Steps
from twin.openstack.tenants.client import RequestError, Session
from twin.scenario.errors import ScenarioError, nearest

if TYPE_CHECKING:
    from twin.openstack.tenants.workload import Workload


@dataclass(frozen=True, slots=True)
class Read:
    """A request that changes nothing."""

    service: str
    operation: str
    path: str


READS: dict[str, Read] = {
    "servers": Read("nova-api", "servers.detail", "/v2.1/servers/detail"),
    "server": Read("nova-api", "servers.show", "/v2.1/servers/"),
    "services": Read("nova-api", "os-services.list", "/v2.1/os-services"),
    "flavors": Read("nova-api", "flavors.list", "/v2.1/flavors/detail"),
    "networks": Read("neutron-server", "networks.list", "/v2.0/networks"),
    "ports": Read("neutron-server", "ports.list", "/v2.0/ports"),
    "agents": Read("neutron-server", "agents.list", "/v2.0/agents"),
    "volumes": Read("cinder-api", "volumes.list", "/v3/volumes/detail"),
    "images": Read("glance-api", "images.list", "/v2/images"),
}
"""What is read, by the name it has in a scenario."""

MIX: dict[str, float] = {
    "servers": 30.0,
    "server": 30.0,
    "services": 5.0,
    "flavors": 5.0,
    "networks": 10.0,
    "ports": 5.0,
    "agents": 2.0,
    "volumes": 8.0,
    "images": 5.0,
}
"""Weights where the scenario gives none (assumed: those of a dashboard's pages)."""


class Readers:
    """Poisson reads at a rate by a few users whose programs keep their tokens."""

    def __init__(self, workload: Workload, rate: float, mix: dict[str, float] | None) -> None:
        self.workload = workload
        self.world = workload.world
        self.rate = rate
        weights = mix or MIX
        for name in weights:
            if name not in READS:
                raise ScenarioError(f"nobody reads '{name}'{nearest(name, READS)}", ("spec", "workload", "mix", name))
        self._names = list(weights)
        self._cumulated = list(accumulate(weights.values()))
        self._sessions = [
            Session(workload.site, workload.requests, user, project, "read", i)
            for i, (user, project) in enumerate(workload.users)
        ]
        self._seen: list[list[str]] = [[] for _ in self._sessions]
        """The servers that each user has last seen in a list."""

    def run(self) -> Steps:
        """Read from now on."""
        stream = self.world.streams["workload/reads"]
        number = 0
        while not self.workload.stopped:
            number += 1
            yield self.world.clock.timeout(stream.exponential(1.0 / self.rate, number, "gap"))
            self.world.clock.process(self._read(number))

    def _read(self, number: int) -> Steps:
        stream = self.world.streams["workload/reads"]
        name = self._names[bisect(self._cumulated, stream.uniform(number, "what") * self._cumulated[-1])]
        reader = stream.integer(0, len(self._sessions) - 1, number, "who")
        session, seen = self._sessions[reader], self._seen[reader]
        if name == "server" and not seen:  # nothing to show yet
            name = "servers"
        read = READS[name]
        try:
            if name == "server":
                id = stream.choice(seen, number, "which")
                yield from session.send(read.service, read.operation, "GET", read.path + id, server_id=id)
            else:
                response = yield from session.send(read.service, read.operation, "GET", read.path)
                if name == "servers" and response.status == 200:
                    self._seen[reader] = [server["id"] for server in response.body]
        except RequestError:
            return  # without a token there is nothing to read; the next one tries again
