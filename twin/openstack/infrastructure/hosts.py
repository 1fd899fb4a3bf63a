"""What is under nova, neutron and cinder: a libvirt on each compute host, the data plane, a storage backend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.mechanics.hypervisor import HOSTS
from twin.node import Node
from twin.openstack.infrastructure.dataplane import DataPlane
from twin.openstack.infrastructure.libvirt import Libvirt
from twin.openstack.infrastructure.volumes import VolumeBackend

if TYPE_CHECKING:
    from twin.world import World


@dataclass(frozen=True, slots=True)
class Hosts:
    """What was built: libvirt by compute host, the data plane over all machines, the backend of cinder-volume."""

    libvirts: dict[str, Libvirt]
    dataplane: DataPlane
    volumes: VolumeBackend


def build(
    world: World,
    computes: Iterable[Node],
    network_nodes: Iterable[Node],
    storage: Node,
    profile: str = "cloudlab",
    backend: str = "lvm-0",
) -> Hosts:
    """Components `libvirt@HOST` for each compute host and the volume backend; they are booted by whoever starts the
    cluster. `profile` names the hosts' uncontended times (`twin.mechanics.hypervisor.HOSTS`)."""
    plane = DataPlane()
    libvirts: dict[str, Libvirt] = {}
    for node in computes:
        libvirt = libvirts[node.name] = Libvirt(world, f"libvirt@{node.name}", node, HOSTS[profile], plane)
        plane.add_host(libvirt)
        libvirt.demand = plane.demand
    for node in network_nodes:
        plane.add_network_node(node)
    return Hosts(libvirts, plane, VolumeBackend(world, backend, storage))
