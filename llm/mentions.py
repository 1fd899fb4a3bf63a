"""Whom a log line speaks of: the symptom is rarely at the culprit, and the line often says where that is.

A component is named by its own name, by that of the machine that it runs on, by the id of its process, or by what
its callers' libraries call it: the default ports of OpenStack's services, their paths, and the exceptions of the
clients of MySQL, RabbitMQ, memcached, libvirt and vLLM's engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from llm.reading.components import kind_of
from twin.telemetry.window import Topology

LOOKED_AT = 2000
"""Characters of a line that are searched."""

SPOKEN_OF: dict[str, re.Pattern[str]] = {
    kind: re.compile(expression)
    for kind, expression in {
        "mysql": r"MySQL|DBConnectionError|pymysql|MariaDB|Galera|WSREP|DBDeadlock|TooManyConnections|:3306\b",
        "rabbitmq": r"AMQP server|[Aa]mqp\.exceptions|kombu|RabbitMQ|rabbitmq|MessageDeliveryFailure|:567[12]\b",
        "keystone": r"keystone(?!auth|middleware)|/v3/auth/tokens|[Ii]dentity (?:server|service)|:5000\b",
        "placement": r"placement|/resource_providers|allocation_candidates|:8778\b",
        "glance-api": r"glance|Glance|/v2/images|:9292\b",
        "neutron-server": r"neutronclient|[Nn]eutron (?:server|API)|/v2\.0/(?:ports|networks)|:9696\b",
        "nova-api": r"os-server-external-events|novaclient|:8774\b",
        "cinder-api": r"cinderclient|:8776\b",
        "nova-conductor": r"nova\.conductor|ConductorAPI|conductor_api",
        "nova-scheduler": r"select_destinations",
        "libvirt": r"libvirt(?:d|Error|\.)|qemu monitor|hypervisor",
        "memcached": r"memcache|:11211\b",
        "volume-backend": r"iscsi|iSCSI|\blv(?:create|remove|s)\b|[Vv]olume group|device-mapper: thin",
        "haproxy": r"haproxy|HAProxy",
        "gpu": r"NVRM: (?:Xid|GPU)|CUDA error|cudaError|uncorrectable ECC|NCCL",
        "vllm": r"EngineCore|EngineDead|VLLMDeployment|[Rr]eplica ",
        "model-store": r"model store|[Ss]afetensors|huggingface|s3://",
        "ray-head": r"\bGCS\b|Serve controller|ServeController",
    }.items()
}
"""Kind -> what lines say that speak of it. Ports are the services' defaults (OpenStack Installation Guide, firewalls
and default ports)."""

LOCAL = frozenset({"gpu", "libvirt"})
"""Kinds that only programs of the same machine speak of without a name."""

_WORD = re.compile(r"[A-Za-z][\w@.-]{1,120}[\w]")
_PID = re.compile(r"\b([a-z][a-z-]{2,40}):(\d{1,10})(?=:|\b)")


class Names:
    """Who is called what. `pids` are the processes whose lines were read: id -> component."""

    def __init__(self, topology: Topology, pids: Mapping[str, str] | None = None) -> None:
        self._pids = dict(pids or {})
        self._called: dict[str, set[str]] = {}
        self._of_kind: dict[str, list[str]] = {}
        self._kind = {node.name: node.kind for node in topology.components}
        places = {node.name: node.place for node in topology.components}
        self._machine = {name: _outermost(name, places) for name in places}
        for node in topology.components:
            self._of_kind.setdefault(node.kind, []).append(node.name)
            for alias in aliases(node.name, node.kind, node.place):
                self._called.setdefault(alias, set()).add(node.name)

    def spoken_of(self, text: str, speaker: str) -> dict[str, float]:
        """The components that a line of `speaker` names, other than itself, with shares that sum to 1 (or none).

        Who is named by name, machine or process comes before kinds that are named by what they are called by clients.
        """
        text = text[:LOOKED_AT]
        named = {self._pids[pid] for _, pid in _PID.findall(text) if pid in self._pids}
        for word in set(_WORD.findall(text)):
            named |= self._called.get(word.rstrip("."), set())
        named.discard(speaker)
        if not named:
            for kind, says in SPOKEN_OF.items():
                if kind in self._of_kind and kind != self._kind.get(speaker) and says.search(text):
                    named.update(self._near(kind, speaker))
        return dict.fromkeys(sorted(named), 1.0 / len(named)) if named else {}

    def _near(self, kind: str, speaker: str) -> list[str]:
        """Those of a kind that a component may speak of: of what belongs to a machine, its own machine's."""
        everything = self._of_kind[kind]
        machine = self._machine.get(speaker)
        own = [name for name in everything if kind in LOCAL and self._machine[name] == machine]
        return own or everything


def _outermost(name: str, places: Mapping[str, str | None]) -> str:
    while (place := places.get(name)) is not None:
        name = place
    return name


def aliases(name: str, kind: str, place: str | None) -> Iterable[str]:
    """What lines call a component: its name, its machine's, and `compute-1` for `nova-compute-1`."""
    yield name
    if place is not None:
        yield place
    known, rest = kind_of(name)
    if known == kind and re.fullmatch(r"-\d{1,6}", rest) and "-" in name.removesuffix(rest):
        yield name.removesuffix(rest).rpartition("-")[2] + rest
