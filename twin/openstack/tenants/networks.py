"""The networks of tenants' servers in neutron's tables: a network, a subnet, a router and a group for each project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.openstack.neutron.tables import Network, NeutronTables, Port, Router, SecurityGroup, Subnet

if TYPE_CHECKING:
    from twin.openstack.site import Site
    from twin.openstack.tenants.fleet import TenantServer

PREFIX = 18
"""Bits of a project's subnet: 16,381 addresses for servers."""


@dataclass(frozen=True, slots=True)
class TenantNetwork:
    """What the servers of one project share. `number` counts the projects."""

    number: int
    id: str
    project: str
    group: str
    router: str


def record_network(site: Site, net: TenantNetwork, machine: str | None) -> None:
    """Insert a project's network, its subnet, its router, and a default group that lets SSH in.

    DHCP agent and L3 agent on `machine` have them, where there are such agents.
    """
    tables, ids = site.neutron.tables, site.world.streams["tenants/network"]
    network = Network(net.id, f"tenant-{net.number}", net.project, tables.next_segment())
    tables.networks[network.id] = network
    low = net.number << (32 - PREFIX)
    base = f"10.{128 + (low >> 16)}.{low >> 8 & 255}"
    subnet = Subnet(ids.uuid(net.number, "subnet"), network.id, net.project, f"{base}.0/{PREFIX}", f"{base}.1")
    tables.subnets[subnet.id] = subnet
    network.subnets.append(subnet.id)
    group = SecurityGroup(net.group, "default", net.project)
    for direction, protocol, port, remote in (
        ("egress", None, None, None),
        ("ingress", None, None, group.id),
        ("ingress", "tcp", 22, None),
    ):
        group.rules.append(
            {
                "id": ids.uuid(net.number, direction, str(protocol)),
                "security_group_id": group.id,
                "project_id": net.project,
                "direction": direction,
                "protocol": protocol,
                "port_range_min": port,
                "port_range_max": port,
                "remote_group_id": remote,
            }
        )
    tables.security_groups[group.id] = group
    tables.default_groups[net.project] = group.id
    router = Router(net.router, f"tenant-{net.number}", net.project, host=machine or "")
    tables.routers[router.id] = router
    for resource in ("network", "subnet", "router", "security_group"):
        tables.count(net.project, resource, 1)
    if machine is not None:
        network.dhcp_agents.append(machine)
        dhcp = _port(site, tables, net, ids.uuid(net.number, "dhcp"), "network:dhcp", f"dhcp-{net.id}", machine)
        interface = _port(
            site, tables, net, ids.uuid(net.number, "interface"), "network:router_interface", router.id, machine
        )
        interface.fixed_ips = [{"subnet_id": subnet.id, "ip_address": subnet.gateway_ip}]
        router.interfaces[subnet.id] = interface.id
        dhcp.fixed_ips = [{"subnet_id": subnet.id, "ip_address": subnet.allocate()}]


def record_port(site: Site, net: TenantNetwork, server: TenantServer) -> None:
    """Insert the port of a server, bound and active."""
    tables = site.neutron.tables
    port = _port(site, tables, net, server.port, "compute:nova", server.uuid, server.host)
    port.security_groups.append(net.group)
    subnet = tables.subnets[tables.networks[net.id].subnets[0]]
    port.fixed_ips = [{"subnet_id": subnet.id, "ip_address": subnet.allocate()}]


def _port(site: Site, tables: NeutronTables, net: TenantNetwork, id: str, owner: str, device: str, host: str) -> Port:
    digits = site.world.streams["tenants/mac"].hexadecimal(6, id)
    mac = f"fa:16:3e:{digits[:2]}:{digits[2:4]}:{digits[4:]}"
    port = Port(id, net.id, net.project, mac, device, owner, "ACTIVE", host, "ovs")
    tables.add_port(port)
    return port
