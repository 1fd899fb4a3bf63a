"""What exporters need to know of an episode beside what its mechanics need: what programs, machines and servers take,
and what telemetry shows of each condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jax
import numpy as np
from numpy.typing import NDArray

from twin.fast import reach
from twin.fast.background import plans
from twin.mechanics import hypervisor
from twin.mechanics import openstack as facts
from twin.node import Node
from twin.openstack.tenants.capacity import MIB
from twin.process import Process

if TYPE_CHECKING:
    from twin.openstack.cluster import OpenStackCluster
    from twin.openstack.tenants.fleet import TenantServer
    from twin.world import World

SIGNS: Final = (
    "memory",  # bytes of foreign memory, or of a leak, at most
    "growth",  # bytes a second by which that comes; 0 where it comes at once
    "cpu_stress",  # foreign threads that want a core
    "disk_taken",  # bytes of foreign files
    "clock_offset",  # seconds that the clock is off
    "hung",  # the daemon answers nobody
)
"""What telemetry shows of a condition on its component. Each is 0 where it shows nothing."""
SIGN: Final = {name: i for i, name in enumerate(SIGNS)}
TAKES: Final = (
    "processors",
    "memory",  # bytes that are promised to it
    "touched",  # bytes that it holds of its host's
    "cores",  # that it wants
)
"""What a server takes."""
TAKE: Final = {name: i for i, name in enumerate(TAKES)}
_AMOUNTS: Final = {"memory_taken": "memory_growth", "leak_limit": "memory_leak"}
"""How much memory -> the parameter that says how fast."""
_AS_THEY_ARE: Final = {
    "cpu_stress": "cpu_stress", "disk_taken": "disk_taken", "clock_offset": "clock_offset", "libvirt_hang": "hung",
}  # fmt: skip


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Exposed:
    """Of one episode. N components, K conditions."""

    resident: NDArray[np.float32]
    """[N] bytes of memory that each program holds without guests."""
    threads: NDArray[np.float32]
    """[N] that want a core of each program without work."""
    machine: NDArray[np.float32]
    """[N, 2] of machines: bytes of memory, and free bytes of the disk."""
    epoch: NDArray[np.float32]
    """[] Unix time of second 0."""
    server: NDArray[np.float32]
    """[2, 4] `TAKES` of a tenant's server, and of a run's."""
    signs: NDArray[np.float32]
    """[K, M] `SIGNS` of each condition."""
    blind: NDArray[np.bool_]
    """[K, N] whose exporters the monitoring system does not reach while it holds."""


def exposed(world: World, conditions: int, components: int, flavor: facts.Flavor) -> Exposed:
    """The tables of a world that has not lived yet, padded to these numbers; runs' servers are of `flavor`."""
    cluster: OpenStackCluster = world.cluster  # type: ignore[assignment]
    everything = list(world.components.values())
    signs = np.zeros((conditions, len(SIGNS)), np.float32)
    blind = np.zeros((conditions, components), np.bool_)
    carried = [(plan, place, condition) for plan in plans(world) for place, condition in plan.conditions]
    for slot, (plan, place, condition) in enumerate(carried):
        blind[slot, : len(everything)] = reach.blind(world, place, condition)
        if condition.parameter in _AS_THEY_ARE:
            signs[slot, SIGN[_AS_THEY_ARE[condition.parameter]]] = condition.value
        if condition.parameter in _AMOUNTS:
            speed = _AMOUNTS[condition.parameter]
            beside = (c.value for other, c in plan.conditions if other is place and c.parameter == speed)
            signs[slot, SIGN["memory"]], signs[slot, SIGN["growth"]] = condition.value, next(beside, 0.0)
    fleet = cluster.workload.fleet
    tenants = [] if fleet is None else fleet.servers

    def padded(values: Sequence[Any]) -> NDArray[np.float32]:
        found = np.zeros((components, *np.shape(values[0])), np.float32)
        found[: len(values)] = values
        return found

    return Exposed(
        resident=padded([c.resident_memory if isinstance(c, Process) else 0.0 for c in everything]),
        threads=padded([c.runnable_threads if isinstance(c, Process) else 0.0 for c in everything]),
        machine=padded([(c.memory, c.disk_available) if isinstance(c, Node) else (0.0, 0.0) for c in everything]),
        epoch=np.float32(world.epoch),  # type: ignore[arg-type]
        server=np.array([_server(flavor if fleet is None else fleet.flavor, tenants), _server(flavor, ())], np.float32),
        signs=signs,
        blind=blind,
    )


def _server(flavor: facts.Flavor, servers: Sequence[TenantServer]) -> tuple[float, float, float, float]:
    """Of one of a flavor; its cores are the mean of some servers', or an idle one's."""
    memory = flavor.memory_mb * MIB
    touched = memory * facts.RESIDENT_SHARE + hypervisor.START_OVERHEAD
    busy = sum(server.cpu for server in servers) / max(len(servers), 1)
    return flavor.vcpus, memory, touched, min(flavor.vcpus, hypervisor.GUEST_IDLE_CPU + busy)
