"""Which components of a run are one service for a tool, and which machine each service is on.

Tools take what stands before the first underscore of a column for the service. A service of the inference cluster is a
container, as the platform measures it; one of the OpenStack cluster is a process or a machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from twin.telemetry.window import Node, Topology

CONTAINERS = ("nginx", "ray-head", "vllm", "model-store")
"""Kinds of components that are a program in a container."""
IN_POD_OF = {"ray-head-engine": "ray-head"}
"""An engine that shares the container of another component."""
KUBELET = ":10250"
"""What addresses of machines end in, as the study's collector has them from the kubelets: methods tell a machine from a
service by that."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its components, the first of which gave it its name, and the machine and GPUs under them."""

    name: str
    components: tuple[str, ...]
    host: str
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Services:
    """The services of one topology."""

    topology: Topology
    all: tuple[Service, ...]

    @cached_property
    def by_component(self) -> dict[str, str]:
        """The service that a component is part of; machines and devices of the inference cluster are of none."""
        return {component: service.name for service in self.all for component in service.components}

    def affected(self, component: str) -> tuple[str, ...]:
        """The services that have a component: the one it is part of, or those that run on it."""
        own = self.by_component.get(component)
        if own is not None:
            return (own,)
        return tuple(s.name for s in self.all if component == s.host or component in s.gpus)


def services_of(topology: Topology) -> Services:
    """The services of a topology, in its order."""
    nodes = {node.name: node for node in topology.components}
    found: dict[str, list[str]] = {}
    for node in topology.components:
        if topology.cluster == "openstack" or node.kind in CONTAINERS:
            shared = IN_POD_OF.get(node.name, "")
            found.setdefault(shared if shared in nodes else node.name, []).append(node.name)
    devices = _devices(topology)
    return Services(
        topology,
        tuple(
            Service(
                name,
                tuple(sorted(members, key=lambda member: member != name)),
                _host(nodes, name),
                tuple(gpu for member in members for gpu in devices.get(member, ())),
            )
            for name, members in found.items()
        ),
    )


def _host(nodes: dict[str, Node], name: str) -> str:
    """The machine under a component: itself, where it is one."""
    node = nodes[name]
    while node.place is not None:
        node = nodes[node.place]
    return node.name


def _devices(topology: Topology) -> dict[str, tuple[str, ...]]:
    """The GPUs of each engine. An engine is placed on its first one; those after it that have none are its as well."""
    engines = {node.place: node.name for node in topology.components if node.kind == "vllm" and node.place}
    found: dict[str, tuple[str, ...]] = {}
    owner, machine = "", None
    for node in topology.components:
        if node.kind == "gpu":
            owner = engines.get(node.name, owner if node.place == machine else "")
            machine = node.place
            if owner:
                found[owner] = (*found.get(owner, ()), node.name)
    return found
