"""The networks of tenants' servers in neutron's tables: a network, a subnet, a router and a group for each project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.openstack.infrastructure.openvswitch import BridgePort
from twin.openstack.neutron import networks as provider
from twin.openstack.neutron.agent.dhcp_driver import DHCP_OWNER
from twin.openstack.neutron.agent.dhcp_service import DhcpAgentService
from twin.openstack.neutron.agent.l3_service import L3AgentService
from twin.openstack.neutron.agent.openvswitch_service import OpenvswitchAgent
from twin.openstack.neutron.agent.router_info import RouterState
from twin.openstack.neutron.tables import Network, Port, Router, SecurityGroup, Subnet

if TYPE_CHECKING:
    from twin.openstack.site import Site
    from twin.openstack.tenants.fleet import TenantServer

PREFIX = 18
"""Bits of a project's subnet: 16,381 addresses for servers."""
SUBNETS = 500
"""After so many projects the ranges repeat: nobody sees another's."""


@dataclass(frozen=True, slots=True)
class TenantNetwork:
    """What the servers of one project share. `number` counts the projects."""

    number: int
    id: str
    project: str
    group: str
    router: str


def record_network(site: Site, net: TenantNetwork) -> None:
    """Insert a project's network, its subnet, its router, and a default group that lets SSH in."""
    tables, ids = site.neutron.tables, site.world.streams["tenants/network"]
    network = Network(net.id, f"tenant-{net.number}", net.project, tables.next_segment())
    tables.networks[network.id] = network
    low = net.number % SUBNETS << (32 - PREFIX)
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
    tables.routers[net.router] = Router(net.router, f"tenant-{net.number}", net.project)
    for resource in ("network", "subnet", "router", "security_group"):
        tables.count(net.project, resource, 1)


def serve(site: Site, net: TenantNetwork) -> None:
    """Have the first DHCP agent and the first L3 agent serve a network, as in a cloud that has run for long."""
    components = site.world.components.values()
    dhcp = next((agent for agent in components if isinstance(agent, DhcpAgentService)), None)
    if dhcp is not None:
        provider.serve(site, dhcp, site.neutron.tables.networks[net.id])
        _adopted(site, dhcp.node.name, _dhcp_port(site, net))
    l3 = next((agent for agent in components if isinstance(agent, L3AgentService)), None)
    if l3 is not None:
        _route(site, l3, net)


def _route(site: Site, agent: L3AgentService, net: TenantNetwork) -> None:
    """The router with its interface and its gateway, in the tables and on the agent's machine."""
    tables, ids, host = site.neutron.tables, site.world.streams["tenants/network"], agent.node.name
    router, subnet = tables.routers[net.router], _subnet(site, net)
    public = next(network for network in tables.networks.values() if network.external)
    outside = tables.subnets[public.subnets[0]]
    interface = _port(site, net, ids.uuid(net.number, "interface"), "network:router_interface", router.id, host)
    interface.fixed_ips = [{"subnet_id": subnet.id, "ip_address": subnet.gateway_ip}]
    gateway = _port(site, net, ids.uuid(net.number, "gateway"), "network:router_gateway", router.id, host, public.id)
    gateway.fixed_ips = [{"subnet_id": outside.id, "ip_address": outside.allocate()}]
    router.host, router.external_network_id, router.gateway_port = host, public.id, gateway.id
    router.interfaces[subnet.id] = interface.id
    for port in (interface, gateway):
        agent.switch.plug(port.id)
        _adopted(site, host, port)
    agent.machine.routers[router.id] = {net.id}
    agent.machine.proxies.add(router.id)
    state = RouterState(router.id, {interface.id: interface.show()}, gateway.show())
    agent.agent.router_info[router.id] = state


def know_servers(site: Site, net: TenantNetwork) -> None:
    """The DHCP agent knows all ports of a network, and so does its dnsmasq."""
    tables = site.neutron.tables
    network = tables.networks[net.id]
    ports = tables.ports_of(tables.ports_by_network, net.id)
    for agent in site.world.components.values():
        if isinstance(agent, DhcpAgentService) and agent.node.name in network.dhcp_agents:
            agent.machine.reload_allocations(net.id, {port.id for port in ports})
            subnets = [tables.subnets[id].show() for id in network.subnets]
            agent.agent.cache.put(network.show() | {"subnets": subnets, "ports": {p.id: p.show() for p in ports}})


def wire(site: Site, port: Port) -> None:
    """A port is on its host's bridge, with its flows, and the agent there knows it."""
    plane = site.dataplane
    bridge = plane.switches[port.host].ports
    bridge[port.id] = BridgePort(f"tap{port.id[:11]}", 0.0)
    _adopted(site, port.host, port)


def _adopted(site: Site, host: str, port: Port) -> None:
    """The Open vSwitch agent of a host has wired a port."""
    agent = site.dataplane.agents[host]
    assert isinstance(agent, OpenvswitchAgent)
    vlans = agent.agent.vlan_manager.mapping
    if port.network_id not in vlans:
        vlans[port.network_id] = 1 + max(vlans.values(), default=1)
    agent.agent.adopt(port.show(), vlans[port.network_id])
    agent.switch.wire(port.id, vlans[port.network_id])


def _dhcp_port(site: Site, net: TenantNetwork) -> Port:
    tables = site.neutron.tables
    ports = tables.ports_of(tables.ports_by_network, net.id)
    return next(port for port in ports if port.device_owner == DHCP_OWNER)


def _subnet(site: Site, net: TenantNetwork) -> Subnet:
    return site.neutron.tables.subnets[site.neutron.tables.networks[net.id].subnets[0]]


def record_port(site: Site, net: TenantNetwork, server: TenantServer) -> Port:
    """Insert the port of a server, bound and active."""
    port = _port(site, net, server.port, "compute:nova", server.uuid, server.host)
    port.security_groups.append(net.group)
    subnet = _subnet(site, net)
    port.fixed_ips = [{"subnet_id": subnet.id, "ip_address": subnet.allocate()}]
    return port


def _port(site: Site, net: TenantNetwork, id: str, owner: str, device: str, host: str, network: str = "") -> Port:
    digits = site.world.streams["tenants/mac"].hexadecimal(6, id)
    mac = f"fa:16:3e:{digits[:2]}:{digits[2:4]}:{digits[4:]}"
    port = Port(id, network or net.id, net.project, mac, device, owner, "ACTIVE", host, "ovs")
    site.neutron.tables.add_port(port)
    return port
