"""Tenants' servers that have run since before time zero: placed as if each had been built, without building it.

Rows of nova, placement and neutron, switches, dnsmasq and routers, and the guests on their hosts agree with each other
as they would after a build.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.mechanics import openstack as facts
from twin.mechanics.arrivals import DAY, HOUR_FACTORS
from twin.openstack.infrastructure.dataplane import PortPath
from twin.openstack.infrastructure.disk import INSTANCES
from twin.openstack.infrastructure.domains import Domain, DomainState
from twin.openstack.infrastructure.guests import GuestOS
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server
from twin.openstack.tenants.networks import TenantNetwork, know_servers, record_network, record_port, serve, wire
from twin.scenario.workload import Tenants

if TYPE_CHECKING:
    from twin.openstack.infrastructure.libvirt import Libvirt
    from twin.openstack.site import Site

DISK_BYTES = 1.5e9
"""What a server's disk holds beyond its image (assumed)."""
CPU_SPREAD = 0.6
"""Deviation of the logarithm of a server's use of its processors (assumed: most do little, a few much)."""
DIURNAL_STEP = 900.0
"""Seconds between two looks at the time of day."""


@dataclass(slots=True)
class TenantServer:
    """One server: where it was placed, and what its programs want of its processors (cores, mean over a day)."""

    uuid: str
    name: str
    number: int
    user: str
    project: str
    network: str
    port: str
    host: str
    cpu: float
    noisy: bool


class Fleet:
    """The servers, and the load that they are."""

    def __init__(self, site: Site, tenants: Tenants, hosts: Sequence[str]) -> None:
        self.site = site
        self.world = site.world
        self.tenants = tenants
        self.flavor = facts.FLAVORS[tenants.flavor]
        self.servers: list[TenantServer] = self._planned(hosts)

    def _planned(self, hosts: Sequence[str]) -> list[TenantServer]:
        """Who is where: hosts in turn, projects in turn."""
        streams, tenants = self.world.streams, self.tenants
        ids, users, load = streams["tenants/server"], streams["tenants/user"], streams["tenants/load"]
        owners = [
            (users.hexadecimal(32, i, "user"), users.hexadecimal(32, i, "project"), ids.uuid(i, "network"))
            for i in range(tenants.projects)
        ]
        median = tenants.cpu * self.flavor.vcpus / MEAN_OVER_MEDIAN
        servers = []
        for number in range(tenants.servers):
            user, project, network = owners[number % tenants.projects]
            noisy = load.uniform(number, "noisy") < tenants.noisy
            cpu = min(float(self.flavor.vcpus), load.lognormal(median, CPU_SPREAD, number))
            servers.append(
                TenantServer(
                    ids.uuid(number),
                    f"tenant-{number}",
                    number,
                    user,
                    project,
                    network,
                    ids.uuid(number, "port"),
                    hosts[number % len(hosts)],
                    float(self.flavor.vcpus) if noisy else cpu,
                    noisy,
                )
            )
        return servers

    # --- under nova and neutron ----------------------------------------------------------------------------------

    def place(self) -> None:
        """Let every guest run, wired and with its address, on its host."""
        networks = self._networks()
        factor = self._factor(0.0)
        for server in self.servers:
            self._record(server, networks[server.project])
            self._run(server, factor)
        for net in networks.values():
            know_servers(self.site, net)

    def _networks(self) -> dict[str, TenantNetwork]:
        """The network of each project, with DHCP and a router; by project."""
        ids = self.world.streams["tenants/network"]
        networks: dict[str, TenantNetwork] = {}
        for server in self.servers:
            if server.project in networks:
                continue
            number = len(networks)
            group, router = ids.uuid(number, "group"), ids.uuid(number, "router")
            net = networks[server.project] = TenantNetwork(number, server.network, server.project, group, router)
            record_network(self.site, net)
            serve(self.site, net)
        return networks

    def _record(self, server: TenantServer, net: TenantNetwork) -> None:
        """Insert a server's rows: nova's, placement's and neutron's."""
        tables = self.site.tables
        row = Server(
            server.uuid,
            server.name,
            server.user,
            server.project,
            self.flavor,
            self.site.image,
            0.0,
            "active",
            None,
            server.host,
            [server.port],
            [server.port],
            launched=0.0,
        )
        tables.add(row)
        tables.allocate(server.uuid, server.host, self.flavor)
        port = record_port(self.site, net, server)
        self.site.dataplane.bind(port.id, PortPath(server.uuid, net.id, server.host))
        wire(self.site, port)

    def _run(self, server: TenantServer, factor: float) -> None:
        libvirt, flavor = self.site.libvirts[server.host], self.flavor
        guest = GuestOS(self.world, server.uuid, libvirt.cores, libvirt.network, server.port)
        guest.settle()
        domain = Domain(
            server.uuid,
            f"instance-{server.number + 1:08x}",
            flavor.memory_mb * 2.0**20,
            flavor.vcpus,
            (server.port,),
            server.project,
            guest,
            self.tenants.memory,
        )
        domain.pid = libvirt.next_pid(server.uuid)
        domain.demand_cpu = self._wants(server, factor)
        domain.demand_streams = float(server.noisy)
        self.site.dataplane.demand[server.uuid] = domain.demand_cpu
        libvirt.domains[server.uuid] = domain
        disk, image = libvirt.disk, self.site.image
        if not disk.has_base(image):
            disk.allocate(disk.base_path(image), facts.IMAGE_BYTES)
            disk.base_files[image] = 0.0
        disk.allocate(f"{INSTANCES}/{server.uuid}/disk", DISK_BYTES)
        libvirt.enter(domain, DomainState.RUNNING)

    # --- the load over the day -----------------------------------------------------------------------------------

    def live(self) -> Steps:
        """Follow the hours of the day, where the pattern says so."""
        if self.tenants.pattern == "constant":
            return
        before = self._factor(0.0)
        while True:
            yield self.world.clock.timeout(DIURNAL_STEP)
            factor = self._factor(self.world.now)
            if factor == before:
                continue
            before = factor
            for server in self.servers:
                found = self._find(server.uuid)
                if found is not None and not server.noisy:
                    libvirt, domain = found
                    wanted = self.site.dataplane.demand[server.uuid] = self._wants(server, factor)
                    if server.uuid not in libvirt.noise.loud:
                        domain.demand_cpu = wanted
                        libvirt.reload(domain)

    def _find(self, uuid: str) -> tuple[Libvirt, Domain] | None:
        """A server's domain where it is now."""
        plane = self.site.dataplane
        port = next(iter(plane.by_server.get(uuid, ())), None)
        libvirt = self.site.libvirts.get(plane.ports[port].host) if port is not None else None
        domain = libvirt.domains.get(uuid) if libvirt is not None else None
        return (libvirt, domain) if libvirt is not None and domain is not None else None

    def _wants(self, server: TenantServer, factor: float) -> float:
        return server.cpu if server.noisy else min(float(self.flavor.vcpus), server.cpu * factor)

    def _factor(self, now: float) -> float:
        if self.tenants.pattern == "constant":
            return 1.0
        hour = int((self.tenants.start + now) % DAY // 3600.0)
        return HOUR_FACTORS[hour] / (sum(HOUR_FACTORS) / len(HOUR_FACTORS))


MEAN_OVER_MEDIAN = 2.718281828459045 ** (CPU_SPREAD**2 / 2)
"""Of a lognormal variate."""
