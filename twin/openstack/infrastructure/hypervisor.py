"""A compute host's guests: qemu processes under libvirt, sharing the host's cores and disk with everything else on it.

What happens to domains, and what the host bears of them. The calls are in `libvirt`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from simpy.events import Event

from twin.mechanics import hypervisor as facts
from twin.mechanics.host import host_slowdown
from twin.mechanics.layers import Layer
from twin.node import POWER_LOSS, Node
from twin.openstack.infrastructure import domains as logs
from twin.openstack.infrastructure.disk import INSTANCES, HostDisk
from twin.openstack.infrastructure.domains import Domain, DomainState
from twin.openstack.infrastructure.errors import NoSpaceLeft
from twin.openstack.infrastructure.guests import Network
from twin.openstack.infrastructure.noise import Noise
from twin.openstack.infrastructure.sharing import ProcessorSharing
from twin.process import Process
from twin.telemetry.records import counter, gauge

if TYPE_CHECKING:
    from twin.world import World

HOST_STOPS = ("reboot", "power-cycle", "replace", POWER_LOSS)
"""Reasons for which the daemon goes down with its machine, guests and all."""

TELL_AT = 0.05
"""Share by which a host must become slower or faster through its guests before its other programs look at it."""

METRICS = (
    gauge("libvirt_up", "bool"),
    gauge("libvirt_domains", "domains", None),
    gauge("libvirt_domain_info_virtual_cpus", "cores", None),
    gauge("libvirt_domain_info_maximum_memory_bytes", "bytes", None),
    gauge("libvirt_domain_info_memory_usage_bytes", "bytes", None),
    counter("libvirt_domain_info_cpu_time_seconds_total", "s", "serving"),
    counter("libvirt_domain_block_stats_write_bytes_total", "bytes", None),
)
"""Names of the libvirt exporters derived from kumina's; summed over the domains of a host."""


class Hypervisor(Process):
    """The domains of one host, its cores and disk as they share them, and the daemon's life.

    Listeners: `on_event(uuid, transition)` gets Started, Paused, Resumed and Stopped while the daemon runs (those of a
    hang come when it is over, those of an outage never); `on_close(reason)` is called when the connection
    breaks, `on_open()` at the first call that is answered after that. The delay of Stopped is nova's.
    """

    kind: ClassVar[str] = "libvirt"
    layers = frozenset({Layer.PROCESS, Layer.CONTAINER, Layer.CONFIGURATION, Layer.OS, Layer.DEMAND})
    metrics = METRICS
    program = "libvirtd"
    most_threads = math.inf

    def __init__(
        self,
        world: World,
        name: str,
        place: Node,
        times: facts.HostTimes = facts.HOSTS["cloudlab"],
        network: Network | None = None,
    ) -> None:
        super().__init__(world, name, place)
        self.node = place
        self.clock = world.clock
        self.times = times
        self.network = network
        self.cores = ProcessorSharing(world.clock, place.cores, per_job=1.0)
        """Threads that work for builds and boots share the cores with guests and everything else on the node."""
        self.cores.set_load(0.0, 1.0 / times.scale)
        self.disk = HostDisk(place, self.cores, times)
        self.domains: dict[str, Domain] = {}
        """By server uuid; shut off ones stay defined."""
        self.demand: dict[str, float] = {}
        """What tenants' programs want of their servers from the first boot on, by server: cores, and streams of disk
        requests."""
        self.on_event: Callable[[str, str], None] | None = None
        self.on_close: Callable[[int], None] | None = None
        self.on_open: Callable[[], None] | None = None
        self.lost = False
        """Whether the client's connection has broken, and it has not called anew since."""
        self.noise = Noise(self)
        self._starts: Counter[str] = Counter()
        """How often a qemu was started here, by domain."""
        self._held: list[tuple[str, str]] = []
        """Events of a hang, not delivered yet."""
        self._moving: Event | None = None
        self._resident = 0.0
        self._vcpus = 0
        self._memory = 0.0
        self._wanted = 0.0
        self._streams = 0.0
        self._cpu_seconds = 0.0
        self._looked = world.now
        self._told = 1.0
        """How slow the others on this host believe it to be."""

    # --- what happens to domains ---------------------------------------------------------------------------------

    def next_pid(self, uuid: str) -> int:
        """The process id of the next qemu of a domain."""
        self._starts[uuid] += 1
        return self.world.streams["pid"].integer(1200, 98000, self.name, uuid, self._starts[uuid])

    def enter(self, domain: Domain, state: DomainState, reason: str = "") -> None:
        """Change a domain's state, and what the host bears of it."""
        self._account()
        before, cpu, streams = domain.resident, domain.cpu, domain.streams
        was_active = domain.active
        domain.state, domain.reason = state, reason
        runs = state is DomainState.RUNNING
        domain.cpu = min(float(domain.vcpus), facts.GUEST_IDLE_CPU + domain.demand_cpu) if runs else 0.0
        overhead = facts.START_OVERHEAD * (domain.active - was_active)
        self._resident += domain.resident - before + overhead
        self._vcpus += domain.vcpus * (domain.active - was_active)
        self._memory += domain.memory * (domain.active - was_active)
        self._wanted += domain.cpu - cpu
        domain.streams = domain.demand_streams if runs else 0.0
        self._streams += domain.streams - streams
        self.load_changed()

    def reload(self, domain: Domain) -> None:
        """Its tenant's programs want more or less now."""
        self.enter(domain, domain.state, domain.reason)

    def run_domain(self, domain: Domain) -> None:
        """Let a domain's processors run: from its first instruction, or on from where they stood."""
        self.enter(domain, DomainState.RUNNING)
        if not domain.guest.running:
            domain.guest.on_boot = lambda: self._writes(domain)
            domain.guest.power_on()
        elif self.disk.full:
            self._blocked_later(domain)
        self.noise.arrived()

    def stopped(self, domain: Domain, reason: str) -> None:
        """A domain's qemu is gone. Event: Stopped."""
        self.unstick(domain)
        domain.guest.power_off()
        self.enter(domain, DomainState.SHUTOFF, reason)
        self.log(logs.SHUTTING_DOWN, reason)
        self.tell(domain.uuid, "Stopped")

    def _writes(self, domain: Domain) -> None:
        """What a guest writes to its disk on this host while it boots; one on a volume writes elsewhere."""
        path = f"{INSTANCES}/{domain.uuid}/disk"
        try:
            if 0.0 < self.disk.files.get(path, 0.0) < facts.BOOT_WRITES:
                self.disk.allocate(path, facts.BOOT_WRITES)
                self.disk.written += facts.BOOT_WRITES
        except NoSpaceLeft:
            self._blocked(domain)

    def _blocked(self, domain: Domain) -> None:
        """werror=enospc: qemu stops a guest whose write finds no room. Nobody resumes it. Event: Paused."""
        domain.stalls += 1
        self.enter(domain, DomainState.PAUSED, "io error")
        self.tell(domain.uuid, "Paused")

    def _blocked_later(self, domain: Domain) -> None:
        if f"{INSTANCES}/{domain.uuid}/disk" not in self.disk.files:
            return
        wait = self.world.streams["guest/enospc"].between(0.0, facts.ENOSPC_WITHIN, domain.uuid, domain.stalls)

        def write(_: Event) -> None:
            if domain.state is DomainState.RUNNING and self.disk.full and self.domains.get(domain.uuid) is domain:
                self._blocked(domain)

        self.clock.at(self.world.now + wait, write)

    def unstick(self, domain: Domain, killed: bool = True) -> None:
        """A qemu that answered nobody is killed, or answers again. With the last one the condition is over."""
        stuck, domain.stuck = domain.stuck, None
        if stuck is not None:
            stuck.succeed(killed)
            if not any(other.stuck for other in self.domains.values()):
                self.renew(frozenset({Layer.OS}), by="its qemu was killed")

    def _stick(self) -> None:
        """Guests stop answering under `stuck_guests`, and answer again when it is lifted."""
        wanted = int(self.value("stuck_guests"))
        stuck = [domain for domain in self.domains.values() if domain.stuck is not None]
        if wanted and not stuck:
            stream = self.world.streams["guest/stuck"]
            running = [domain for domain in self.domains.values() if domain.state is DomainState.RUNNING]
            for domain in sorted(running, key=lambda d: stream.uniform(d.uuid))[:wanted]:
                domain.stuck = self.clock.event()
        elif not wanted:
            for domain in stuck:
                self.unstick(domain, killed=False)

    def pause(self, domain: Domain) -> None:
        """Its processors stand still. Event: Paused."""
        self.enter(domain, DomainState.PAUSED)
        self.tell(domain.uuid, "Paused")

    def unpause(self, domain: Domain) -> None:
        """Its processors run on. Event: Resumed."""
        self.run_domain(domain)
        self.tell(domain.uuid, "Resumed")

    def take_in(self, domain: Domain) -> None:
        """A domain arrives from another host, running."""
        self.domains[domain.uuid] = domain
        domain.guest.moved(self.cores)
        self.enter(domain, DomainState.RUNNING)
        self.tell(domain.uuid, "Started")
        self.tell(domain.uuid, "Resumed")
        self.noise.arrived()

    def give_away(self, domain: Domain, target: Hypervisor) -> None:
        """A domain leaves for another host."""
        self.enter(domain, DomainState.SHUTOFF, "migrated")
        self.domains.pop(domain.uuid, None)
        self.log(logs.SHUTTING_DOWN, "migrated")
        self.noise.handed(domain.uuid, target)

    def tell(self, uuid: str, transition: str) -> None:
        """Send a life-cycle event to who listens."""
        if not self.up:
            return
        if self.value("libvirt_hang"):
            self._held.append((uuid, transition))
        elif self.on_event is not None:
            self.on_event(uuid, transition)

    # --- the host around it --------------------------------------------------------------------------------------

    def place_changed(self) -> None:
        self.load_changed()
        if self.disk.full:
            for domain in self.domains.values():
                if domain.state is DomainState.RUNNING:
                    self._blocked_later(domain)

    def load_changed(self) -> None:
        """Share cores and disk anew: guests, builds and strangers are there as they are now."""
        node = self.node
        others = sum(min(p.runnable_threads, p.core_limit) for p in node.processes() if p is not self)
        memory = host_slowdown(node.memory_used / node.memory, 0.0)
        self.cores.set_load(self._wanted + others + node.value("cpu_stress"), 1.0 / (memory * self.times.scale))
        self.disk.streams = self._streams
        self.disk.set_speed()
        slow = node.slowdown
        if abs(slow - self._told) > TELL_AT * self._told:
            self._told = slow
            for process in node.processes():
                if process is not self:
                    process.place_changed()

    @property
    def steal(self) -> float:
        """Share of the processor time wanted by guests that they do not get."""
        wanted = self.cores.at_work + self._wanted + self.node.value("cpu_stress")
        return max(0.0, 1.0 - self.node.cores / wanted) if wanted > 0 else 0.0

    @property
    def runnable_threads(self) -> float:
        return 0.05 + self.cores.at_work + self._wanted

    @property
    def resident_memory(self) -> float:
        return facts.LIBVIRT_RESIDENT + self._resident

    @property
    def largest(self) -> tuple[int, str, float]:
        """Its guests are processes of their own: the largest of them."""
        running = [domain for domain in self.domains.values() if domain.active]
        if not running:
            return super().largest
        domain = max(running, key=lambda d: d.resident)
        return (domain.pid, "qemu-system-x86", domain.resident + facts.START_OVERHEAD)

    # --- life ----------------------------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        yield self.clock.timeout(facts.LIBVIRT_STARTUP)
        self.log(logs.VERSION)
        self.log(logs.HOSTNAME, self.node.name)
        return True

    def restart_delay(self) -> float | None:
        return facts.SYSTEMD_RESTART

    def die(self, reason: str) -> None:
        if reason == "oom" and any(domain.active for domain in self.domains.values()):
            pid = self.largest[0]
            domain = next(d for d in self.domains.values() if d.active and d.pid == pid)
            self.log(logs.MONITOR_EOF)
            self.stopped(domain, "crashed")
            return
        super().die(reason)

    def on_down(self, reason: str) -> None:
        self._held.clear()
        self.release()
        connected, self.lost = not self.lost, True
        if connected and self.on_close is not None:
            self.on_close(1)  # VIR_CONNECT_CLOSE_REASON_EOF
        for domain in self.domains.values():
            domain.job = ""

    def stop(self, reason: str = "stopped") -> None:
        super().stop(reason)
        if reason in HOST_STOPS:
            for domain in self.domains.values():
                if domain.active:
                    self.unstick(domain)
                    domain.guest.power_off()
                    self.enter(domain, DomainState.SHUTOFF, "host")

    def conditions_changed(self) -> None:
        super().conditions_changed()
        if not self.value("libvirt_hang"):
            self.release()
            held, self._held = self._held, []
            for uuid, transition in held:
                self.tell(uuid, transition)
        self.noise.demand_changed()
        self._stick()

    def release(self) -> None:
        """Wake the calls that hang."""
        moving, self._moving = self._moving, None
        if moving is not None:
            moving.succeed()

    # --- telemetry -----------------------------------------------------------------------------------------------

    def _account(self) -> None:
        now = self.world.now
        self._cpu_seconds += self._wanted * (1.0 - self.steal) * (now - self._looked)
        self._looked = now

    @property
    def reachable(self) -> bool:
        """The exporter is a program of its own: it answers without libvirt, and says so."""
        return self.place_up and self.world.network.scraped(self)

    def sample(self) -> Sequence[float]:
        if not self.up or self.value("libvirt_hang"):
            return (0.0, *[float("nan")] * (len(METRICS) - 1))
        self._account()
        resident = self._resident
        return (1.0, len(self.domains), self._vcpus, self._memory, resident, self._cpu_seconds, self.disk.written)
