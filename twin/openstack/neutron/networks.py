"""The networks that a cloud begins with: `public`, which leads out, and `private`, which all projects share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.openstack.neutron.agent.dhcp_driver import DHCP_OWNER
from twin.openstack.neutron.tables import Network, Port, Subnet

if TYPE_CHECKING:
    from twin.openstack.neutron.agent.dhcp_service import DhcpAgentService
    from twin.openstack.site import Site

PUBLIC, PRIVATE = "public", "private"
PUBLIC_CIDR, PRIVATE_CIDR = "172.24.0.0/16", "10.77.0.0/16"
OPERATOR = "00000000000000000000000000000000"
"""Project of whoever set the cloud up."""


def begin(site: Site) -> None:
    """Insert them; the private one is served by the DHCP agent, as in a cloud that has run for long."""
    tables, uuids = site.neutron.tables, site.world.streams["openstack/network"]
    for name, cidr in ((PUBLIC, PUBLIC_CIDR), (PRIVATE, PRIVATE_CIDR)):
        network = Network(uuids.uuid(name), name, OPERATOR, tables.next_segment(), name == PUBLIC)
        gateway = f"{cidr.rpartition('/')[0].rpartition('.')[0]}.1"
        subnet = Subnet(uuids.uuid(name, "subnet"), network.id, OPERATOR, cidr, gateway, name != PUBLIC)
        tables.networks[network.id], tables.subnets[subnet.id] = network, subnet
        network.subnets.append(subnet.id)
    switches = site.dataplane.switches
    for name, switch in switches.items():
        switch.tunnels.update(other for other in switches if other != name)


def serve(site: Site, agent: DhcpAgentService, network: Network) -> None:
    """Have a DHCP agent serve a network from the beginning."""
    tables, host = site.neutron.tables, agent.node.name
    uuid = site.world.streams["openstack/network"].uuid(network.id, "dhcp", host)
    subnet = tables.subnets[network.subnets[0]]
    address = {"subnet_id": subnet.id, "ip_address": subnet.allocate()}
    device = f"dhcp-{host}-{network.id}"
    port = Port(uuid, network.id, OPERATOR, "fa:16:3e:00:00:02", device, DHCP_OWNER, "ACTIVE", host, "ovs", [address])
    tables.add_port(port)
    network.dhcp_agents.append(host)
    agent.switch.plug(port.id)
    agent.switch.wire(port.id, 1)
    agent.machine.interfaces[network.id] = port.id
    agent.machine.start_dnsmasq(agent, network.id)
    agent.machine.reload_allocations(network.id, {port.id})
    agent.machine.proxies.add(network.id)
    subnets = [tables.subnets[id].show() for id in network.subnets]
    agent.agent.cache.put(network.show() | {"subnets": subnets, "ports": {port.id: port.show()}})
