"""What may be ordered, judged from an inventory alone: for clusters that we only read the telemetry of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.actions import CATEGORIES
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Service
from twin.openstack.oslo.wsgi import ApiService
from twin.process import Process
from twin.telemetry.features import KINDS
from twin.telemetry.window import Topology

PROCESSES = frozenset(name for name, kind in KINDS.items() if issubclass(kind, Process))
SERVICES = frozenset(name for name, kind in KINDS.items() if issubclass(kind, Service))
"""OpenStack's services, and what they lean on."""
APIS = frozenset(name for name, kind in KINDS.items() if issubclass(kind, ApiService))

TARGET_KINDS: dict[str, frozenset[str]] = {
    "noop": frozenset(),
    "restart": PROCESSES,
    "recreate": PROCESSES,
    "restore-power-limit": frozenset({"gpu"}),
    "reset-gpu": frozenset({"gpu"}),
    "reboot": frozenset({"node"}),
    "power-cycle": frozenset({"node"}),
    "replace": frozenset({"node", "gpu"}),
    "cordon": frozenset({"node"}),
    "uncordon": frozenset({"node"}),
    "drain": frozenset({"node"}),
    "migrate": frozenset({"vllm", "nova-compute"}),
    "scale-out": frozenset({"ray-head", "nova-conductor", "nova-scheduler", *APIS}),
    "scale-in": frozenset({"vllm"}),
    "shed-load": frozenset({"nginx"}),
    "route-around": frozenset({"vllm"}),
    "limit-kv": frozenset({"vllm"}),
    "rollback-config": PROCESSES,
    "fail-over-head": frozenset({"ray-head"}),
    "evacuate": frozenset({"nova-compute"}),
    "live-migrate": frozenset({"nova-compute"}),
    "cold-migrate": frozenset({"nova-compute"}),
    "rebuild": frozenset({"nova-compute", "glance-api"}),
    "hard-reboot": frozenset({"nova-compute"}),
    "reset-state": frozenset({"nova-compute", "nova-api", "cinder-volume"}),
    "force-detach": frozenset({"cinder-volume"}),
    "delete-stuck": frozenset({"nova-compute", "nova-api", "neutron-server", "cinder-volume"}),
    "heal-allocations": frozenset({"placement"}),
    "fail-over-database": frozenset({"mysql"}),
    "purge-queue": frozenset(name for name, kind in KINDS.items() if issubclass(kind, AmqpService)),
    "heal-broker": frozenset({"rabbitmq"}),
    "free-disk": frozenset({"node", "volume-backend"}),
    "renew-certificate": frozenset({"haproxy", *APIS}),
}
"""Component kinds that each action can be ordered on. Whether there is room to move to is the operator's to know."""

ELSEWHERE: dict[str, frozenset[str]] = {
    "inference": frozenset({"free-disk"}),
    "openstack": frozenset({"drain"}),
}
"""Actions that fit a component's kind and yet do not exist in a cluster of that sort."""


def legal_by_kind(topology: Topology) -> NDArray[np.int8]:
    """[C, number of components] for `twin.spaces.Layout.masks`: 1 where the action fits the component's kind."""
    kinds = [node.kind for node in topology.components]
    absent = ELSEWHERE.get(topology.cluster, frozenset())
    fits = [[category not in absent and kind in TARGET_KINDS[category] for kind in kinds] for category in CATEGORIES]
    return np.array(fits, np.int8)
