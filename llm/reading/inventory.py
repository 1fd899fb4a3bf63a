"""The topology that logs let infer: the components that were met, and who usually calls whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from llm.reading.components import host_of
from twin.telemetry.window import Node, Topology

CALLS: dict[str, tuple[str, ...]] = {
    "keystone": ("mysql",),
    "placement": ("keystone", "mysql"),
    "glance-api": ("keystone", "mysql"),
    "neutron-server": ("keystone", "mysql", "rabbitmq", "nova-api"),
    "nova-api": ("keystone", "mysql", "rabbitmq", "glance-api", "neutron-server", "placement", "nova-conductor"),
    "nova-conductor": ("mysql", "rabbitmq", "nova-scheduler", "placement", "nova-compute"),
    "nova-scheduler": ("mysql", "rabbitmq", "placement"),
    "nova-compute": ("rabbitmq", "nova-conductor", "neutron-server", "glance-api", "placement"),
    "cinder-api": ("keystone", "mysql", "rabbitmq", "glance-api", "cinder-scheduler"),
    "cinder-scheduler": ("mysql", "rabbitmq", "cinder-volume"),
    "cinder-volume": ("mysql", "rabbitmq", "glance-api", "volume-backend"),
    "heat-engine": ("keystone", "mysql", "rabbitmq", "neutron-server", "nova-api", "cinder-api"),
    "neutron-openvswitch-agent": ("rabbitmq", "neutron-server"),
    "neutron-dhcp-agent": ("rabbitmq", "neutron-server"),
    "neutron-l3-agent": ("rabbitmq", "neutron-server"),
    "neutron-metadata-agent": ("rabbitmq", "neutron-server"),
    "nginx": ("ray-head",),
    "ray-head": ("vllm",),
    "vllm": ("model-store",),
}
"""Kind -> the kinds that it calls: the twin's own clouds and clusters, in which each service calls what it does in the
real ones."""
NODE = "node"
_INFERENCE = frozenset({"nginx", "ray-head", "vllm", "gpu", "model-store", "output-check"})


def inventory(kinds: Mapping[str, str]) -> Topology:
    """Components by name -> kind as a topology, with a machine for each host that a name carries (`kind@host`)."""
    hosts = {host_of(name) for name in kinds if host_of(name)}
    everything = dict(sorted({**dict.fromkeys(hosts, NODE), **kinds}.items()))
    nodes = tuple(Node(name, kind, host_of(name) or None) for name, kind in everything.items())
    return Topology(_cluster(everything.values()), nodes, tuple(_edges(everything)))


def _edges(kinds: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for caller, kind in kinds.items():
        for callee_kind in CALLS.get(kind, ()):
            yield from ((caller, callee) for callee, other in kinds.items() if other == callee_kind)


def _cluster(kinds: Iterable[str]) -> str:
    counts = Counter("inference" if kind in _INFERENCE else "openstack" for kind in kinds if kind != NODE)
    return counts.most_common(1)[0][0] if counts else "openstack"
