"""The networks that a cloud begins with: `public`, which leads out, and `private`, which all projects share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.openstack.neutron.tables import Network, Subnet

if TYPE_CHECKING:
    from twin.openstack.site import Site

PUBLIC, PRIVATE = "public", "private"
PUBLIC_CIDR, PRIVATE_CIDR = "172.24.0.0/16", "10.77.0.0/16"
OPERATOR = "00000000000000000000000000000000"
"""Project of whoever set the cloud up."""


def begin(site: Site) -> None:
    """Insert them, with a tunnel between all machines that have a switch."""
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
