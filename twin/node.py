"""A node: the machine that processes and devices are placed on. Both clusters use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twin.components import Component
from twin.mechanics.durations import seconds_of
from twin.mechanics.host import DISK_SIZE, DISK_USED, LEAST_FREE, host_slowdown, read_seconds, stressor_bytes
from twin.mechanics.layers import RESETS, Layer
from twin.node_exporter import METRICS, NodeExporter
from twin.process import Process, State
from twin.telemetry.records import Level, LogTemplate

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

POWER_LOSS = "power loss"
"""Why processes go down with their machine."""


class Node(Component):
    """A server with cores, memory, a disk, a network interface and a clock.

    Foreign memory (`memory_taken`, growing at `memory_growth`) leaves less for everyone: near the end of memory the
    page cache goes and all host work slows (`slowdown`); past it the kernel kills a process. On a full disk nothing
    that runs on it can log. Without power (`power_lost`) everything on it is gone at once and says nothing; it boots
    when power is back.
    """

    kind = "node"
    layers = frozenset({Layer.OS, Layer.NETWORK, Layer.PROCESS, Layer.DATA, Layer.POWER, Layer.BOARD})
    metrics = METRICS

    def __init__(self, world: World, name: str, memory: float, cores: int) -> None:
        super().__init__(world, name)
        self.memory = memory
        self.cores = cores
        self.disk_size = DISK_SIZE
        self.disk_freed = 0.0
        """Bytes that were on the disk at first and are not any more."""
        self.booted = 0.0
        """When it last booted, seconds."""
        self.oom_kills = 0
        self._up = True
        self._dark = False
        self._outages = 0
        self._interrupted: list[Process] = []
        self._exporter = NodeExporter(self)
        self._stress_since: float | None = None
        self._watched = False
        self._calm: tuple[object, bool] = (None, False)

    @property
    def up(self) -> bool:
        return self._up and not self._dark

    # --- memory and cores -------------------------------------------------------------------------------------

    @property
    def memory_used(self) -> float:
        """Resident bytes of everything on the node, foreign processes included."""
        return KERNEL_RESERVE + self._foreign_memory + sum(p.resident_memory for p in self.processes())

    @property
    def runnable(self) -> float:
        """Mean number of threads that want a core; of a control group no more than it may use at a time."""
        return sum(min(p.runnable_threads, p.core_limit) for p in self.processes()) + self.value("cpu_stress")

    @property
    def slowdown(self) -> float:
        """How many times longer host work takes than on an idle node."""
        if self._calm[0] is not self.world.arrangement:
            self._calm = (self.world.arrangement, self._surely_calm())
        if self._calm[1]:
            return 1.0
        return host_slowdown(self.memory_used / self.memory, self.runnable / self.cores)

    def _surely_calm(self) -> bool:
        """Whether nobody would have to wait even if every process did its utmost: what spares looking at each step."""
        processes = [c for c in self.all_residents() if isinstance(c, Process)]
        if self.conditions or any(p.conditions for p in processes):
            return False
        memory = KERNEL_RESERVE + sum(p.resident_memory for p in processes)
        return host_slowdown(memory / self.memory, sum(p.most_threads for p in processes) / self.cores) == 1.0

    def processes(self) -> list[Process]:
        """The processes that run on it."""
        return [c for c in self.all_residents() if isinstance(c, Process) and c.up]

    # --- disk -------------------------------------------------------------------------------------------------

    @property
    def disk_available(self) -> float:
        """Free bytes of its file system."""
        return max(0.0, self.disk_size - DISK_USED + self.disk_freed - self.value("disk_taken"))

    @property
    def disk_full(self) -> bool:
        """Whether writes fail."""
        return self.disk_available < LEAST_FREE

    @property
    def mutes_residents(self) -> bool:
        return self.muted or self.disk_full

    def read_seconds(self, size: float, latency: float = 0.0) -> float:
        """Seconds to read a large file from its disk, each operation `latency` seconds later than usual."""
        return read_seconds(size, self.value("disk_slowdown"), latency)

    def read(self, size: float, seconds: float) -> None:
        """Count a large read."""
        self._exporter.read(size, seconds)

    # --- what happens to it -----------------------------------------------------------------------------------

    def conditions_changed(self) -> None:
        self._exporter.look()
        stressed = self.value("memory_taken") > 0
        if stressed and self._stress_since is None:
            self._stress_since = self.world.now
            if not self._watched:
                self._check_memory_later()
        elif not stressed:
            self._stress_since = None
        if self.value("power_lost") and not self._dark:
            self._go_dark()
        elif self._dark and not self.value("power_lost"):
            self._boot_later()
        self._tell_residents()

    def surroundings_changed(self) -> None:
        self.clock_offset = self.value("clock_offset")
        self.muted = self._dark
        for resident in self.residents:
            resident.surroundings_changed()

    def taken_down(self, action: str) -> None:
        self._up = False

    def brought_back(self, action: str) -> None:
        self._up = True
        if self.up:
            self._booted_now()

    def _go_dark(self) -> None:
        self._dark = True
        self._outages += 1
        self.surroundings_changed()
        alive = (State.STARTING, State.RUNNING, State.DRAINING)
        for process in self.all_residents():
            if isinstance(process, Process) and (process.state in alive or process.deaths):
                self._interrupted.append(process)
                process.stop(POWER_LOSS)

    def _boot_later(self) -> None:
        outage = self._outages
        gpus = sum(c.kind == "gpu" for c in self.residents)

        def boot(_: object) -> None:
            if self._outages != outage or not self._dark or self.value("power_lost"):
                return
            self._dark = False
            self.reset(RESETS["power-cycle"], by=POWER_LOSS)
            self.surroundings_changed()
            if self._up:
                self._booted_now()
            interrupted, self._interrupted = self._interrupted, []
            for process in interrupted:
                if process.state is State.STOPPED:
                    process.start()

        self.world.clock.at(self.world.now + seconds_of("reboot", gpus), boot)

    def _booted_now(self) -> None:
        self.booted = self.world.now
        self._exporter = NodeExporter(self)
        self.log(BOOTED)

    def sample(self) -> Sequence[float]:
        return self._exporter.values()

    # --- foreign memory ---------------------------------------------------------------------------------------

    @property
    def _foreign_memory(self) -> float:
        if self._stress_since is None:
            return 0.0
        elapsed = self.world.now - self._stress_since
        return stressor_bytes(self.value("memory_taken"), self.value("memory_growth"), elapsed)

    def _check_memory_later(self) -> None:
        """Look every second while foreign memory is present, as allocations would."""
        self._watched = True
        self.world.clock.at(self.world.now + 1.0, lambda _: self._check_memory())

    def _check_memory(self) -> None:
        self._watched = False
        if self._stress_since is None:
            return
        if self.up and self.memory_used > self.memory:
            self._kill_worst()
        self._tell_residents()
        self._check_memory_later()

    def _kill_worst(self) -> None:
        """Kill what the kernel's badness names: share of memory, plus the adjustment that kubelet gives to pods."""
        victims = sorted(self.processes(), key=lambda p: p.largest[2])
        foreign = self._foreign_memory / self.memory + self.value("memory_adjustment")
        self.oom_kills += 1
        if victims and victims[-1].largest[2] / self.memory + POD_OOM_ADJUSTMENT >= foreign:
            victim = victims[-1]
            self._log_kill(*victim.largest, int(POD_OOM_ADJUSTMENT * 1000))
            victim.die("oom")
        else:
            pid = self.world.streams["pid"].integer(1200, 98000, self.name, "foreign", self.oom_kills)
            self._log_kill(pid, "stress-ng-vm", self._foreign_memory, 0)
            self._stress_since = self.world.now  # the stressor's parent starts another worker

    def _log_kill(self, pid: int, program: str, resident: float, adjustment: int) -> None:
        kilobytes = int(resident / 1024)
        self.log(OOM_KILL, pid, program, int(kilobytes * 1.2), kilobytes, kilobytes // 400, adjustment)

    def _tell_residents(self) -> None:
        for resident in self.processes():
            resident.place_changed()
