"""The control group of a pod's container: its memory limit, its cores, its files, and who else runs in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.mechanics.host import PACKET_BYTES, USER_SHARE, host_slowdown, stressor_bytes
from twin.telemetry.records import Level, LogTemplate, Metric, counter, gauge

if TYPE_CHECKING:
    from twin.inference.replica import Replica

OOM_KILL = LogTemplate(
    "kernel.cgroup_oom",
    "kernel",
    Level.ERROR,
    "kernel",
    "Memory cgroup out of memory: Killed process {} ({}) total-vm:{}kB, anon-rss:{}kB, file-rss:0kB, shmem-rss:0kB, "
    "UID:0 pgtables:{}kB oom_score_adj:{}",
)

METRICS: tuple[Metric, ...] = (
    gauge("container_memory_working_set_bytes", "bytes"),
    counter("container_cpu_usage_seconds_total", "s"),
    counter("container_network_transmit_bytes_total", "bytes"),
    counter("container_network_receive_bytes_total", "bytes", None),
    counter("container_network_transmit_packets_total", "packets", None),
    counter("container_network_receive_packets_total", "packets", None),
    counter("container_cpu_user_seconds_total", "s", None),
    counter("container_cpu_system_seconds_total", "s", None),
    counter("container_cpu_cfs_periods_total", "periods", None),
    counter("container_cpu_cfs_throttled_periods_total", "periods", None),
    counter("container_oom_events_total", "kills", None),
    gauge("container_spec_memory_limit_bytes", "bytes", None),
    gauge("container_threads", "threads", None),
    gauge("container_start_time_seconds", "s", None),
)
"""What cAdvisor exposes of the container."""

CFS_PERIOD = 0.1
"""Seconds of a period of the CPU controller's quota (cpu.cfs_period_us' default)."""

THREADS = 180.0
"""Threads of an engine's processes (assumed: CUDA, gRPC and event loops)."""

IDLE_TRAFFIC = 4e3
"""Bytes a second each way of an engine without requests: health checks and scrapes (assumed)."""

PROMPT_BYTES_PER_TOKEN = 4.5
"""Bytes of a request's text per token (assumed: English)."""

ANSWER_BYTES_PER_TOKEN = 190.0
"""Bytes of a server-sent event with one token (assumed)."""

SERVER_SECONDS_PER_TOKEN = 6.5e-4
"""CPU seconds of the API server per output token, for detokenizing and streaming (assumed: at 300 tokens/s a fifth of a
core, which is its part of an engine's threads)."""

REQUEST_MEMORY = 1.5e6
"""Bytes of host memory that a request holds while it is in the engine (assumed: token ids, detokenizer, buffers of its
stream). Nothing beside the limit, but what lets a working set move."""


class Cgroup:
    """Memory and cores of one pod. Past the memory limit the kernel kills the largest process in it."""

    metrics = METRICS

    def __init__(self, replica: Replica, memory: float, cores: int) -> None:
        self._replica = replica
        self.memory = memory
        self.cores = cores
        replica.core_limit = float(cores)
        self._stressed_since: float | None = None
        self._watched = False
        self.kills = 0
        self._looked = 0.0
        self._busy = 0.0
        self._waiting = False
        self.cpu_seconds = self._periods = self._throttled = 0.0
        """CPU time that all programs in the container have used, as of the last look."""
        self._tokens = 0
        self._pid = 0

    @property
    def working_set(self) -> float:
        """Bytes of memory that the container uses."""
        return self._replica.resident_memory + REQUEST_MEMORY * self._replica.ongoing

    @property
    def stress_memory(self) -> float:
        """Bytes that foreign processes in the container hold."""
        if self._stressed_since is None:
            return 0.0
        elapsed = self._replica.world.now - self._stressed_since
        return stressor_bytes(self._replica.value("memory_taken"), self._replica.value("memory_growth"), elapsed)

    @property
    def slowdown(self) -> float:
        """How many times longer work in the container takes than alone in it."""
        threads = self._replica.runnable_threads
        return host_slowdown(min(1.0, self._replica.resident_memory / self.memory), threads / self.cores)

    def conditions_changed(self) -> None:
        """Memory or cores are taken, or no longer."""
        self._look_at_cores()
        stressed = self._replica.value("memory_taken") > 0
        if stressed and self._stressed_since is None:
            self._stressed_since = self._replica.world.now
            if not self._watched:
                self._look_later()
        elif not stressed:
            self._stressed_since = None

    # --- telemetry --------------------------------------------------------------------------------------------

    def values(self) -> tuple[float, ...]:
        """The values of `metrics` now."""
        self._look_at_cores()
        replica = self._replica
        received, sent = replica.traffic
        return (
            self.working_set,
            self.cpu_seconds,
            sent,
            received,
            sent / PACKET_BYTES,
            received / PACKET_BYTES,
            self.cpu_seconds * USER_SHARE,
            self.cpu_seconds * (1.0 - USER_SHARE),
            self._periods,
            self._throttled,
            self.kills,
            self.memory,
            THREADS + replica.value("cpu_stress"),
            replica.world.epoch + replica.started_at + replica.clock_offset,
        )

    def _look_at_cores(self) -> None:
        """Count up to now with what held since the last look; a new container counts from zero."""
        replica = self._replica
        now = replica.world.now
        if replica.pid != self._pid:
            self._pid = replica.pid
            self.cpu_seconds = self._periods = self._throttled = 0.0
            self._tokens = 0
            self._looked = max(self._looked, replica.started_at)
        elapsed, self._looked = now - self._looked, now
        periods = elapsed / CFS_PERIOD
        tokens = replica.engine.generation_tokens if replica.engine is not None else self._tokens
        streamed, self._tokens = max(0, tokens - self._tokens), tokens
        used = self._busy * elapsed + SERVER_SECONDS_PER_TOKEN * streamed
        self.cpu_seconds += min(used, self.cores * elapsed)
        self._periods += periods
        self._throttled += periods if self._waiting else 0.0
        threads = replica.runnable_threads if replica.up else 0.0
        self._busy = min(float(self.cores), replica.looping_threads if replica.up else 0.0)
        self._waiting = threads > self.cores and self.cores < replica.node.cores

    # --- memory -----------------------------------------------------------------------------------------------

    def _look_later(self) -> None:
        world = self._replica.world
        self._watched = True
        world.clock.at(world.now + 1.0, lambda _: self._look())

    def _look(self) -> None:
        self._watched = False
        if self._stressed_since is None:
            return
        replica = self._replica
        if replica.resident_memory > self.memory and replica.state != "absent":
            self.kill_largest()
        if replica.engine is not None:
            replica.engine.mechanics_changed()
        self._look_later()

    def kill_largest(self) -> None:
        """The largest goes; only a stressor has an adjustment of its own within a pod."""
        replica, stress = self._replica, self.stress_memory
        self.kills += 1
        engine = replica.resident_memory - stress
        if replica.up and engine > stress + replica.value("memory_adjustment") * self.memory:
            self._log(replica.pid, replica.program, engine)
            replica.die("oom")
        else:
            pid = replica.world.streams["pid"].integer(1200, 98000, replica.name, "foreign", self.kills)
            self._log(pid, "stress-ng-vm", stress)
            self._stressed_since = replica.world.now  # stress-ng starts another worker

    def _log(self, pid: int, program: str, resident: float) -> None:
        kilobytes = int(resident / 1024)
        self._replica.node.log(OOM_KILL, pid, program, int(kilobytes * 1.2), kilobytes, kilobytes // 400, 500)
