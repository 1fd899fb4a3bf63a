"""Whether tenants' servers can be reached: each is probed by SSH from outside once a minute, host by host.

A server is up or down as its last probe found it, until the next one. The counts change when a probe's result does;
the `availability` objective counts them every second. What the owners keep of it is an `Outage` each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simpy.events import Event

from twin.mechanics.tenants import PROBE_INTERVAL
from twin.openstack.tenants.fleet import Fleet, TenantServer

if TYPE_CHECKING:
    from twin.openstack.infrastructure.dataplane import DataPlane


@dataclass(frozen=True, slots=True)
class Outage:
    """A server that did not answer from one probe to another (seconds); `end` is None while it goes on."""

    server: str
    start: float
    end: float | None


class Probes:
    """One round a minute for the servers of each host, at a moment of its own."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.site = fleet.site
        self.world = fleet.world
        self.down: dict[str, float] = {}
        """Servers that did not answer, since when."""
        self.outages: list[Outage] = []
        """Those that are over."""
        self.probes = 0
        self._groups: dict[str, list[TenantServer]] = {}
        for server in fleet.servers:
            self._groups.setdefault(server.host, []).append(server)

    def start(self) -> None:
        """Every server is up; probe from now on."""
        self._tell()
        stream = self.world.streams["tenants/probe"]
        for group, servers in self._groups.items():
            self._later(self.world.now + stream.between(0.0, PROBE_INTERVAL, group), servers)

    def downtime(self, until: float) -> float:
        """Seconds in which servers did not answer, summed over all of them."""
        over = sum(outage.end - outage.start for outage in self.outages if outage.end is not None)
        return over + sum(until - since for since in self.down.values())

    def _later(self, time: float, servers: list[TenantServer]) -> None:
        def probe(_: Event) -> None:
            self._probe(servers)
            self._later(time + PROBE_INTERVAL, servers)

        self.world.clock.at(time, probe)

    def _probe(self, servers: list[TenantServer]) -> None:
        plane, now, down = self.site.dataplane, self.world.now, self.down
        before = len(down)
        self.probes += len(servers)
        entries: dict[str, str | None] = {}
        for server in servers:
            if server.network not in entries:
                entries[server.network] = entry_of(plane, server.network)
            entry = entries[server.network]
            if entry is not None and plane.answers(server.uuid, entry):
                since = down.pop(server.uuid, None)
                if since is not None:
                    self.outages.append(Outage(server.uuid, since, now))
            elif server.uuid not in down:
                down[server.uuid] = now
        if len(down) != before:
            self._tell()

    def _tell(self) -> None:
        bad = len(self.down)
        self.world.slo.standing("availability", len(self.fleet.servers) - bad, bad)


def entry_of(plane: DataPlane, network: str) -> str | None:
    """The machine through which a network is reached from outside: that of its router, where it is up."""
    for name, node in plane.network_nodes.items():
        if node.node.up and node.router_of(network) is not None:
            return name
    return None
