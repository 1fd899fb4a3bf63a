"""What an operator knows of the compute hosts before any order: the inventory, and the last answers of the APIs.

Orders are judged by it, never by the tables themselves: it is taken whenever telemetry is scraped, and is older where
nova-api did not answer (invariants: oracle boundary, signal freshness).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.mechanics import openstack as facts
from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site

if TYPE_CHECKING:
    from twin.openstack.tables import ServiceRow

SMALLEST_MB = min(flavor.memory_mb for flavor in facts.FLAVORS.values())
"""Memory of the smallest server."""


@dataclass(frozen=True, slots=True)
class HostSeen:
    """What nova's API said of one compute host: `openstack hypervisor list`, `compute service list`, `server list`."""

    servers: int
    broken: bool
    """Whether a server on it was in ERROR."""
    enabled: bool
    forced_down: bool
    takes_more: bool
    """Whether it was up and enabled, and had room for the smallest server."""


class Inventory:
    """The compute hosts as they were last seen."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.world = site.world
        self.hosts: Mapping[str, HostSeen] = {}
        """By host, those that nova knows."""
        self._silent: frozenset[str] = frozenset()

    def follow(self) -> Steps:
        """Look whenever telemetry is scraped."""
        while True:
            yield self.world.clock.timeout(self.world.spec.telemetry.scrape)
            self.look()

    def look(self) -> None:
        """Ask nova and the machines' exporters; what does not answer is known as it was before."""
        site = self.site
        self._silent = frozenset(host for host, compute in site.computes.items() if not compute.node.reachable)
        if not site.answers_queries():
            return
        broken = {server.host for server in site.tables.servers.values() if server.vm_state == "error"}
        rows = {host: site.tables.services.get(compute.name) for host, compute in site.computes.items()}
        self.hosts = {host: self._seen(host, row, broken) for host, row in rows.items() if row is not None}

    def _seen(self, host: str, row: ServiceRow, broken: set[str | None]) -> HostSeen:
        site = self.site
        enabled = not row.disabled
        up = enabled and site.heard_from(site.computes[host].name)
        return HostSeen(
            site.tables.count_on(host),
            host in broken,
            enabled,
            row.forced_down,
            up and host in site.tables.providers and site.tables.free(host)[1] >= SMALLEST_MB,
        )

    # --- what follows from it -----------------------------------------------------------------------------------

    def servers_on(self, host: str) -> int:
        """How many servers were on a host."""
        seen = self.hosts.get(host)
        return seen.servers if seen is not None else 0

    def answered(self, host: str) -> bool:
        """Whether the machine's exporter answered."""
        return host not in self._silent

    def room_besides(self, host: str) -> bool:
        """Whether another host had room for a server."""
        return any(seen.takes_more for other, seen in self.hosts.items() if other != host)
