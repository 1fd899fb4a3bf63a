"""Processes: components that are a running program, with a start, a death and someone who restarts them."""

from __future__ import annotations

import math
from collections.abc import Generator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from twin.components import Component
from twin.mechanics.layers import RESETS, Layer
from twin.mechanics.supervision import CRASH_LOOP_RESET
from twin.telemetry.records import LogTemplate

if TYPE_CHECKING:
    from twin.world import World


KILLED = "killed"
"""Reason of a death by SIGKILL, which no program hears."""
SIGKILL = 9
"""Its number, as the condition `unit_stopped` has it."""


class State(StrEnum):
    """The life of a process."""

    ABSENT = "absent"  # not created, or deleted
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"  # finishes what it has, takes nothing new
    STOPPED = "stopped"  # stopped by an operator or dead and not yet restarted


class Process(Component):
    """A component with a program in it.

    Life cycle: ``start`` -> ``startup`` (a SimPy generator that takes as long as the real start) -> running ->
    ``stop`` (by an operator) or ``die`` (by itself). After a death its supervisor (kubelet, systemd) starts a new
    process after ``restart_delay``; a new process has a new PROCESS layer, which is how a plain crash heals itself.
    """

    layers = frozenset({Layer.PROCESS, Layer.CONTAINER, Layer.CONFIGURATION})

    def __init__(self, world: World, name: str, place: Component | None = None) -> None:
        super().__init__(world, name, place)
        self.state = State.ABSENT
        self.pid = 0
        self.deaths = 0
        """Deaths since the supervisor last forgot them."""
        self.started_at = 0.0
        self._halted = False  # by a condition, which starts it again when it ends
        self._life = 0  # numbers the process instances, so that a late start-up or restart of an older one is void

    # --- what a subclass says ---------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        """Run the start-up; return whether the process came up. Takes simulated time."""
        return True
        yield

    def on_running(self) -> None:
        """The process is up and takes work."""

    def on_down(self, reason: str) -> None:
        """The process is gone: fail what was in flight, forget state."""

    def on_death(self, reason: str) -> None:
        """Log what the dying program and its supervisor print."""

    def restart_delay(self) -> float | None:
        """Seconds until the supervisor starts a new process, or None where nobody does."""
        return None

    def busy(self) -> bool:
        """Whether work is in flight (a drain waits for it)."""
        return False

    program: str = "python3"
    """The name the kernel prints for it."""

    @property
    def resident_memory(self) -> float:
        """Bytes of host memory it holds."""
        return 0.5e9

    @property
    def largest(self) -> tuple[int, str, float]:
        """Process id, name and resident bytes of the largest of its programs, as the kernel compares them."""
        return (self.pid, self.program, self.resident_memory)

    most_threads: float = 0.1
    """The most threads that ever want a core without a condition; its memory does not grow without one either."""

    @property
    def runnable_threads(self) -> float:
        """Mean number of threads that want a core."""
        return 0.1

    core_limit: float = math.inf
    """Cores that its control group may use at a time."""

    @property
    def traffic(self) -> tuple[float, float]:
        """Bytes received and sent since it started."""
        return (0.0, 0.0)

    def place_changed(self) -> None:
        """Called when the node under it became faster or slower."""

    def settle(self) -> None:
        """Account for the work done up to now, where that is kept lazily."""

    def can_live(self) -> bool:
        """Whether the process survives on its conditions and its place."""
        return not (self.value("crash") or self.value("killed"))

    # --- life cycle -------------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        return self.state in (State.RUNNING, State.DRAINING)

    @property
    def place_up(self) -> bool:
        """Whether everything it runs on is up."""
        return all(place.up for place in self.places())

    def boot(self) -> None:
        """Be running at time zero, without a start-up."""
        self._new_process()
        self.state = State.RUNNING
        self.on_running()

    def start(self) -> None:
        """Start a new process, in which nothing of an older one's memory is left. Nothing while the place is down."""
        if self.state in (State.STARTING, State.RUNNING, State.DRAINING) or not self.place_up:
            return
        self._halted = False
        self.reset(RESETS["restart"], by="supervisor")
        self._new_process()
        self.state = State.STARTING
        self.world.clock.process(self._run_startup(self._life))

    def stop(self, reason: str = "stopped") -> None:
        """Stop the process: what is in flight is lost, nobody restarts it."""
        self._life += 1
        was_alive = self.state in (State.STARTING, State.RUNNING, State.DRAINING)
        self.state = State.STOPPED
        self.deaths = 0
        if was_alive:
            self.on_down(reason)

    def drain(self) -> None:
        """Take nothing new."""
        if self.state is State.RUNNING:
            self.state = State.DRAINING

    def resume(self) -> None:
        """Take work again after all."""
        if self.state is State.DRAINING:
            self.state = State.RUNNING

    def die(self, reason: str) -> None:
        """The process dies by itself; its supervisor may start another."""
        if self.state not in (State.STARTING, State.RUNNING, State.DRAINING):
            return
        self._life += 1
        self.state = State.STOPPED
        if self.world.now - self.started_at > CRASH_LOOP_RESET:
            self.deaths = 0
        self.deaths += 1
        self.on_death(reason)
        self.on_down(reason)
        delay = self.restart_delay()
        if delay is not None:
            life = self._life
            self.world.clock.at(self.world.now + delay, lambda _: self._supervised_start(life))

    def conditions_changed(self) -> None:
        if self.value("unit_stopped"):
            if self.state in (State.STARTING, State.RUNNING, State.DRAINING):
                self.stop(KILLED if self.value("unit_stopped") == SIGKILL else "stopped")
                self._halted = True
            return
        if self._halted and self.state is State.STOPPED:
            self.start()
        if self.up and not self.can_live():
            self.die(KILLED if self.value("killed") else "crash")

    def log(self, template: LogTemplate, *args: Any) -> None:
        """Reach a log statement; the process id is the first argument of every process's record."""
        if not self.muted:
            self.world.recorder.log(self.world.now, self.name, template, (self.pid, *args), self.clock_offset)

    def _new_process(self) -> None:
        self.world.network.close(self)
        self._life += 1
        self.pid = self.world.streams["pid"].integer(1200, 98000, self.name, self._life)
        self.started_at = self.world.now

    def _supervised_start(self, life: int) -> None:
        if life == self._life and self.state is State.STOPPED:
            self.start()

    def _run_startup(self, life: int) -> Generator[Any, Any, None]:
        startup = self.startup()
        came_up = False
        try:
            while True:
                yield next(startup)
                if life != self._life:  # stopped or dead meanwhile: what it was about to do never happens
                    startup.close()
                    return
        except StopIteration as end:
            came_up = bool(end.value)
        if not came_up or not self.can_live():
            self.die("start-up failed")
            return
        self.state = State.RUNNING
        self.on_running()
