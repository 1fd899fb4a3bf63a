"""What Ray's dashboard agent exposes of its node, which is a pod here: cores, memory, network and GPUs.

Names and units: ray-project/ray, python/ray/dashboard/modules/reporter/reporter_agent.py; GPU memory is in MiB there.
GPUs are numbered as the pod sees them. The agent's labels `ip`, `SessionName` and `Version` are the same for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.telemetry.records import Metric, gauge

if TYPE_CHECKING:
    from twin.inference.replica import Replica

MEBIBYTE = 2.0**20


def metrics(gpus: int) -> tuple[Metric, ...]:
    """The metrics of a pod with so many GPUs."""
    each = ("ray_node_gpus_utilization", "%"), ("ray_node_gram_used", "MiB"), ("ray_node_gram_available", "MiB")
    return (
        gauge("ray_node_cpu_utilization", "%", None),
        gauge("ray_node_cpu_count", "cores", None),
        gauge("ray_node_mem_used", "bytes", None),
        gauge("ray_node_mem_total", "bytes", None),
        gauge("ray_node_network_receive_speed", "bytes/s", None),
        gauge("ray_node_network_send_speed", "bytes/s", None),
        *(gauge(f'{name}{{GpuIndex="{i}"}}', unit, None) for i in range(gpus) for name, unit in each),
    )


class RayNode:
    """Speeds and utilisation are means since the last look."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self.metrics = metrics(len(replica.gpus))
        self._seen = (0, 0.0, 0.0, 0.0, 0.0)
        """Process id, time, CPU seconds, bytes received and sent at the last look."""

    def values(self) -> tuple[float, ...]:
        """The values of `metrics`; call it after the control group's, whose counts it reads."""
        replica = self._replica
        now, cpu = replica.world.now, replica.cgroup.cpu_seconds
        received, sent = replica.traffic
        pid, looked, *counted = self._seen
        if pid != replica.pid or looked >= now:
            looked, counted = replica.started_at, [0.0, 0.0, 0.0]
        self._seen = (replica.pid, now, cpu, received, sent)
        elapsed = max(now - looked, 1e-9)
        busy, receiving, sending = ((a - b) / elapsed for a, b in zip((cpu, received, sent), counted, strict=True))
        devices: list[float] = []
        for gpu in replica.gpus:
            utilization, total = gpu.utilization, gpu.model.memory / MEBIBYTE
            used = gpu.memory_used / MEBIBYTE if utilization == utilization else utilization
            devices += (utilization, used, total - used)
        cores = replica.cgroup.cores
        memory = min(replica.cgroup.working_set, replica.cgroup.memory)
        return (100.0 * busy / cores, cores, memory, replica.cgroup.memory, receiving, sending, *devices)
