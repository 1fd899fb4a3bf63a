"""A node: the machine that processes and devices are placed on. Both clusters use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twin.components import Component
from twin.mechanics.host import host_slowdown, stressor_bytes
from twin.mechanics.layers import Layer
from twin.process import Process
from twin.telemetry.records import Level, LogTemplate, counter, gauge

if TYPE_CHECKING:
    from twin.world import World

OOM_KILL = LogTemplate(
    "kernel.oom",
    "kernel",
    Level.ERROR,
    "kernel",
    "Out of memory: Killed process {} ({}) total-vm:{}kB, anon-rss:{}kB, file-rss:0kB, shmem-rss:0kB, UID:0 "
    "pgtables:{}kB oom_score_adj:{}",
)
BOOTED = LogTemplate(
    "kernel.boot", "kernel", Level.INFO, "kernel", "Linux version 5.15.0-119-generic (buildd@lcy02) #129-Ubuntu SMP"
)

KERNEL_RESERVE = 1.0e9
"""Bytes that the kernel and the node's own daemons hold."""

POD_OOM_ADJUSTMENT = 0.5
"""oom_score_adj / 1000 of a Burstable pod that requests half of the node's memory: 1000 - 1000 x request / capacity
(Kubernetes, "Node-pressure eviction", node out of memory behaviour)."""


class Node(Component):
    """A server with cores and memory.

    Foreign memory (`memory_taken`, growing at `memory_growth`) leaves less for everyone: near the end of memory the
    page cache goes and all host work slows (`slowdown`); past it the kernel kills a process.
    """

    kind = "node"
    layers = frozenset({Layer.OS, Layer.NETWORK, Layer.PROCESS})
    metrics = (
        gauge("node_memory_MemTotal_bytes", "bytes"),
        gauge("node_memory_MemAvailable_bytes", "bytes"),
        gauge("node_load1", "threads"),
        counter("node_vmstat_oom_kill", "kills"),
        gauge("node_boot_time_seconds", "s"),
    )

    def __init__(self, world: World, name: str, memory: float, cores: int) -> None:
        super().__init__(world, name)
        self.memory = memory
        self.cores = cores
        self._up = True
        self._booted = 0.0
        self._oom_kills = 0
        self._stress_since: float | None = None
        self._watched = False

    @property
    def up(self) -> bool:
        return self._up

    @property
    def memory_used(self) -> float:
        """Resident bytes of everything on the node, foreign processes included."""
        return KERNEL_RESERVE + self._foreign_memory + sum(p.resident_memory for p in self._processes())

    @property
    def slowdown(self) -> float:
        """How many times longer host work takes than on an idle node."""
        runnable = sum(p.runnable_threads for p in self._processes()) + self.value("cpu_stress")
        return host_slowdown(self.memory_used / self.memory, runnable / self.cores)

    def conditions_changed(self) -> None:
        stressed = self.value("memory_taken") > 0
        if stressed and self._stress_since is None:
            self._stress_since = self.world.now
            if not self._watched:
                self._check_memory_later()
        elif not stressed:
            self._stress_since = None
        self._tell_residents()

    def taken_down(self, action: str) -> None:
        self._up = False

    def brought_back(self, action: str) -> None:
        self._up = True
        self._booted = self.world.now
        self.log(BOOTED)

    def sample(self) -> Sequence[float]:
        runnable = sum(p.runnable_threads for p in self._processes()) + self.value("cpu_stress")
        available = max(0.0, self.memory - self.memory_used)
        return (self.memory, available, runnable, self._oom_kills, self.world.epoch + self._booted)

    @property
    def _foreign_memory(self) -> float:
        if self._stress_since is None:
            return 0.0
        elapsed = self.world.now - self._stress_since
        return stressor_bytes(self.value("memory_taken"), self.value("memory_growth"), elapsed)

    def _processes(self) -> list[Process]:
        return [c for c in self.all_residents() if isinstance(c, Process) and c.up]

    def _check_memory_later(self) -> None:
        """Look every second while foreign memory is present, as allocations would."""
        self._watched = True
        self.world.clock.at(self.world.now + 1.0, lambda _: self._check_memory())

    def _check_memory(self) -> None:
        self._watched = False
        if self._stress_since is None:
            return
        if self._up and self.memory_used > self.memory:
            self._kill_worst()
        self._tell_residents()
        self._check_memory_later()

    def _kill_worst(self) -> None:
        """Kill what the kernel's badness names: share of memory, plus the adjustment that kubelet gives to pods."""
        victims = sorted(self._processes(), key=lambda p: p.resident_memory)
        foreign = self._foreign_memory / self.memory + self.value("memory_adjustment")
        self._oom_kills += 1
        if victims and victims[-1].resident_memory / self.memory + POD_OOM_ADJUSTMENT >= foreign:
            victim = victims[-1]
            self._log_kill(victim.pid, victim.program, victim.resident_memory, int(POD_OOM_ADJUSTMENT * 1000))
            victim.die("oom")
        else:
            pid = self.world.streams["pid"].integer(1200, 98000, self.name, "foreign", self._oom_kills)
            self._log_kill(pid, "stress-ng-vm", self._foreign_memory, 0)
            self._stress_since = self.world.now  # the stressor's parent starts another worker

    def _log_kill(self, pid: int, program: str, resident: float, adjustment: int) -> None:
        kilobytes = int(resident / 1024)
        self.log(OOM_KILL, pid, program, int(kilobytes * 1.2), kilobytes, kilobytes // 400, adjustment)

    def _tell_residents(self) -> None:
        for resident in self._processes():
            resident.place_changed()
