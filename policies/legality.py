"""What may be ordered, judged from an inventory alone: for clusters that we only read the telemetry of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.actions import CATEGORIES
from twin.process import Process
from twin.telemetry.features import KINDS
from twin.telemetry.window import Topology

PROCESSES = frozenset(name for name, kind in KINDS.items() if issubclass(kind, Process))

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
    "scale-out": frozenset({"ray-head", "nova-api", "nova-conductor", "nova-scheduler"}),
    "scale-in": frozenset({"vllm"}),
    "shed-load": frozenset({"nginx"}),
    "route-around": frozenset({"vllm"}),
    "limit-kv": frozenset({"vllm"}),
    "rollback-config": PROCESSES,
    "fail-over-head": frozenset({"ray-head"}),
}
"""Component kinds that each action can be ordered on. Whether there is room to move to is the operator's to know."""


def legal_by_kind(topology: Topology) -> NDArray[np.int8]:
    """[C, number of components] for `twin.spaces.Layout.masks`: 1 where the action fits the component's kind."""
    kinds = [node.kind for node in topology.components]
    return np.array([[kind in TARGET_KINDS[category] for kind in kinds] for category in CATEGORIES], np.int8)
