"""Libvirt's domains: the virtual machines of one host, and what is printed about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from simpy.events import Event

from twin.openstack.infrastructure.guests import GuestOS
from twin.telemetry.records import Level, LogTemplate


class DomainState(StrEnum):
    """virDomainState, as far as qemu's domains reach it."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUTDOWN = "in shutdown"
    SHUTOFF = "shut off"
    CRASHED = "crashed"


VIR_DOMAIN_STATE: dict[DomainState, int] = {
    DomainState.RUNNING: 1,
    DomainState.PAUSED: 3,
    DomainState.SHUTDOWN: 4,
    DomainState.SHUTOFF: 5,
    DomainState.CRASHED: 6,
}
"""virDomainState's numbers."""


@dataclass(slots=True, eq=False)
class Domain:
    """One domain: its definition, its qemu process and the guest in it. Memory in bytes, CPU in cores."""

    uuid: str
    name: str
    """Such as instance-0000000a."""
    memory: float
    vcpus: int
    ports: tuple[str, ...]
    project: str
    guest: GuestOS
    touched: float = 0.35
    """Share of its memory that the guest has touched."""
    state: DomainState = DomainState.SHUTOFF
    reason: str = ""
    """Why it is in that state: `io error` after a write that found no room."""
    pid: int = 0
    cpu: float = 0.0
    """Cores that it wants now."""
    streams: float = 0.0
    """Streams of requests that it keeps going on the host's disk."""
    demand_cpu: float = 0.0
    demand_streams: float = 0.0
    """What its tenant's programs want beyond an idle system's: cores, and streams of requests to the disk."""
    stalls: int = 0
    """Writes that have found no room."""
    stuck: Event | None = None
    """Its qemu does not answer: calls wait for the event, whose value is whether qemu was killed."""
    disk: str = ""
    """The file of its disk; none where it boots from a volume."""
    devices: list[str] = field(default_factory=list)
    """Devices attached later: volumes and interfaces by id."""
    job: str = ""
    """The call that changes it now: libvirt lets one at a time."""
    queue: list[Event] = field(default_factory=list)

    @property
    def active(self) -> bool:
        """Whether there is a qemu process."""
        return self.state in (DomainState.RUNNING, DomainState.PAUSED, DomainState.SHUTDOWN)

    @property
    def resident(self) -> float:
        """Bytes of host memory that its guest has touched."""
        return self.memory * self.touched if self.active else 0.0


def _libvirtd(id: str, level: Level, origin: str, text: str) -> LogTemplate:
    return LogTemplate(id, "libvirt", level, origin, text)


VERSION = _libvirtd("libvirt.version", Level.INFO, "", "libvirt version: 8.0.0, package: 1ubuntu7.10 (Ubuntu)")
HOSTNAME = _libvirtd("libvirt.hostname", Level.INFO, "", "hostname: {}")
CLIENT_GONE = _libvirtd(
    "libvirt.client-gone",
    Level.ERROR,
    "virNetSocketReadWire:1791",
    "End of file while reading data: Input/output error",
)
MONITOR_EOF = _libvirtd(
    "libvirt.monitor-eof", Level.ERROR, "qemuMonitorIO:577", "internal error: End of file from qemu monitor"
)
CANNOT_START_JOB = _libvirtd(
    "libvirt.no-job",
    Level.WARNING,
    "qemuDomainObjBeginJobInternal:852",
    "Cannot start job (modify, none, none) in API {} for domain {}; current job is (modify, none, none) owned by "
    "(0 {}, 0 <null>, 0 <null> (flags=0x0)) for ({}s, 0s, 0s)",
)
LOCK_TIMED_OUT = _libvirtd(
    "libvirt.lock",
    Level.ERROR,
    "qemuDomainObjBeginJobInternal:874",
    "Timed out during operation: cannot acquire state change lock (held by monitor={})",
)
NO_ROOM = _libvirtd("libvirt.no-room", Level.ERROR, "virFileRewrite:575", "cannot write data to file '{}': {}")


def _qemu(id: str, text: str) -> LogTemplate:
    return LogTemplate(id, "libvirt-qemu", Level.INFO, "", text)


STARTING_UP = _qemu(
    "qemu.starting",
    "starting up libvirt version: 8.0.0, package: 1ubuntu7.10 (Ubuntu), qemu version: 6.2.0Debian "
    "1:6.2+dfsg-2ubuntu6.24, kernel: 5.15.0-119-generic, hostname: {}",
)
SHUTTING_DOWN = _qemu("qemu.shutting-down", "shutting down, reason={}")
