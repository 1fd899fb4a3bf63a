"""Who is who in a cloud: roles of components, where they run, and what may be ordered of which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jax
import numpy as np
from numpy.typing import NDArray

from twin.actions import CATEGORIES
from twin.mechanics import galera, haproxy, hypervisor
from twin.mechanics import openstack as facts
from twin.process import Process, State

if TYPE_CHECKING:
    from twin.openstack.cluster import OpenStackCluster
    from twin.world import World

SINGLE: Final = (
    "keystone", "nova-api", "glance-api", "neutron-server", "placement", "cinder-api", "heat-engine", "nova-conductor",
    "nova-scheduler", "cinder-scheduler", "cinder-volume", "neutron-dhcp-agent", "neutron-l3-agent",
    "neutron-metadata-agent", "memcached", "haproxy", "volume-backend",
)  # fmt: skip
"""Kinds of which there is one."""
GROUPS: Final = ("mysql", "rabbitmq")
"""Kinds that are a cluster of their own."""
HOSTED: Final = ("nova-compute", "libvirt", "neutron-openvswitch-agent")
"""Kinds of which each compute host has one."""
ROLES: Final = (*SINGLE, *GROUPS, *HOSTED, "node")
ROLE: Final[Mapping[str, int]] = {name: i for i, name in enumerate(ROLES)}
NOWHERE: Final = len(ROLES)
"""Role of padding."""
WEB: Final = ("keystone", "nova-api", "glance-api", "neutron-server", "placement", "cinder-api", "heat-engine")
"""Services behind the load balancer."""
MEMBERS: Final = 3
"""Of a group at most."""
SCALED: Final = (*WEB, "nova-conductor")
"""What takes more workers."""
QUEUES: Final = (
    "neutron-server", "nova-conductor", "nova-scheduler", "nova-compute", "cinder-scheduler", "cinder-volume",
    "heat-engine", "neutron-dhcp-agent", "neutron-l3-agent",
)  # fmt: skip
"""What has a queue of its own."""
AMQP: Final = (*QUEUES, "neutron-openvswitch-agent", "neutron-metadata-agent")
"""What needs the broker in order to start."""
STARTUP: Final[Mapping[str, float]] = {
    **facts.STARTUP,
    "mysql": galera.CLEAN_START + galera.CRASH_RECOVERY + galera.IST_CONNECT,
    "haproxy": haproxy.STARTUP,
    "libvirt": hypervisor.LIBVIRT_STARTUP,
}
"""Seconds from a start to running; nothing where a kind is not here."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Components:
    """N components (padded), H compute hosts. Positions are -1 where there is nothing."""

    role: NDArray[np.int32]
    """[N] position in `ROLES`."""
    node: NDArray[np.int32]
    """[N] the machine that a component is on; itself, if it is one."""
    host: NDArray[np.int32]
    """[N] the compute host that it is or belongs to; -1 of others."""
    below: NDArray[np.bool_]
    """[N, N] whether the second is placed on the first."""
    process: NDArray[np.bool_]
    """[N]"""
    running: NDArray[np.bool_]
    """[N] at the beginning."""
    startup: NDArray[np.float32]
    """[N] seconds."""
    delays: NDArray[np.float32]
    """[N, 2] seconds before its supervisor starts it after the first death; how long it takes at most."""
    single: NDArray[np.int32]
    """[G] the component of each role of which there is one."""
    group: NDArray[np.int32]
    """[2, 3] the members of the groups."""
    hosted: NDArray[np.int32]
    """[3, H] the component of each hosted role on each host."""
    machine: NDArray[np.int32]
    """[H] the machine of each host."""
    able: NDArray[np.bool_]
    """[C, N] which actions are ever possible on a component, by its kind."""


def components(world: World, size: int, hosts: int) -> Components:
    """Those of a world."""
    cluster: OpenStackCluster = world.cluster  # type: ignore[assignment]
    site = cluster.site
    everything = list(world.components.values())
    number = {component.name: i for i, component in enumerate(everything)}
    names = list(site.hosts)
    padded: dict[str, Any] = {
        "role": np.full(size, NOWHERE, np.int32),
        "node": np.zeros(size, np.int32),
        "host": np.full(size, -1, np.int32),
        "below": np.zeros((size, size), bool),
        "process": np.zeros(size, bool),
        "running": np.zeros(size, bool),
        "startup": np.zeros(size, np.float32),
        "delays": np.zeros((size, 2), np.float32),
        "single": np.full(len(ROLES), -1, np.int32),
        "group": np.full((len(GROUPS), MEMBERS), -1, np.int32),
        "hosted": np.full((len(HOSTED), hosts), -1, np.int32),
        "machine": np.full(hosts, -1, np.int32),
        "able": np.zeros((len(CATEGORIES), size), bool),
    }
    idle = {component.name for component in cluster._idle}
    for i, component in enumerate(everything):
        kind = component.kind
        machine = component if kind == "node" else world.network.node_of(component)
        padded["role"][i], padded["node"][i] = ROLE[kind], number[machine.name]
        padded["host"][i] = names.index(machine.name) if machine.name in names else -1
        padded["process"][i] = isinstance(component, Process)
        padded["running"][i] = component.name not in idle
        padded["startup"][i] = STARTUP.get(kind, 0.0) * getattr(component, "pace", 1.0)
        quick = hypervisor.SYSTEMD_RESTART if kind == "libvirt" else facts.RESTART_FIRST
        padded["delays"][i] = (quick, quick if kind == "libvirt" else facts.RESTART_LIMIT)
        for resident in component.all_residents():
            padded["below"][i, number[resident.name]] = True
        if kind in SINGLE:
            padded["single"][ROLE[kind]] = i
        elif kind in GROUPS:
            members = padded["group"][GROUPS.index(kind)]
            members[int((members >= 0).sum())] = i
        elif kind in HOSTED and padded["host"][i] >= 0:
            padded["hosted"][HOSTED.index(kind), padded["host"][i]] = i
        for category in _possible(kind, padded["host"][i] >= 0, isinstance(component, Process)):
            padded["able"][CATEGORIES.index(category), i] = True
    padded["machine"][: len(names)] = [number[name] for name in names]
    return Components(**padded)


def absent(world: World) -> int:
    """Hosts without nova-compute."""
    return sum(isinstance(c, Process) and c.state is State.ABSENT for c in world.components.values())


def _possible(kind: str, hosts_guests: bool, process: bool) -> list[str]:
    """What may ever be ordered of a kind."""
    found = ["restart", "recreate", "rollback-config"] if process else []
    if kind == "node":
        found += ["reboot", "power-cycle", "free-disk"]
        found += ["replace", "cordon", "uncordon", "migrate"] if hosts_guests else []
    if kind == "nova-compute":
        found += ["migrate", "evacuate", "live-migrate", "cold-migrate", "rebuild", "hard-reboot"]
    found += ["scale-out"] if kind in (*SCALED, "nova-scheduler") else []
    found += ["purge-queue"] if kind in QUEUES else []
    return found + {
        "nova-compute": ["reset-state", "delete-stuck"],
        "nova-api": ["reset-state", "delete-stuck"],
        "neutron-server": ["delete-stuck"],
        "cinder-volume": ["reset-state", "delete-stuck", "force-detach"],
        "placement": ["heal-allocations"],
        "mysql": ["fail-over-database"],
        "rabbitmq": ["heal-broker"],
        "volume-backend": ["free-disk"],
        "haproxy": ["renew-certificate"],
        "keystone": ["renew-certificate"],
        "glance-api": ["rebuild"],
    }.get(kind, [])
