"""The kubelet of a node: probes, restarts with back-off, eviction under pressure. It logs under its node.

Probes run in the container against its own port, as KubeRay's do (`wget localhost`), so the pod's network has no part
in them; they begin when the engine is up, as behind a startup probe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from twin.inference.messages import kubelet as messages
from twin.mechanics.host import UNUSED_IMAGES
from twin.mechanics.supervision import (
    DISK_EVICTION,
    HEALTH_SECONDS,
    MEMORY_EVICTION,
    PRESSURE_TRANSITION,
    PROBE_FAILURES,
    PROBE_PERIOD,
    PROBE_TIMEOUT,
    TERMINATION_GRACE,
)
from twin.node import Node
from twin.process import KILLED, State

if TYPE_CHECKING:
    from twin.inference.replica import Replica
    from twin.telemetry.records import LogTemplate
    from twin.world import World

EVICTED = "evicted"
"""Why a pod goes down that the kubelet evicted."""


class Kubelet:
    """Keeps the pods of one node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.world = node.world
        self.restarts: dict[str, int] = {}
        """Containers restarted, by pod."""
        self.memory_pressure = False
        self.disk_pressure = False
        self.renewed = 0.0
        """When it last renewed its node's lease, seconds."""
        self._failures: dict[str, int] = {}
        self._unready: set[str] = set()
        self._evicted: list[Replica] = []
        self._relieved_since: float | None = None
        self._collected = False

    def begin(self) -> None:
        """Begin to look after the node; each kubelet at its own moments, as they started."""
        offset = self.world.streams["kubelet"].uniform(self.node.name) * PROBE_PERIOD
        self.world.clock.at(self.world.now + offset, self._tick)

    def pods(self) -> list[Replica]:
        """The pods with an engine that are on the node."""
        residents = dict.fromkeys(self.node.all_residents())
        return [cast("Replica", c) for c in residents if c.kind == "vllm"]

    def ready(self, replica: Replica) -> bool:
        """Whether the pod is Ready: its container runs and its readiness probe passes."""
        return self.node.up and replica.state is State.RUNNING and replica.name not in self._unready

    # --- what happens to containers ---------------------------------------------------------------------------

    def container_died(self, replica: Replica) -> None:
        """The container's process is gone; the kubelet sees it in the runtime's events."""
        self._log(messages.CONTAINER_DIED, replica.name, self._pod_id(replica), self._container(replica))
        self._failures.pop(replica.name, None)
        self._unready.discard(replica.name)

    def back_off(self, replica: Replica, delay: float) -> None:
        """It will start the container again, in `delay` seconds."""
        self.restarts[replica.name] = self.restarts.get(replica.name, 0) + 1
        if delay > 0:
            self._log(messages.BACK_OFF, int(delay), replica.name, replica.name)

    def _tick(self, _: object) -> None:
        """Every 10 s: its lease, its probes and its housekeeping have the same period."""
        if self.node.up:
            monitor = self.world.network.monitor
            if monitor is None or self.world.network.reachable(self.node, monitor):
                self.renewed = self.world.now
            for replica in self.pods():
                self._probe(replica)
            self._watch_disk()
            self._watch_memory()
        self.world.clock.at(self.world.now + PROBE_PERIOD, self._tick)

    # --- probes -----------------------------------------------------------------------------------------------

    def _probe(self, replica: Replica) -> None:
        if replica.state is not State.RUNNING:
            self._failures.pop(replica.name, None)
            return
        frozen = bool(replica.value("frozen"))
        if not frozen and HEALTH_SECONDS * replica.slowdown() <= PROBE_TIMEOUT:
            self._failures.pop(replica.name, None)
            if replica.name in self._unready:
                self._unready.discard(replica.name)
                self._log(messages.UNHEALTHY, "readiness", "ready", replica.name)
            return
        failures = self._failures[replica.name] = self._failures.get(replica.name, 0) + 1
        uid = self._pod_id(replica)
        for probe in ("Liveness", "Readiness"):
            self._log(messages.PROBE_FAILED, probe, replica.name, uid)
        if failures == PROBE_FAILURES:
            self._unready.add(replica.name)
            container = self._container(replica)
            self._log(messages.UNHEALTHY, "liveness", "unhealthy", replica.name)
            self._log(messages.WILL_RESTART, container, replica.name)
            self._log(messages.KILLING, replica.name, uid, container, int(TERMINATION_GRACE))
            self._kill_later(replica, TERMINATION_GRACE if frozen else 1.0)

    def _kill_later(self, replica: Replica, grace: float) -> None:
        """SIGTERM; a process that does not run does not see it, and gets SIGKILL when the grace period is over."""
        pid = replica.pid

        def kill(_: object) -> None:
            if replica.pid == pid and replica.up:
                replica.die(KILLED)

        self.world.clock.at(self.world.now + grace, kill)

    # --- eviction ---------------------------------------------------------------------------------------------

    def _watch_disk(self) -> None:
        node = self.node
        low = node.disk_available < DISK_EVICTION * node.disk_size
        if low:
            self.disk_pressure = True
            self._log(messages.RECLAIM, "ephemeral-storage")
            self._log(messages.DELETE_CONTAINERS)
            self._log(messages.DELETE_IMAGES)
            if not self._collected:
                self._collected = True
                node.disk_freed += UNUSED_IMAGES
                node.surroundings_changed()
            if node.disk_available >= DISK_EVICTION * node.disk_size:
                self._log(messages.RECLAIMED, "ephemeral-storage")
            else:
                self._evict("ephemeral-storage")
        self._settle(low)

    def _watch_memory(self) -> None:
        node = self.node
        self.memory_pressure = node.memory - node.memory_used < MEMORY_EVICTION
        if self.memory_pressure:
            self._log(messages.RECLAIM, "memory")
            self._evict("memory")

    def _evict(self, resource: str) -> None:
        """One pod a round, the largest first. Its replacement has no other node with its GPU: it waits here."""
        self._log(messages.MUST_EVICT, resource)
        alive = (State.STARTING, State.RUNNING, State.DRAINING)
        candidates = [r for r in self.pods() if r.state in alive and r.name not in self.world.in_flight]
        if not candidates:
            return
        ranked = sorted(candidates, key=lambda r: -r.resident_memory)
        self._log(messages.RANKED, '","ray/'.join(r.name for r in ranked))
        victim = ranked[0]
        self._log(messages.KILLING, victim.name, self._pod_id(victim), self._container(victim), 0)
        victim.stop(EVICTED)
        self._log(messages.EVICTED, victim.name)
        self._evicted.append(victim)

    def _settle(self, low: bool) -> None:
        """The condition stays for the transition period, and with it the taint that keeps pods away."""
        if low or self.memory_pressure:
            self._relieved_since = None
            return
        if not self.disk_pressure and not self._evicted:
            return
        if self._relieved_since is None:
            self._relieved_since = self.world.now
        elif self.world.now - self._relieved_since >= PRESSURE_TRANSITION:
            self.disk_pressure, self._relieved_since = False, None
            waiting, self._evicted = self._evicted, []
            for replica in waiting:
                if replica.state is State.STOPPED and replica.name not in self.world.in_flight:
                    replica.start()

    # --- names ------------------------------------------------------------------------------------------------

    def _pod_id(self, replica: Replica) -> str:
        return self.world.streams["container"].uuid(replica.name, "pod")

    def _container(self, replica: Replica) -> str:
        return self.world.streams["container"].hexadecimal(64, replica.name, replica.pid)

    def _log(self, template: LogTemplate, *args: object) -> None:
        self.node.log(template, 0, *args)


class Worker(Node):
    """A node of the Kubernetes cluster."""

    def __init__(self, world: World, name: str, memory: float, cores: int) -> None:
        super().__init__(world, name, memory, cores)
        self.kubelet = Kubelet(self)
