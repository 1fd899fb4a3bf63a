"""What node_exporter exposes of a machine (names of node_exporter 1.8), and the integrals behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.mechanics.host import (
    IDLE_BYTES_PER_SECOND,
    MAJOR_FAULTS_PER_SECOND,
    PACKET_BYTES,
    USER_SHARE,
    thrashing,
)
from twin.telemetry.records import Metric, counter, gauge

if TYPE_CHECKING:
    from twin.node import Node
    from twin.process import Process

METRICS: tuple[Metric, ...] = (
    gauge("node_memory_MemTotal_bytes", "bytes"),
    gauge("node_memory_MemAvailable_bytes", "bytes"),
    gauge("node_load1", "threads"),
    counter("node_vmstat_oom_kill", "kills"),
    gauge("node_boot_time_seconds", "s"),
    gauge('node_filesystem_avail_bytes{mountpoint="/"}', "bytes", "serving"),
    counter("node_netstat_Tcp_RetransSegs", "segments", "serving"),
    gauge("node_timex_offset_seconds", "s", "enriched"),
    counter('node_network_transmit_bytes_total{device="eth0"}', "bytes"),
    counter('node_network_receive_bytes_total{device="eth0"}', "bytes", None),
    counter('node_network_transmit_packets_total{device="eth0"}', "packets", None),
    counter('node_network_receive_packets_total{device="eth0"}', "packets", None),
    counter('node_cpu_seconds_total{mode="user"}', "s", None),
    counter('node_cpu_seconds_total{mode="system"}', "s", None),
    counter('node_cpu_seconds_total{mode="iowait"}', "s", None),
    counter('node_cpu_seconds_total{mode="idle"}', "s", None),
    counter("node_pressure_cpu_waiting_seconds_total", "s", None),
    counter("node_pressure_memory_waiting_seconds_total", "s", None),
    gauge("node_memory_MemFree_bytes", "bytes", None),
    gauge("node_memory_Cached_bytes", "bytes", None),
    counter("node_vmstat_pgmajfault", "faults", None),
    gauge('node_filesystem_size_bytes{mountpoint="/"}', "bytes", None),
    gauge('node_filesystem_free_bytes{mountpoint="/"}', "bytes", None),
    counter('node_disk_read_bytes_total{device="nvme0n1"}', "bytes", None),
    counter('node_disk_io_time_seconds_total{device="nvme0n1"}', "s", None),
    gauge("node_timex_sync_status", "bool", None),
    gauge("node_time_seconds", "s", None),
)
"""CPU seconds are summed over the cores, file systems and devices are those that matter."""

CACHED_FILES = 0.6
"""Share of the memory that programs leave which holds file pages (assumed; a node that has loaded weights)."""

FAULT_BYTES = 4096.0


class NodeExporter:
    """Counts from the boot on, from one look to the next; what held at the last look held until this one."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._looked = node.world.now
        self._busy = self._waiting = self._thrashing = 0.0
        self._user = self._system = self._iowait = self._idle = 0.0
        self._cpu_pressure = self._memory_pressure = 0.0
        self._faults = 0.0
        self._read = self._io_seconds = 0.0
        self._received = self._sent = 0.0
        self._seen: dict[Process, tuple[float, float]] = {}

    def read(self, size: float, seconds: float) -> None:
        """`size` bytes were read from the disk, which was busy for `seconds`."""
        self._read += size
        self._io_seconds += seconds

    def look(self) -> None:
        """Count up to now."""
        node = self._node
        now = node.world.now
        elapsed, self._looked = now - self._looked, now
        if elapsed > 0:
            stalled = self._thrashing * min(self._busy, node.cores)
            working = self._busy - stalled
            self._user += working * USER_SHARE * elapsed
            self._system += working * (1.0 - USER_SHARE) * elapsed
            self._iowait += stalled * elapsed
            self._idle += (node.cores - self._busy) * elapsed
            self._cpu_pressure += elapsed * (1.0 if self._waiting else 0.0)
            self._memory_pressure += self._thrashing * elapsed
            faults = self._thrashing * MAJOR_FAULTS_PER_SECOND * elapsed
            self._faults += faults
            self.read(faults * FAULT_BYTES, self._thrashing * elapsed)
            self._received += IDLE_BYTES_PER_SECOND * elapsed
            self._sent += IDLE_BYTES_PER_SECOND * elapsed
        for process in node.processes():
            received, sent = process.traffic
            before = self._seen.get(process, (0.0, 0.0))
            self._received += received - before[0] if received >= before[0] else received
            self._sent += sent - before[1] if sent >= before[1] else sent
            self._seen[process] = (received, sent)
        runnable = node.runnable
        self._busy = min(float(node.cores), runnable)
        self._waiting = max(0.0, runnable - node.cores)
        self._thrashing = thrashing(node.memory_used / node.memory)

    def values(self) -> tuple[float, ...]:
        """The values of `METRICS`."""
        self.look()
        node = self._node
        world = node.world
        free = max(0.0, node.memory - node.memory_used)
        return (
            node.memory,
            free,
            node.runnable,
            node.oom_kills,
            world.epoch + node.booted + node.clock_offset,
            node.disk_available,
            world.network.retransmitted.get(node.name, 0),
            node.clock_offset,
            self._sent,
            self._received,
            self._sent / PACKET_BYTES,
            self._received / PACKET_BYTES,
            self._user,
            self._system,
            self._iowait,
            self._idle,
            self._cpu_pressure,
            self._memory_pressure,
            free * (1.0 - CACHED_FILES),
            free * CACHED_FILES,
            self._faults,
            node.disk_size,
            node.disk_available,
            self._read,
            self._io_seconds,
            float(node.clock_offset == 0.0),
            world.epoch + world.now + node.clock_offset,
        )
