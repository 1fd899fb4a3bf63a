"""The iSCSI initiator of one machine: its sessions, and what its kernel prints of them."""

from __future__ import annotations

from dataclasses import dataclass

from twin.node import Node
from twin.telemetry.records import Level, LogTemplate

REPLACEMENT_TIMEOUT = 120.0
"""open-iscsi's `node.session.timeo.replacement_timeout`: then what waits for the device fails."""
SECTOR = 512


def _kernel(id: str, level: Level, text: str) -> LogTemplate:
    return LogTemplate(id, "kernel", level, "kernel", text)


HOST = _kernel("iscsi.host", Level.INFO, "scsi host{}: iSCSI Initiator over TCP/IP")
FOUND = _kernel(
    "iscsi.found", Level.INFO, "scsi {}:0:0:0: Direct-Access     LIO-ORG  IBLOCK           4.0  PQ: 0 ANSI: 6"
)
SIZE = _kernel("iscsi.size", Level.INFO, "sd {}:0:0:0: [{}] {} 512-byte logical blocks: ({:.2f} GB/{:.2f} GiB)")
ATTACHED = _kernel("iscsi.attached", Level.INFO, "sd {}:0:0:0: [{}] Attached SCSI disk")
FLUSHED = _kernel("iscsi.flushed", Level.INFO, "sd {}:0:0:0: [{}] Synchronizing SCSI cache")
CONNECTION_ERROR = _kernel("iscsi.connection-error", Level.WARNING, " connection{}:0: detected conn error (1020)")
RECOVERY_TIMED_OUT = _kernel("iscsi.recovery", Level.WARNING, " session{}: session recovery timed out after 120 secs")
REJECTING = _kernel("iscsi.rejecting", Level.ERROR, "sd {}:0:0:0: rejecting I/O to offline device")
IO_ERROR = _kernel(
    "iscsi.io-error",
    Level.ERROR,
    "blk_update_request: I/O error, dev {}, sector {} op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 0",
)


@dataclass(slots=True)
class Session:
    """A login to the target of one volume."""

    number: int
    disk: str
    """Its device, such as sdb."""
    outages: int = 0

    @property
    def host(self) -> int:
        """Number of its SCSI host: the first ones are the machine's own controllers."""
        return self.number + 1


class Initiator:
    """Sessions by volume. The kernel of a machine that boots has none."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._sessions: dict[str, Session] = {}
        self._numbered = 0
        self._booted = node.booted

    @property
    def sessions(self) -> dict[str, Session]:
        """By volume."""
        if self._booted != self.node.booted:
            self._booted, self._sessions, self._numbered = self.node.booted, {}, 0
        return self._sessions

    def log_in(self, volume: str, size: float) -> Session:
        """A session begins, and the kernel finds its disk. Logging in twice changes nothing."""
        session = self.sessions.get(volume)
        if session is None:
            self._numbered += 1
            session = Session(self._numbered, f"sd{_letters(self._numbered)}")
            self.sessions[volume] = session
            host, disk, log = session.host, session.disk, self.node.log
            log(HOST, host)
            log(FOUND, host)
            log(SIZE, host, disk, int(size / SECTOR), size / 1e9, size / 2**30)
            log(ATTACHED, host, disk)
        return session

    def log_out(self, volume: str) -> None:
        """A session ends in order."""
        session = self.sessions.pop(volume, None)
        if session is not None:
            self.node.log(FLUSHED, session.host, session.disk)

    def lost(self, volume: str) -> int:
        """The target closed the connection; return the number of this outage of the session, 0 without a session."""
        session = self.sessions.get(volume)
        if session is None or not self.node.up:
            return 0
        session.outages += 1
        self.node.log(CONNECTION_ERROR, session.number)
        return session.outages

    def given_up(self, volume: str, outage: int) -> None:
        """The replacement time-out is over in the same outage: what waited fails."""
        session = self.sessions.get(volume)
        if session is None or session.outages != outage or not self.node.up:
            return
        self.node.log(RECOVERY_TIMED_OUT, session.number)
        self.node.log(REJECTING, session.host)
        sector = self.node.world.streams["iscsi/sector"].integer(2048, 2_000_000, volume, outage)
        self.node.log(IO_ERROR, session.disk, sector // 8 * 8)


def _letters(number: int) -> str:
    """b, c … z, aa, ab …: a is the machine's own disk."""
    return chr(ord("a") + number) if number < 26 else chr(ord("a") + number // 26 - 1) + chr(ord("a") + number % 26)
