"""nova-compute and its hypervisor: builds and destroys guests, waits for their network, audits its host."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from simpy.events import Event

from twin.mechanics import openstack as facts
from twin.node import Node
from twin.openstack.nova import logs as nova_logs
from twin.openstack.nova.compute import logs
from twin.openstack.nova.compute.building import build
from twin.openstack.nova.compute.destroying import destroy, finish_deletions
from twin.openstack.nova.compute.periodic import audit_resources, check_images, sync_power_states
from twin.openstack.nova.virt import logs as virt_logs
from twin.openstack.oslo.context import Context, admin_context, draw
from twin.openstack.oslo.exceptions import MessagingTimeout, RemoteError
from twin.openstack.oslo.messaging import Procedure
from twin.openstack.oslo.pool import Pool
from twin.openstack.oslo.reporting import AGENT_STATE, ReportingService
from twin.openstack.oslo.service import PROCESS_METRICS, Steps
from twin.openstack.site import Site
from twin.openstack.tables import Provider, Server
from twin.telemetry.records import gauge

HOST_CHUNK = 5.0
"""Host work looks this often (seconds) at how slow the host is."""


@dataclass(slots=True)
class Guest:
    """A libvirt domain. It lives on without nova-compute, and not without its host."""

    server: Server
    running: bool = True


class NovaCompute(ReportingService):
    """nova-compute with libvirt on one host.

    The guests belong to the host: the death of nova-compute leaves them alone, a reboot of the host stops them until
    nova-compute starts them again. The kernel out of memory kills the largest guest, not nova-compute.
    """

    kind = "nova-compute"
    metrics = (
        AGENT_STATE,
        gauge("openstack_nova_running_vms", "servers"),
        gauge("openstack_nova_memory_used_bytes", "bytes"),
        gauge("openstack_nova_vcpus_used", "cores"),
        *PROCESS_METRICS,
    )

    def __init__(self, site: Site, name: str, place: Node) -> None:
        super().__init__(site, name, place)
        self.topic = f"compute.{place.name}"
        self.guests: dict[str, Guest] = {}
        """By server uuid."""
        self.builds = Pool(self.clock, facts.MAX_CONCURRENT_BUILDS)
        self.images: dict[str, float] = {}
        """Cached base files: image -> when it was fetched."""
        self.plugged: dict[str, Event] = {}
        """Who waits for network-vif-plugged, by server uuid."""
        self._hypervisor_stopped = False

    @property
    def procedures(self) -> dict[str, Procedure]:
        return {
            "build_and_run_instance": self._build,
            "terminate_instance": self._terminate,
            "external_instance_event": self._external_event,
        }

    # --- procedures ----------------------------------------------------------------------------------------------

    def _build(self, context: Context, server: Server, tried: tuple[str, ...]) -> Steps:
        with self.builds.slot() as slot:
            if slot.turn is not None:
                yield slot.turn
            yield from build(self, context, server, tried)

    def _terminate(self, context: Context, server: Server) -> Steps:
        yield from destroy(self, context, server)

    def _external_event(self, context: Context, server: Server, port: str) -> Steps:
        yield from self.think(context, 0.004)
        waiting = self.plugged.pop(server.uuid, None)
        if waiting is not None and not waiting.triggered:
            waiting.succeed(True)

    # --- work on the host ----------------------------------------------------------------------------------------

    def host_work(self, context: Context, median: float, spread: float = facts.STAGE_SPREAD) -> Steps:
        """Work of libvirt, qemu-img and the kernel: a median of seconds on an idle host, longer on a stressed one."""
        left = draw(self.world, context, median, spread)
        while left > 1e-9:
            slowdown = self.node.slowdown
            done = min(left, HOST_CHUNK / slowdown)
            yield self.clock.timeout(done * slowdown)
            left -= done

    def save(self, context: Context, change: Any = None) -> Steps:
        """Save an object through conductor. Raises MessagingTimeout, RemoteError."""
        yield from self.call(context, "conductor", "object_action", change=change)

    def write_heartbeat(self, context: Context) -> Steps:
        yield from self.call(context, "conductor", "service_update", service=self.name)

    # --- life ----------------------------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        self.say(virt_logs.LOADING_DRIVER, None)
        came_up = yield from super().startup()
        while came_up and not self._conductor_answers():
            yield self.clock.timeout(10.0)
            self.say(logs.CONDUCTOR_WAIT, None)
        self.say(virt_logs.LIBVIRT_CONNECTED, None)
        return came_up

    def _conductor_answers(self) -> bool:
        return self.site.conductor.accepting and self.site.conductor.connected

    def on_running(self) -> None:
        memory = self.node.memory / 2**20 - facts.RESERVED_MEMORY_MB
        offer = Provider(self.node.cores * facts.CPU_ALLOCATION_RATIO, memory)
        self.site.tables.providers.setdefault(self.node.name, offer)
        super().on_running()
        self.site.tables.services[self.name].disabled = False  # an operator takes it back in with the start
        self.plugged.clear()
        if self.world.now > 0:
            self.say(nova_logs.STARTING, None, "compute")
            self.spawn(self._init_host())
        self.spawn(self._periodic(audit_resources, facts.RESOURCE_AUDIT_INTERVAL))
        self.spawn(self._periodic(sync_power_states, facts.POWER_SYNC_INTERVAL))
        self.spawn(self._periodic(check_images, facts.IMAGE_CACHE_INTERVAL))

    def _init_host(self) -> Steps:
        """What the process before left behind: guests to start, builds that broke off, deletions to finish."""
        context = admin_context(self.world, self.name, self.pid, "init")
        self.say(logs.INIT_STUCK, context)
        if self._hypervisor_stopped:
            self._hypervisor_stopped = False
            for guest in list(self.guests.values()):
                self.say(logs.INIT_REBOOT, context, instance=guest.server.uuid)
                yield from self.host_work(context, 2.0)
                guest.running = True
                self.say(logs.LIFECYCLE, context, "Started", instance=guest.server.uuid)
        try:
            for server in self.site.tables.on(self.node.name):
                if server.status == "BUILD" and server.task == "spawning":
                    yield from self.save(context, lambda server=server: self.site.became_error(server))
            yield from finish_deletions(self, context)
        except (MessagingTimeout, RemoteError) as error:
            self.exception(logs.BUILD_UNEXPECTED, context, error)

    def _periodic(self, task: Any, interval: float) -> Steps:
        """Run a periodic task; its phase belongs to the process."""
        phase = self.world.streams["openstack/periodic"].between(0.2, 1.0, self.name, self.pid, task.__name__)
        yield self.clock.timeout(interval * phase)
        tick = 0
        while True:
            tick += 1
            began = self.world.now
            yield from task(self, admin_context(self.world, self.name, self.pid, task.__name__, tick))
            yield self.clock.timeout(max(0.0, began + interval - self.world.now))

    def on_down(self, reason: str) -> None:
        super().on_down(reason)
        if reason in ("reboot", "power-cycle"):
            self._hypervisor_stopped = True
            for guest in self.guests.values():
                guest.running = False

    def die(self, reason: str) -> None:
        victim = self._largest_guest()
        if reason == "oom" and victim is not None:
            victim.running = False
            self.say(logs.LIFECYCLE, None, "Stopped", instance=victim.server.uuid)
            return
        super().die(reason)

    def _largest_guest(self) -> Guest | None:
        return next((guest for guest in self.guests.values() if guest.running), None)

    # --- telemetry -----------------------------------------------------------------------------------------------

    @property
    def program(self) -> str:  # type: ignore[override]
        return "nova-compute" if self._largest_guest() is None else "qemu-system-x86"

    @property
    def resident_memory(self) -> float:
        guests = sum(1 for guest in self.guests.values() if guest.running)
        return facts.RESIDENT[self.kind] + guests * facts.FLAVOR_MEMORY_MB * 2**20 * facts.RESIDENT_SHARE

    most_threads = math.inf

    @property
    def runnable_threads(self) -> float:
        return 0.1 + 0.1 * len(self.guests) + self.builds.busy

    def sample(self) -> Sequence[float]:
        nan = float("nan")
        nova: tuple[float, ...] = (nan, nan, nan, nan)
        if self.site.answers_queries() and self.name in self.site.tables.services:
            placed = sum(1 for host in self.site.tables.allocations.values() if host == self.node.name)
            active = sum(1 for server in self.site.tables.on(self.node.name) if server.status == "ACTIVE")
            used = (facts.RESERVED_MEMORY_MB + placed * facts.FLAVOR_MEMORY_MB) * 2.0**20
            nova = (self.site.agent_state(self.name), active, used, placed * facts.FLAVOR_VCPUS)
        memory = facts.RESIDENT[self.kind] if self.up else nan
        return (*nova, memory, self.cpu_seconds if self.up else nan)
