"""Which component wrote a line: by the name of its file, else by the program or the logger that the line names.

Names of files: the services' own (`nova-api.log`), those of distributions and kolla, in a folder a project
(`neutron/server.log`), devstack's units and screens (`n-cpu`, `screen-q-svc.txt`), RabbitMQ's (`rabbit@host.log`),
Ray's session folder (`serve/proxy_….log`), Kubernetes' folders of container logs. Kinds are those of the twin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath

OTHER = "other"
"""The kind of a component that is of none of the known ones."""

_PACKED = re.compile(r"\.(?:gz|xz)$", re.IGNORECASE)
_ROTATED = re.compile(
    r"(?:(?<!\d)\.\d{1,4}|[-._]20\d\d[-._]?\d\d[-._]?\d\d(?:[-_T]?[\d:.-]{2,12})?|\.(?:old|prev|log|out|err|txt|jsonl?))$"
)
"""What logrotate, oslo.log and loggers put at the end of a name."""

_SHORT: dict[str, str] = {
    "n-api": "nova-api", "n-api-meta": "nova-api", "n-cpu": "nova-compute", "n-sch": "nova-scheduler",
    "n-cond": "nova-conductor", "n-super-cond": "nova-conductor", "n-cond-cell1": "nova-conductor",
    "q-svc": "neutron-server", "q-agt": "neutron-openvswitch-agent", "q-dhcp": "neutron-dhcp-agent",
    "q-l3": "neutron-l3-agent", "q-meta": "neutron-metadata-agent", "g-api": "glance-api", "c-api": "cinder-api",
    "c-sch": "cinder-scheduler", "c-vol": "cinder-volume", "key": "keystone", "h-eng": "heat-engine",
}  # fmt: skip
"""devstack's names of services -> the services' own."""

_KINDS: dict[str, str] = {
    **{
        kind: kind
        for kind in (
            "nova-api", "nova-conductor", "nova-scheduler", "nova-compute", "neutron-server",
            "neutron-openvswitch-agent", "neutron-dhcp-agent", "neutron-l3-agent", "neutron-metadata-agent",
            "glance-api", "cinder-api", "cinder-scheduler", "cinder-volume", "heat-engine", "keystone", "placement",
            "libvirt", "memcached", "haproxy", "nginx",
        )
    },
    "nova-placement-api": "placement", "neutron-api": "neutron-server", "neutron-rpc-server": "neutron-server",
    "neutron-agent": "neutron-openvswitch-agent", "neutron-linuxbridge-agent": "neutron-openvswitch-agent",
    "neutron-dhcp": "neutron-dhcp-agent", "neutron-l3": "neutron-l3-agent",
    "neutron-ovn-metadata-agent": "neutron-metadata-agent",
}  # fmt: skip
"""What a component's name begins with -> its kind."""
_FOLDERS = ("mysql", "rabbitmq", "nginx", "haproxy", "libvirt", "memcached")
"""Programs that have a folder of their own under /var/log, whatever their files are called."""
_PROJECTS = ("nova", "neutron", "glance", "cinder", "heat", "keystone", "placement")

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(expression))
    for kind, expression in {
        "mysql": r"(?:mysql|mysqld|mariadb|mariadbd|galera|percona)(?![a-z])",
        "rabbitmq": r"rabbit(?:mq)?(?![a-z])",
        "libvirt": r"(?:libvirtd?|virtqemud|qemu|instance-[0-9a-f]{8})(?![a-z])",
        "volume-backend": r"(?:lvm|ceph|iscsi|tgtd?)(?![a-z])",
        "node": r"(?:kern|kernel|dmesg|syslog|messages|kubelet|node)(?![a-z])",
        "gpu": r"gpu(?![a-z])",
        "nginx": r"(?:access|ingress|nginx)(?![a-z])",
        "model-store": r"(?:model-store|minio)(?![a-z])",
        "ray-head": r"ray-head|raylet|gcs_server|(?:http_)?proxy_|controller_|dashboard|monitor|serve(?![a-z])",
        "vllm": r"(?:vllm|ray-replicas?|ray-worker|replica_|engine)(?![a-z])",
    }.items()
)
"""Kinds whose programs have several names, by how the file's begins."""

_BY_DIALECT: dict[str, str] = {
    "vllm": "vllm", "uvicorn": "vllm", "ray": "ray-head", "ray-core": "ray-head", "nginx-access": "nginx",
    "nginx-error": "nginx", "klog": "node", "kernel": "node", "mysql": "mysql", "mariadb": "mysql",
    "rabbitmq": "rabbitmq", "haproxy": "haproxy", "libvirt": "libvirt",
}  # fmt: skip
_BY_LOGGER: tuple[tuple[str, str], ...] = (
    ("nova.compute", "nova-compute"), ("nova.virt", "nova-compute"), ("nova.conductor", "nova-conductor"),
    ("nova.scheduler.client", ""), ("nova.scheduler", "nova-scheduler"), ("nova.osapi_compute", "nova-api"),
    ("nova.metadata", "nova-api"), ("nova.api", "nova-api"),
    ("neutron.plugins.ml2.drivers.openvswitch.agent", "neutron-openvswitch-agent"),
    ("neutron.agent.dhcp", "neutron-dhcp-agent"), ("neutron.agent.l3", "neutron-l3-agent"),
    ("neutron.agent.metadata", "neutron-metadata-agent"), ("neutron.agent", "neutron-openvswitch-agent"),
    ("neutron.wsgi", "neutron-server"), ("neutron.api", "neutron-server"), ("neutron.plugins", "neutron-server"),
    ("neutron.db", "neutron-server"), ("cinder.scheduler", "cinder-scheduler"), ("cinder.volume", "cinder-volume"),
    ("cinder.api", "cinder-api"), ("glance", "glance-api"), ("keystone.", "keystone"), ("placement", "placement"),
    ("heat", "heat-engine"),
)  # fmt: skip
"""Beginnings of oslo.log's loggers -> the service whose they are; empty for a library of several services."""


def stem(name: str) -> str:
    """A file's name without what compression, rotation and loggers add to it."""
    name = _PACKED.sub("", name)
    while (shorter := _ROTATED.sub("", name)) != name and shorter:
        name = shorter
    return name


def named(path: PurePath) -> tuple[str, str]:
    """The component and its kind, by a path inside the folder of logs; the kind is empty where its name says none."""
    name = stem(path.name)
    parents = [part for part in path.parts[:-1] if part not in ("logs", "log")]
    folder = parents[-1].lower() if parents else ""
    if name.isdigit() or name == "":  # Kubernetes: NAMESPACE_POD_UID/CONTAINER/0.log
        pod = next((part for part in reversed(parents) if part.count("_") == 2), folder or path.name)
        name = pod.split("_")[1] if pod.count("_") == 2 else pod
    elif name.count("_") == 2 and re.search(r"-[0-9a-f]{64}$", name):  # POD_NAMESPACE_CONTAINER-ID.log
        name = name.split("_")[0]
    name = unit(name)
    project = folder.removeprefix("openstack-")
    if project in _PROJECTS and not name.startswith(project):
        name = f"{project}-{name}"
    kind, rest = kind_of(name)
    program = kind_of(folder)[0] if kind_of(folder)[0] in _FOLDERS else ""
    if name in ("access", "error", "access_log", "error_log"):
        kind = program or kind
        name = folder if program else kind or "error"
    elif not kind and program:
        kind, name = program, f"{folder}-{name}"
    if kind and name.lower().startswith("rabbit@"):
        name = f"rabbitmq@{rest.lstrip('@')}"
    return name, kind


def unit(name: str) -> str:
    """The service of a systemd unit, a screen or a syslog tag: devstack's short names become the services' own."""
    name = name.removeprefix("screen-").removeprefix("devstack@").removesuffix(".service").removeprefix("openstack-")
    return _SHORT.get(name, name)


def kind_of(name: str) -> tuple[str, str]:
    """The kind that a component's name begins with, and the rest of the name; empty where it is none."""
    lower = name.lower()
    for program, kind in _KINDS.items():
        if lower.startswith(program) and not lower[len(program) : len(program) + 1].isalpha():
            return kind, name[len(program) :]
    for kind, pattern in _PATTERNS:
        found = pattern.match(lower)
        if found is not None:
            return kind, name[found.end() :]
    return "", name


def host_of(name: str) -> str:
    """The machine that a component's name carries: what follows its `@`."""
    return name.partition("@")[2]


def kind_by(dialect: str, logger: str) -> str:
    """The kind of whoever writes lines of this dialect with this logger; empty where many do."""
    if dialect == "oslo":
        return next((kind for start, kind in _BY_LOGGER if logger.startswith(start)), "")
    if dialect == "serve":
        return "vllm" if logger == "replica" else "ray-head"
    return _BY_DIALECT.get(dialect, "")


def most_voted(votes: Mapping[str, int]) -> str:
    """The kind that most lines speak for; empty where none does."""
    return max(sorted(votes), key=lambda kind: votes[kind]) if votes else ""
