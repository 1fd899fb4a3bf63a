"""Processes as Kubernetes would list them: what a Chaos Mesh selector by namespace and labels sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from twin.components import Component
from twin.inference.replica import Replica
from twin.process import Process

NAMESPACES = {"inference": "ray", "openstack": "openstack"}
"""Namespace of a cluster's pods: that of the reference testbed (arXiv 2603.02057), and that of OpenStack-Helm."""


def labels(component: Component) -> dict[str, str]:
    """A pod's labels: Kubernetes' recommended ones, and on replicas those of the reference testbed's RayService."""
    recommended = {
        "app": component.kind,
        "app.kubernetes.io/name": component.kind,
        "app.kubernetes.io/instance": component.name,
    }
    if not isinstance(component, Replica):
        return recommended
    model = component.model.served_name.rpartition("/")[2].lower()
    return {**recommended, "app": component.name, "model.name": model, "ray.io/serve": "true"}


def matching(
    components: Iterable[Component], cluster: str, namespaces: Iterable[str] | None, wanted: Mapping[str, str] | None
) -> list[Component]:
    """The pods in one of the namespaces (None: any) that carry all of the wanted labels (None: any)."""
    if namespaces is not None and NAMESPACES[cluster] not in namespaces:
        return []
    pairs = (wanted or {}).items()
    return [c for c in components if isinstance(c, Process) and pairs <= labels(c).items()]
