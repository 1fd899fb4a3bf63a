"""Serve's controller: which replicas run, whether they are healthy, and what takes the place of those that are not.

Its loop passes every 0.1 s. A pass in which nothing can have changed does nothing, so only the others are events here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twin.inference.messages import serve
from twin.inference.ray.proxy_watch import ProxyWatch
from twin.mechanics.layers import RESETS
from twin.mechanics.serving import (
    CONTROL_LOOP_INTERVAL,
    CONTROL_LOOP_SECONDS,
    GCS_RPC_TIMEOUT,
    GRACEFUL_SHUTDOWN_POLL,
    GRACEFUL_SHUTDOWN_TIMEOUT,
    HEALTH_CHECK_FAILURES,
    HEALTH_CHECK_PERIOD,
    HEALTH_CHECK_TIMEOUT,
    LATENCY_BUCKETS_MS,
    SLOW_START,
    next_pass,
)
from twin.process import State
from twin.telemetry.histogram import Histogram

if TYPE_CHECKING:
    from twin.inference.replica import Replica
    from twin.inference.router import Router


@dataclass(slots=True, eq=False)
class Watched:
    """A replica that the controller believes to run, and how its health checks went."""

    replica: Replica
    pid: int
    started: float
    checks: int = 0
    outstanding: int | None = None
    """Number of the check that has not been answered."""
    asked: float = 0.0
    failures: int = 0
    """In a row."""


class Controller:
    """Watches replicas and the proxy, and replaces what fails. Stuck, it does neither and nobody hears of changes."""

    def __init__(self, head: Router) -> None:
        self.head = head
        self.running: dict[str, Watched] = {}
        self.starting: dict[str, tuple[int, float]] = {}
        """Replicas whose actor has been created and is not ready: their process, and since when."""
        self.replacing = 0
        """Replicas being stopped and started anew."""
        self.starts = self.check_failures = 0
        self.check_latency = Histogram(LATENCY_BUCKETS_MS)
        self.startup_latency = Histogram(LATENCY_BUCKETS_MS)
        self.shutdown_duration = Histogram(LATENCY_BUCKETS_MS)
        self._inbox: list[Callable[[], None]] = []
        """What the next pass will do."""
        self._pass_set = False
        self.proxy_watch = ProxyWatch(head)
        self._passes = self._pass_rate = 0.0
        self._counted = 0.0
        """When its passes were last counted."""
        self._complaining = False
        self._warning_set = False
        self._life = 0

    @property
    def acts(self) -> bool:
        """Whether its loop turns."""
        return self.head.up and not self.head.value("controller_stuck")

    @property
    def passes(self) -> float:
        """Passes of its loop since it started. One that waits for the GCS takes that call's time-out."""
        return float(int(self._passes + (self.head.world.now - self._counted) * self._pass_rate))

    # --- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """A new controller finds the replicas that run by their actors' names."""
        self._inbox.clear()
        self._life += 1
        self.replacing = self.starts = self.check_failures = 0
        self.check_latency = Histogram(LATENCY_BUCKETS_MS)
        self.startup_latency = Histogram(LATENCY_BUCKETS_MS)
        self.shutdown_duration = Histogram(LATENCY_BUCKETS_MS)
        self._passes, self._counted = 0.0, self.head.world.now
        self.running.clear()
        self.starting.clear()
        self.conditions_changed()
        for replica in self.head.replicas:
            if replica.state is State.RUNNING:
                self._watch(replica)

    def conditions_changed(self) -> None:
        """It got stuck, or goes on."""
        now = self.head.world.now
        self._passes += (now - self._counted) * self._pass_rate
        self._counted = now
        self._pass_rate = 1.0 / (CONTROL_LOOP_INTERVAL + self.pass_seconds) if self.acts else 0.0
        if not self.acts:
            return
        if not self.head.gcs.answers and not self._complaining:
            self._complaining = True
            self._complain()
        self._pass_later()
        self.proxy_watch.look()

    def _complain(self) -> None:
        """Every pass asks the GCS for the nodes."""
        clock = self.head.world.clock

        def failed(_: object) -> None:
            if self.acts and not self.head.gcs.answers:
                self.head.log(serve.GCS_SILENT)
                self._complain()
            else:
                self._complaining = False

        clock.at(clock.now + GCS_RPC_TIMEOUT + CONTROL_LOOP_INTERVAL, failed)

    def at_next_pass(self, act: Callable[[], None]) -> None:
        """Do something when the loop passes next."""
        self._inbox.append(act)
        self._pass_later()

    def _pass_later(self) -> None:
        if self._pass_set or not self._inbox or not self.acts:
            return
        self._pass_set = True
        clock = self.head.world.clock
        clock.at(next_pass(clock.now), lambda _: self._pass())

    def _pass(self) -> None:
        self._pass_set = False
        if not self.acts:
            return
        inbox, self._inbox = self._inbox, []
        for act in inbox:
            act()
        self._pass_later()

    # --- replicas come and go ---------------------------------------------------------------------------------

    @property
    def pass_seconds(self) -> float:
        """What a pass takes."""
        return CONTROL_LOOP_SECONDS + (0.0 if self.head.gcs.answers else GCS_RPC_TIMEOUT)

    def actor_created(self, replica: Replica) -> None:
        """The GCS placed a replica's actor; its constructor begins."""
        self.head.log(serve.STARTING, self.head.replica_id(replica))
        self.starting[replica.name] = (replica.pid, self.head.world.now)
        self._warn_later(SLOW_START)

    def _warn_later(self, seconds: float) -> None:
        if self._warning_set:
            return
        self._warning_set = True
        clock = self.head.world.clock

        def warn(_: object) -> None:
            self._warning_set = False
            if not self.starting:
                return
            # A microsecond less: the sum of two times may fall short of the third by rounding, for ever.
            slow = [since for _, since in self.starting.values() if clock.now - since >= SLOW_START - 1e-6]
            if slow and self.acts:
                self.head.log(serve.SLOW_START, len(slow))
            oldest = min(self.starting.values(), key=lambda start: start[1])[1]
            self._warn_later(SLOW_START if slow else oldest + SLOW_START - clock.now)

        clock.at(clock.now + seconds, warn)

    def replica_up(self, replica: Replica) -> None:
        """A replica's constructor has returned."""
        pid = replica.pid
        if self.head.world.now == 0.0:
            self._watch(replica)
            return

        def started() -> None:
            if replica.pid == pid and replica.up:
                node = self.head.world.streams["ray/node"].hexadecimal(56, replica.name)
                elapsed = self.head.world.now - replica.started_at
                self.head.log(serve.STARTED, self.head.replica_id(replica), node, elapsed, pid)
                self.startup_latency.observe(1000.0 * elapsed)
                self._watch(replica)

        self.at_next_pass(lambda: self._with_gcs(started))

    def replica_down(self, replica: Replica, crashed: bool) -> None:
        """A replica's process ended, and its raylet says so."""
        if self.head.gcs.answers:
            self._note_end(replica, crashed)
        else:
            self.at_next_pass(lambda: self._with_gcs(lambda: self._note_end(replica, crashed)))

    def actor_died(self, replica: Replica) -> None:
        """The GCS declared a replica's Ray node dead."""
        watched = self.running.get(replica.name)
        if watched is not None:
            for request in self.head.handle.lost(replica, watched.pid):
                self.head.proxy.fail(request, serve.ACTOR_DIED)
            self._note_end(replica, crashed=True)

    def _note_end(self, replica: Replica, crashed: bool) -> None:
        watched = self.running.get(replica.name)
        if self.starting.get(replica.name, (0, 0.0))[0] == replica.pid:
            self.at_next_pass(lambda: self._start_failed(replica, crashed))
        if watched is None:
            return
        if self._still(watched) and replica.name not in self.head.gcs.dead:
            return  # news of an earlier process
        self.head.handle.remove(replica)

        def forget() -> None:
            if self.running.get(replica.name) is not watched:
                return
            del self.running[replica.name]
            name = self.head.replica_id(replica, watched.pid)
            if crashed:
                self.head.log(serve.ACTOR_CRASHED, name)
                self.head.log(serve.UNHEALTHY, name)
                self.head.log(serve.ADDING)
            self.head.log(serve.STOPPING, name)

        self.at_next_pass(forget)

    def _start_failed(self, replica: Replica, crashed: bool) -> None:
        pid, _ = self.starting.pop(replica.name, (0, 0.0))
        if pid:
            name = self.head.replica_id(replica, pid)
            if crashed:
                self.head.log(serve.START_FAILED, name)
            self.head.log(serve.STOPPING, name)

    def _watch(self, replica: Replica) -> None:
        self.starts += 1
        self.starting.pop(replica.name, None)
        watched = Watched(replica, replica.pid, self.head.world.now)
        self.running[replica.name] = watched
        self.head.handle.add(replica)
        self._check_later(watched)

    def _with_gcs(self, act: Callable[[], None]) -> None:
        """Do what needs the GCS, as soon as it answers."""
        if self.head.gcs.answers:
            act()
            return
        clock = self.head.world.clock
        clock.at(clock.now + GCS_RPC_TIMEOUT, lambda _: self.at_next_pass(lambda: self._with_gcs(act)))

    # --- health checks ----------------------------------------------------------------------------------------

    def _check_later(self, watched: Watched) -> None:
        world = self.head.world
        draw = world.streams["serve/health"].between(0.9, 1.1, watched.replica.name, watched.pid, watched.checks)
        due = (
            max(world.now, watched.asked + HEALTH_CHECK_PERIOD * draw)
            if watched.checks
            else world.now + HEALTH_CHECK_PERIOD * draw
        )
        world.clock.at(due, lambda _: self._check(watched))

    def _check(self, watched: Watched) -> None:
        if self.running.get(watched.replica.name) is not watched:
            return
        if not self.acts:
            self._inbox.append(lambda: self._check(watched))
            return
        world, head, replica = self.head.world, self.head, watched.replica
        watched.checks += 1
        number = watched.checks
        watched.outstanding, watched.asked = number, world.now

        def arrive() -> None:
            """At the replica's node."""
            there = replica.pid == watched.pid and replica.state in (State.RUNNING, State.DRAINING)
            if (there or replica.node.up) and not replica.value("frozen"):
                error = None if there and replica.healthy else "EngineDeadError" if there else "gone"
                answer = ("health", watched.pid, number)
                world.network.deliver(replica, head, lambda: self._answered(watched, number, error), answer)

        world.network.deliver(head, replica, arrive, ("health", watched.pid, number))
        if watched.outstanding == number:
            world.clock.at(next_pass(world.now + HEALTH_CHECK_TIMEOUT), lambda _: self._timed_out(watched, number))

    def _answered(self, watched: Watched, number: int, error: str | None) -> None:
        if not self.acts:
            self._inbox.append(lambda: self._answered(watched, number, error))
            return
        if watched.outstanding != number or self.running.get(watched.replica.name) is not watched:
            return
        watched.outstanding = None
        self.check_latency.observe(1000.0 * (self.head.world.now - watched.asked))
        name = self.head.replica_id(watched.replica, watched.pid)
        if error == "gone":
            self.replica_down(watched.replica, crashed=True)
            return
        if error is None:
            if watched.failures:
                self.head.log(serve.CHECK_PASSED, name, watched.failures)
            watched.failures = 0
        else:
            self.head.log(
                serve.CHECK_FAILED,
                name,
                f"ray::ServeReplica:llm:VLLMDeployment.check_health() (pid={watched.pid}) {error}: "
                "EngineCore encountered an issue. See stack trace (above) for the root cause.",
            )
            if self._failed(watched):
                return
        self._check_later(watched)

    def _timed_out(self, watched: Watched, number: int) -> None:
        if not self.acts:
            self._inbox.append(lambda: self._timed_out(watched, number))
            return
        if watched.outstanding != number or self.running.get(watched.replica.name) is not watched:
            return
        watched.outstanding = None
        self.head.log(serve.CHECK_TIMED_OUT, self.head.replica_id(watched.replica, watched.pid))
        if not self._failed(watched):
            self._check(watched)

    def _failed(self, watched: Watched) -> bool:
        """Count a failed check; whether it was the last."""
        watched.failures += 1
        self.check_failures += 1
        if watched.failures < HEALTH_CHECK_FAILURES:
            return False
        name = self.head.replica_id(watched.replica, watched.pid)
        self.head.log(serve.CHECKS_FAILED, name, watched.failures)
        self.head.log(serve.UNHEALTHY, name)
        del self.running[watched.replica.name]
        self.head.handle.remove(watched.replica)
        self.head.world.clock.process(self._replace(watched))
        return True

    def _replace(self, watched: Watched) -> Generator[Any, Any, None]:
        """Stop a replica gracefully, kill it if it does not end, start another in its place."""
        world, replica = self.head.world, watched.replica
        life = self._life
        self.replacing += 1
        yield from self._until_it_can(replica)
        if life != self._life:  # another controller has begun to judge anew
            return
        if self._still(watched):
            replica.drain()
        began = world.now
        deadline = world.now + GRACEFUL_SHUTDOWN_TIMEOUT
        while world.now < deadline and self._still(watched) and replica.busy():
            yield world.clock.timeout(min(GRACEFUL_SHUTDOWN_POLL, deadline - world.now))
        yield from self._until_it_can(replica)
        self.replacing -= life == self._life
        if self._still(watched) and replica.name not in world.in_flight:
            pid = replica.pid
            replica.stop("unhealthy")
            self.shutdown_duration.observe(1000.0 * (world.now - began))
            self.head.log(serve.STOPPING, self.head.replica_id(replica, pid))
            replica.reset(RESETS["restart"], by="supervisor")
            self.head.log(serve.ADDING)
            replica.start()

    def _still(self, watched: Watched) -> bool:
        return watched.replica.pid == watched.pid and watched.replica.state in (State.RUNNING, State.DRAINING)

    def _until_it_can(self, replica: Replica) -> Generator[Any, Any, None]:
        """Until the loop turns, the GCS answers and the replica's node hears it."""
        while not (self.acts and self.head.gcs.answers and self.head.world.network.reachable(self.head, replica)):
            yield self.head.world.clock.timeout(GCS_RPC_TIMEOUT)
