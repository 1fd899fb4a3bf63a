"""What can be asked for by name: which service has it, and how its client library looks it up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of thing in a cloud: its service, where its API has it, and the operations on it."""

    service: str
    path: str
    show: str
    """The operation that shows one; empty where there is none."""
    argument: str
    """Its argument: the id."""
    list: str


RESOURCES: dict[str, Resource] = {
    "network": Resource("neutron-server", "/v2.0/networks", "networks.show", "network_id", "networks.list"),
    "subnet": Resource("neutron-server", "/v2.0/subnets", "subnets.show", "subnet_id", "subnets.list"),
    "router": Resource("neutron-server", "/v2.0/routers", "routers.show", "router_id", "routers.list"),
    "port": Resource("neutron-server", "/v2.0/ports", "ports.show", "port_id", "ports.list"),
    "security group": Resource(
        "neutron-server", "/v2.0/security-groups", "security_groups.show", "group_id", "security_groups.list"
    ),
    "server": Resource("nova-api", "/v2.1/servers", "servers.show", "server_id", "servers.detail"),
    "flavor": Resource("nova-api", "/v2.1/flavors", "flavors.show", "flavor_id", "flavors.list"),
    "key pair": Resource("nova-api", "/v2.1/os-keypairs", "keypairs.show", "name", "keypairs.list"),
    "volume": Resource("cinder-api", "/v3/volumes", "volumes.show", "volume_id", "volumes.list"),
    "snapshot": Resource("cinder-api", "/v3/snapshots", "snapshots.show", "snapshot_id", "snapshots.list"),
    "image": Resource("glance-api", "/v2/images", "images.show", "image_id", "images.list"),
}
"""By the noun of the `openstack` command."""
