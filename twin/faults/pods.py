"""Processes as Kubernetes would list them: what a Chaos Mesh selector by namespace and labels sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from twin.components import Component
from twin.process import Process

NAMESPACES = {"inference": "ray", "openstack": "openstack"}
"""Namespace of a cluster's pods: that of the reference testbed (arXiv 2603.02057), and that of OpenStack-Helm."""


def labels(component: Component) -> dict[str, str]:
    """A pod's labels, after Kubernetes' recommended ones."""
    return {
        "app": component.kind,
        "app.kubernetes.io/name": component.kind,
        "app.kubernetes.io/instance": component.name,
    }


def matching(
    components: Iterable[Component], cluster: str, namespaces: Iterable[str] | None, wanted: Mapping[str, str] | None
) -> list[Component]:
    """The pods in one of the namespaces (None: any) that carry all of the wanted labels (None: any)."""
    if namespaces is not None and NAMESPACES[cluster] not in namespaces:
        return []
    pairs = (wanted or {}).items()
    return [c for c in components if isinstance(c, Process) and pairs <= labels(c).items()]
