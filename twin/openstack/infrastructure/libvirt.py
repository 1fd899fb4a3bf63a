"""libvirt@HOST: the daemon through which nova-compute has guests made.

Each call is a generator that takes host time and raises LibvirtError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simpy.events import Event

from twin.mechanics import hypervisor as facts
from twin.mechanics.openstack import STAGE_SPREAD
from twin.openstack.infrastructure import domains as logs
from twin.openstack.infrastructure import errors
from twin.openstack.infrastructure.domains import VIR_DOMAIN_STATE, Domain, DomainState
from twin.openstack.infrastructure.errors import LibvirtError
from twin.openstack.infrastructure.guests import GuestOS
from twin.openstack.infrastructure.hypervisor import Hypervisor
from twin.openstack.infrastructure.sharing import Steps
from twin.openstack.oslo.context import Context, draw


@dataclass(frozen=True, slots=True)
class HostInfo:
    """What a host has and uses, as libvirt and the file system say: MiB of memory, GiB of disk."""

    vcpus: int
    memory_mb: int
    memory_mb_used: int
    local_gb: int
    local_gb_used: int
    running_vms: int


class Libvirt(Hypervisor):
    """libvirtd: what nova's driver calls.

    Every call raises LibvirtError: `broken` where nobody listens on the socket or the daemon goes away during the call;
    otherwise by libvirt's numbers. While the daemon hangs (`libvirt_hang`) no call returns. One call at a time changes
    a domain; another one waits for it, at most 30 s.
    """

    _nameless = 0
    """Definitions that came without a uuid."""

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
        devices: tuple[str, ...] = (),
        disk: str = "",
        start: bool = True,
    ) -> Steps:
        """Define a domain and start its qemu, paused as nova does while it waits for the network; return it.

        Events: Started, then Paused. Raises LibvirtError where the disk has no room for its definition, or the
        definition makes no sense.
        """
        yield from self.answering(self.pid)
        for element, value in (("memory", memory), ("vcpu", vcpus)):
            if not isinstance(value, (int, float)) or value <= 0:
                raise errors.invalid(element, value)
        if uuid is None:  # a definition without one gets one
            self._nameless += 1
            uuid = self.world.streams["libvirt/uuid"].uuid(self.name, self._nameless)
        if self.disk.full:
            self._no_room(name)
        domain = self.domains.get(uuid)
        if domain is None:
            guest = GuestOS(self.world, uuid, self.cores, self.network, ports[0] if ports else "")
            domain = self.domains[uuid] = Domain(uuid, name, memory, vcpus, ports, project, guest)
            domain.devices.extend(devices)
            domain.demand_cpu = domain.demand_streams = self.demand.get(uuid, 0.0)
            if uuid in self.noise.loud:
                self.noise.demand_changed()
        else:  # defined anew
            domain.memory, domain.vcpus, domain.ports = memory, vcpus, ports
            domain.devices[:] = devices
        domain.disk = disk
        if start:
            yield from self.create(context, uuid, paused)
        return domain

    def create(self, context: Context, uuid: str, paused: bool = False) -> Steps:
        """Start a defined domain (virDomainCreateWithFlags). Raises LibvirtError where it runs already."""

        def body(domain: Domain) -> Steps:
            if domain.active:
                text = "Requested operation is not valid: domain is already running"
                raise LibvirtError(text, errors.VIR_ERR_OPERATION_INVALID)
            life = self.pid
            if domain.disk and not self.disk.holds(domain.disk):
                raise errors.no_such_file(domain.disk)
            yield from self.disk.compute(context, self.times.start_cpu)
            yield from self.disk.transfer(context, self.times.start_bytes, write=False)
            self._same(life)
            if self.disk.full:
                self._no_room(domain.name)
            domain.pid = self.next_pid(uuid)
            self.log(logs.STARTING_UP, self.node.name)
            self.enter(domain, DomainState.PAUSED)
            self.tell(uuid, "Started")
            if paused:
                yield self.clock.timeout(draw(self.world, context, self.times.pause, STAGE_SPREAD))
                self.tell(uuid, "Paused")
            else:
                self.run_domain(domain)

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
        """Kill a domain's qemu; it stays defined. Event: Stopped. Raises LibvirtError where it does not run.

        One that answers nobody is killed, too: the calls that wait for it end.
        """
        stuck = self.domains.get(uuid)
        if stuck is not None and stuck.stuck is not None and self.up and not self.value("libvirt_hang"):
            self.unstick(stuck)

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
            self.noise.undefined(uuid)

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

    def host_info(self, context: Context) -> Steps:
        """Return the HostInfo that a resource audit asks for."""
        life = self.pid
        yield from self.answering(life)
        yield self.clock.timeout(self.times.info)
        yield from self.answering(life)
        node = self.node
        return HostInfo(
            node.cores,
            int(node.memory / 2**20),
            int(node.memory_used / 2**20),
            int(node.disk_size / 2**30),
            int((node.disk_size - node.disk_available) / 2**30),
            sum(domain.active for domain in self.domains.values()),
        )

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
            if domain.stuck is not None and (yield domain.stuck):
                raise errors.gone()
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
        if self.lost:
            self.lost = False
            if self.on_open is not None:
                self.on_open()

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
