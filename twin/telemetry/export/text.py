"""A run's log files where its services would have left them: a folder a machine, below it what is under /var/log.

    controller-0/nova/nova-api.log          compute-1/libvirt/libvirtd.log    node-1/kern.log
    controller-0/rabbitmq/rabbit@controller-0.log                             node-0/ray/ray-replicas-0/vllm.log

The names are those of Debian's packages; a pod of Ray has a folder of its own, as it has its own session of Ray. A
program that writes several files is told apart by how its lines begin.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from typing import IO

from twin.telemetry.export.machines import machines
from twin.telemetry.folder import TelemetryFolder

OPEN = 64
"""Files that are open at once."""

_OSLO = re.compile(r"(?P<project>nova|neutron|cinder|glance|heat|keystone|placement)(?:-|$)")
_DATED = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"
_BY_LINE: dict[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    "nginx": ((re.compile(r"\d{4}/\d\d/\d\d "), "nginx/error.log"), (re.compile(""), "nginx/access.log")),
    "node": ((re.compile(r"[IWEF]\d{4} "), "kubelet.log"), (re.compile(""), "kern.log")),
    "gpu": ((re.compile(""), "kern.log"),),
    "vllm": (
        (re.compile(rf"[A-Z]+ {_DATED},\d+ "), "ray/{name}/serve/replica_llm_VLLMDeployment.log"),
        (re.compile(r"[IWEF]\d{4} "), "kubelet.log"),
        (re.compile(""), "ray/{name}/vllm.log"),
    ),
    "ray-head": (
        (re.compile(rf"[A-Z]+ {_DATED},\d+ proxy "), "ray/{name}/serve/proxy_{host}.log"),
        (re.compile(rf"[A-Z]+ {_DATED},\d+ "), "ray/{name}/serve/controller_1.log"),
        (re.compile(r"[IWEF]\d{4} "), "kubelet.log"),
        (re.compile(""), "ray/{name}/gcs_server.log"),
    ),
    "libvirt": (
        (re.compile(rf"{_DATED}\.\d+\+0000: \d+: "), "libvirt/libvirtd.log"),
        (re.compile(""), "libvirt/qemu/instances.log"),
    ),
    "mysql": ((re.compile(""), "mysql/error.log"),),
    "rabbitmq": ((re.compile(""), "rabbitmq/rabbit@{host}.log"),),
    "haproxy": ((re.compile(""), "haproxy.log"),),
    "memcached": ((re.compile(""), "memcached.log"),),
    "placement": ((re.compile(""), "placement/placement-api.log"),),
    "model-store": ((re.compile(""), "minio.log"),),
}
"""By kind of component: how a line begins -> the file that it is in, the first that fits."""


def file_of(kind: str, name: str, host: str, line: str) -> PurePosixPath:
    """Where a line of a component is, relative to the machine's /var/log."""
    for pattern, path in _BY_LINE.get(kind, ()):
        if pattern.match(line):
            return PurePosixPath(path.format(name=name, host=host))
    project = _OSLO.match(kind)
    return PurePosixPath(f"{project['project']}/{kind}.log" if project else f"{kind}.log")


def write(folder: TelemetryFolder, out: Path) -> None:
    """Write the files. Raises FolderError where the folder cannot be read."""
    hosts = machines(folder.topology)
    kinds = {node.name: node.kind for node in folder.topology.components}
    begun: set[Path] = set()
    files: OrderedDict[Path, IO[str]] = OrderedDict()
    try:
        for line in folder.each_line():
            kind, host = kinds.get(line.component, "other"), hosts.get(line.component, "elsewhere")
            path = out / host / file_of(kind, line.component, host, line.text)
            if path not in files:
                if path not in begun:
                    path.parent.mkdir(parents=True, exist_ok=True)
                files[path] = path.open("a" if path in begun else "w", encoding="utf-8", newline="")
                begun.add(path)
                if len(files) > OPEN:
                    files.popitem(last=False)[1].close()
            files.move_to_end(path)
            files[path].write(line.text + "\n")
    finally:
        for file in files.values():
            file.close()
