"""The control group of a pod's container: its memory limit, its cores, and who else runs in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.mechanics.host import host_slowdown, stressor_bytes
from twin.telemetry.records import Level, LogTemplate

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


class Cgroup:
    """Memory and cores of one pod. Past the memory limit the kernel kills the largest process in it."""

    def __init__(self, replica: Replica, memory: float, cores: int) -> None:
        self._replica = replica
        self.memory = memory
        self.cores = cores
        self._stressed_since: float | None = None
        self._watched = False
        self._kills = 0

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
        """Memory is taken, or no longer."""
        stressed = self._replica.value("memory_taken") > 0
        if stressed and self._stressed_since is None:
            self._stressed_since = self._replica.world.now
            if not self._watched:
                self._look_later()
        elif not stressed:
            self._stressed_since = None

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
            self._kill_largest()
        if replica.engine is not None:
            replica.engine.mechanics_changed()
        self._look_later()

    def _kill_largest(self) -> None:
        """The largest goes; only a stressor has an adjustment of its own within a pod."""
        replica, stress = self._replica, self.stress_memory
        self._kills += 1
        engine = replica.resident_memory - stress
        if replica.up and engine > stress + replica.value("memory_adjustment") * self.memory:
            self._log(replica.pid, replica.program, engine)
            replica.die("oom")
        else:
            pid = replica.world.streams["pid"].integer(1200, 98000, replica.name, "foreign", self._kills)
            self._log(pid, "stress-ng-vm", stress)
            self._stressed_since = replica.world.now  # stress-ng starts another worker

    def _log(self, pid: int, program: str, resident: float) -> None:
        kilobytes = int(resident / 1024)
        self._replica.node.log(OOM_KILL, pid, program, int(kilobytes * 1.2), kilobytes, kilobytes // 400, 500)
