"""libvirt@HOST: the daemon through which nova-compute has guests made, and the guests of one host.

A call is a generator that takes host time and raises LibvirtError; the guests are qemu processes of their own, which
outlive the daemon and not the machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from simpy.events import Event

from twin.mechanics import hypervisor as facts
from twin.mechanics.host import host_slowdown
from twin.mechanics.layers import Layer
from twin.mechanics.openstack import STAGE_SPREAD
from twin.node import POWER_LOSS, Node
from twin.openstack.infrastructure import domains as logs
from twin.openstack.infrastructure import errors
from twin.openstack.infrastructure.disk import INSTANCES, HostDisk
from twin.openstack.infrastructure.domains import VIR_DOMAIN_STATE, Domain, DomainState
from twin.openstack.infrastructure.errors import LibvirtError, NoSpaceLeft
from twin.openstack.infrastructure.guests import GuestOS, Network
from twin.openstack.infrastructure.noise import Noise
from twin.openstack.infrastructure.sharing import ProcessorSharing, Steps
from twin.openstack.oslo.context import Context, draw
from twin.process import Process
from twin.telemetry.records import counter, gauge

if TYPE_CHECKING:
    from twin.world import World

HOST_STOPS = ("reboot", "power-cycle", "replace", POWER_LOSS)
"""Reasons for which the daemon goes down with its machine, guests and all."""

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


class Libvirt(Process):
    """libvirtd with its domains, one host's cores and disk as they share them.

    Listeners: `on_event(uuid, transition)` gets Started, Paused, Resumed and Stopped while the daemon runs (those of a
    hang come when it is over, those of an outage never); `on_close(reason)` is called when the connection breaks. The
    delay of Stopped is nova's.

    Every call raises LibvirtError: `broken` where nobody listens on the socket or the daemon goes away during the call;
    otherwise by libvirt's numbers. While the daemon hangs (`libvirt_hang`) no call returns.
    """

    kind: ClassVar[str] = "libvirt"
    layers = frozenset({Layer.PROCESS, Layer.CONTAINER, Layer.CONFIGURATION, Layer.DEMAND})
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
        self.disk = HostDisk(place, self.cores, times)
        self.domains: dict[str, Domain] = {}
        """By server uuid; shut off ones stay defined."""
        self.on_event: Callable[[str, str], None] | None = None
        self.on_close: Callable[[int], None] | None = None
        self.noise = Noise(self)
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

    # --- calls that change a domain ------------------------------------------------------------------------------

    def define_and_start(
        self,
        context: Context,
        uuid: str,
        name: str,
        memory: float,
        vcpus: int,
        ports: tuple[str, ...] = (),
        paused: bool = True,
        project: str = "",
    ) -> Steps:
        """Define a domain and start its qemu, paused as nova does while it waits for the network; return it.

        Events: Started, then Paused. Raises LibvirtError where the disk has no room for its definition.
        """
        yield from self.answering(self.pid)
        if self.disk.full:
            self._no_room(name)
        domain = self.domains.get(uuid)
        if domain is None:
            guest = GuestOS(self.world, uuid, self.cores, self.network, ports[0] if ports else "")
            domain = self.domains[uuid] = Domain(uuid, name, memory, vcpus, ports, project, guest)
        yield from self.create(context, uuid, paused)
        return domain

    def create(self, context: Context, uuid: str, paused: bool = False) -> Steps:
        """Start a defined domain (virDomainCreateWithFlags). Raises LibvirtError where it runs already."""

        def body(domain: Domain) -> Steps:
            if domain.active:
                text = "Requested operation is not valid: domain is already running"
                raise LibvirtError(text, errors.VIR_ERR_OPERATION_INVALID)
            life = self.pid
            yield from self.disk.compute(context, self.times.start_cpu)
            yield from self.disk.transfer(context, self.times.start_bytes, write=False)
            self._same(life)
            if self.disk.full:
                self._no_room(domain.name)
            domain.pid = self.world.streams["pid"].integer(1200, 98000, uuid, int(self.world.now * 1000))
            self.log(logs.STARTING_UP, self.node.name)
            self._enter(domain, DomainState.PAUSED)
            self._tell(uuid, "Started")
            if paused:
                yield self.clock.timeout(draw(self.world, context, self.times.pause, STAGE_SPREAD))
                self._tell(uuid, "Paused")
            else:
                self._run(domain)

        yield from self._change("remoteDispatchDomainCreateWithFlags", uuid, body)

    def resume_domain(self, context: Context, uuid: str) -> Steps:
        """Let the processors of a paused domain run. Event: Resumed. One paused for want of room pauses again."""

        def body(domain: Domain) -> Steps:
            if not domain.active:
                raise errors.not_running()
            yield from self.disk.compute(context, self.times.resume)
            if domain.state is DomainState.PAUSED:
                self.unpause(domain)

        yield from self._change("remoteDispatchDomainResume", uuid, body)

    def suspend_domain(self, context: Context, uuid: str) -> Steps:
        """Stop the processors of a running domain. Event: Paused."""

        def body(domain: Domain) -> Steps:
            if domain.state is not DomainState.RUNNING:
                raise errors.not_running()
            yield from self.disk.compute(context, self.times.resume)
            self.pause(domain)

        yield from self._change("remoteDispatchDomainSuspend", uuid, body)

    def destroy(self, context: Context, uuid: str) -> Steps:
        """Kill a domain's qemu; it stays defined. Event: Stopped. Raises LibvirtError where it does not run."""

        def body(domain: Domain) -> Steps:
            if not domain.active:
                raise errors.not_running()
            yield from self.disk.compute(context, self.times.destroy)
            self.stopped(domain, "destroyed")

        yield from self._change("remoteDispatchDomainDestroy", uuid, body)

    def undefine(self, context: Context, uuid: str) -> Steps:
        """Forget a domain that does not run."""

        def body(domain: Domain) -> Steps:
            yield from self.disk.compute(context, self.times.undefine)
            self.domains.pop(uuid, None)
            self.noise.left(uuid)

        yield from self._change("remoteDispatchDomainUndefineFlags", uuid, body)

    def shutdown(self, context: Context, uuid: str) -> Steps:
        """Press the guest's power button and return; a system that runs stops within seconds, another never does."""

        def body(domain: Domain) -> Steps:
            if domain.state is not DomainState.RUNNING:
                raise errors.not_running()
            yield from self.disk.compute(context, self.times.info)
            if domain.guest.booted:
                seconds = draw(self.world, context, facts.ACPI_SHUTDOWN, 0.2)
                pid = domain.pid

                def halted(_: Event) -> None:
                    if domain.pid == pid and domain.state is DomainState.RUNNING:
                        self.stopped(domain, "shutdown")

                self.clock.at(self.world.now + seconds, halted)

        yield from self._change("remoteDispatchDomainShutdown", uuid, body)

    def reset_domain(self, context: Context, uuid: str) -> Steps:
        """Press the guest's reset button: it boots anew within the same qemu (virDomainReset)."""

        def body(domain: Domain) -> Steps:
            if domain.state is not DomainState.RUNNING:
                raise errors.not_running()
            yield from self.disk.compute(context, self.times.info)
            domain.guest.power_on()

        yield from self._change("remoteDispatchDomainReset", uuid, body)

    def attach_device(self, context: Context, uuid: str, device: str) -> Steps:
        """Plug in a volume or an interface, by its id."""

        def body(domain: Domain) -> Steps:
            yield from self.disk.compute(context, self.times.attach)
            domain.devices.append(device)

        yield from self._change("remoteDispatchDomainAttachDeviceFlags", uuid, body)

    def detach_device(self, context: Context, uuid: str, device: str) -> Steps:
        """Take a device out. Raises LibvirtError (VIR_ERR_DEVICE_MISSING) where it is not there."""

        def body(domain: Domain) -> Steps:
            if device not in domain.devices:
                raise LibvirtError(f"device not found: no target device {device}", errors.VIR_ERR_DEVICE_MISSING)
            yield from self.disk.compute(context, self.times.detach)
            domain.devices.remove(device)

        yield from self._change("remoteDispatchDomainDetachDeviceFlags", uuid, body)

    # --- calls that ask ------------------------------------------------------------------------------------------

    def get_info(self, context: Context, uuid: str) -> Steps:
        """Return the Domain. Raises LibvirtError (VIR_ERR_NO_DOMAIN)."""
        life = self.pid
        yield from self.answering(life)
        domain = self.domain(uuid)
        yield self.clock.timeout(self.times.info)
        yield from self.answering(life)
        return domain

    def list_domains(self, context: Context) -> Steps:
        """Return the uuids of all domains, defined or running."""
        life = self.pid
        yield from self.answering(life)
        yield self.clock.timeout(self.times.info)
        yield from self.answering(life)
        return list(self.domains)

    def ping(self) -> Steps:
        """getLibVersion: does the connection work. Raises LibvirtError."""
        yield from self.answering(self.pid)

    def state_number(self, uuid: str) -> int:
        """virDomainState's number of a domain, without a call: for tests and exporters."""
        return VIR_DOMAIN_STATE[self.domain(uuid).state]

    # --- how a call goes -----------------------------------------------------------------------------------------

    def _change(self, api: str, uuid: str, body: Callable[[Domain], Steps]) -> Steps:
        life = self.pid
        yield from self.answering(life)
        domain = self.domain(uuid)
        yield from self.begin(domain, api)
        try:
            yield from body(domain)
        finally:
            self.finish(domain)
        yield from self.answering(life)

    def answering(self, life: int) -> Steps:
        """Pass while the daemon answers; wait while it hangs."""
        if not self.up:
            raise errors.refused()
        while self.value("libvirt_hang"):
            if self._moving is None:
                self._moving = self.clock.event()
            yield self._moving
            if not self.up:
                raise errors.reset()
        self._same(life)

    def _same(self, life: int) -> None:
        if self.pid != life or not self.up:
            raise errors.reset()

    def begin(self, domain: Domain, api: str) -> Steps:
        """Take the domain's job, or give up after `JOB_WAIT` seconds."""
        began = self.world.now
        while domain.job:
            turn = self.clock.event()
            domain.queue.append(turn)
            self._give_up_at(began + facts.JOB_WAIT, turn)
            if not (yield turn):
                waited = int(self.world.now - began)
                self.log(logs.CANNOT_START_JOB, api, domain.name, domain.job, waited)
                self.log(logs.LOCK_TIMED_OUT, domain.job)
                raise errors.locked(domain.job)
        domain.job = api

    def _give_up_at(self, time: float, turn: Event) -> None:
        def expire(_: Event) -> None:
            if not turn.triggered:
                turn.succeed(False)

        self.clock.at(time, expire)

    def finish(self, domain: Domain) -> None:
        """Give the domain's job back."""
        domain.job = ""
        waiting, domain.queue = domain.queue, []
        for turn in waiting:
            if not turn.triggered:
                turn.succeed(True)

    def domain(self, uuid: str) -> Domain:
        """The domain of a server. Raises LibvirtError."""
        if uuid not in self.domains:
            raise errors.no_domain(uuid)
        return self.domains[uuid]

    def _no_room(self, name: str) -> None:
        path = f"/etc/libvirt/qemu/{name}.xml.new"
        raise LibvirtError(f"cannot write data to file '{path}': No space left on device", errors.VIR_ERR_SYSTEM_ERROR)

    # --- what happens to domains ---------------------------------------------------------------------------------

    def _enter(self, domain: Domain, state: DomainState, reason: str = "") -> None:
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
        self._enter(domain, domain.state, domain.reason)

    def _run(self, domain: Domain) -> None:
        self._enter(domain, DomainState.RUNNING)
        if not domain.guest.running:
            domain.guest.on_boot = lambda: self._writes(domain)
            domain.guest.power_on()
        elif self.disk.full:
            self._blocked_later(domain)
        self.noise.arrived()

    def stopped(self, domain: Domain, reason: str) -> None:
        """A domain's qemu is gone. Event: Stopped."""
        domain.guest.power_off()
        self._enter(domain, DomainState.SHUTOFF, reason)
        self.log(logs.SHUTTING_DOWN, reason)
        self._tell(domain.uuid, "Stopped")

    def _writes(self, domain: Domain) -> None:
        """What a guest writes while it boots."""
        path = f"{INSTANCES}/{domain.uuid}/disk"
        try:
            if self.disk.files.get(path, 0.0) < facts.BOOT_WRITES:
                self.disk.allocate(path, facts.BOOT_WRITES)
                self.disk.written += facts.BOOT_WRITES
        except NoSpaceLeft:
            self._blocked(domain)

    def _blocked(self, domain: Domain) -> None:
        """werror=enospc: qemu stops a guest whose write finds no room. Nobody resumes it. Event: Paused."""
        self._enter(domain, DomainState.PAUSED, "io error")
        self._tell(domain.uuid, "Paused")

    def _blocked_later(self, domain: Domain) -> None:
        key = (domain.uuid, int(self.world.now))
        wait = self.world.streams["guest/enospc"].between(0.0, facts.ENOSPC_WITHIN, *key)

        def write(_: Event) -> None:
            if domain.state is DomainState.RUNNING and self.disk.full and self.domains.get(domain.uuid) is domain:
                self._blocked(domain)

        self.clock.at(self.world.now + wait, write)

    def pause(self, domain: Domain) -> None:
        """Its processors stand still. Event: Paused."""
        self._enter(domain, DomainState.PAUSED)
        self._tell(domain.uuid, "Paused")

    def unpause(self, domain: Domain) -> None:
        """Its processors run on. Event: Resumed."""
        self._run(domain)
        self._tell(domain.uuid, "Resumed")

    def take_in(self, domain: Domain) -> None:
        """A domain arrives from another host, running."""
        self.domains[domain.uuid] = domain
        domain.guest.moved(self.cores)
        self._enter(domain, DomainState.RUNNING)
        self._tell(domain.uuid, "Started")
        self._tell(domain.uuid, "Resumed")
        self.noise.arrived()

    def give_away(self, domain: Domain, target: Libvirt) -> None:
        """A domain leaves for another host."""
        self._enter(domain, DomainState.SHUTOFF, "migrated")
        self.domains.pop(domain.uuid, None)
        self.log(logs.SHUTTING_DOWN, "migrated")
        self.noise.handed(domain.uuid, target)

    def _tell(self, uuid: str, transition: str) -> None:
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
        self.cores.set_load(self._wanted + others + node.value("cpu_stress"), 1.0 / memory)
        self.disk.streams = self._streams
        self.disk.set_speed()

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
        self._release()
        if self.on_close is not None:
            self.on_close(1)  # VIR_CONNECT_CLOSE_REASON_EOF
        for domain in self.domains.values():
            domain.job = ""

    def stop(self, reason: str = "stopped") -> None:
        super().stop(reason)
        if reason in HOST_STOPS:
            for domain in self.domains.values():
                if domain.active:
                    domain.guest.power_off()
                    self._enter(domain, DomainState.SHUTOFF, "host")

    def conditions_changed(self) -> None:
        super().conditions_changed()
        if not self.value("libvirt_hang"):
            self._release()
            held, self._held = self._held, []
            for uuid, transition in held:
                self._tell(uuid, transition)
        self.noise.demand_changed()

    def _release(self) -> None:
        moving, self._moving = self._moving, None
        if moving is not None:
            moving.succeed()

    # --- telemetry -----------------------------------------------------------------------------------------------

    def _account(self) -> None:
        now = self.world.now
        self._cpu_seconds += self._wanted * (1.0 - self.steal) * (now - self._looked)
        self._looked = now

    def sample(self) -> Sequence[float]:
        if self.value("libvirt_hang"):  # the exporter's own connection hangs as well: the scrape comes back empty
            return (0.0, *[float("nan")] * (len(METRICS) - 1))
        self._account()
        resident = self._resident
        return (1.0, len(self.domains), self._vcpus, self._memory, resident, self._cpu_seconds, self.disk.written)
