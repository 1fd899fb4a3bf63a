"""The kernel driver of one GPU: what it notices, prints, takes away from processes and asks operators for.

Nobody tells the driver a number: it meets a physical condition and does what the real one does then. What it prints
goes to the node's kernel log; DCGM shows the last XID.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twin.inference.messages import nvrm
from twin.mechanics.gpu_link import nvlinks
from twin.mechanics.gpu_memory import ERROR_STORM
from twin.mechanics.gpu_recovery import NO_CONTEXTS, Recovery, recovery
from twin.process import Process
from twin.telemetry.records import LogTemplate

if TYPE_CHECKING:
    from twin.inference.gpu import Gpu

RPC_TIMEOUT = 6.0
"""Seconds that the driver waits for the GPU System Processor, as its message says."""

CHANNELS = 3
"""Channels of a context that are torn down with a message each (assumed: compute and two copy engines)."""

MONITOR = "nv-hostengine"
"""DCGM's daemon: the process that asks the GPU System Processor most often."""

RPCS = ((76, "GSP_RM_CONTROL"), (103, "GSP_RM_ALLOC"), (10, "FREE"), (76, "GSP_RM_CONTROL"))
"""Functions that a monitor calls, in turn."""


class Driver:
    """Reacts to conditions of its GPU, once each."""

    def __init__(self, gpu: Gpu, pci: str, uuid: str) -> None:
        self._gpu = gpu
        self._pci = pci
        self._uuid = uuid
        self.last_xid = 0
        self.double_bit_errors = 0
        """Uncorrectable errors since the driver was loaded."""
        self._met: set[str] = set()
        self._waiting: set[str] = set()
        self._recovery = Recovery.NONE
        self._introduced = False
        self._reports = 0

    @property
    def refuses(self) -> bool:
        """Whether it gives out no new context."""
        return any(name in self._met for name in NO_CONTEXTS)

    @property
    def met(self) -> frozenset[str]:
        """Parameters of the conditions that it has noticed and that are still there."""
        return frozenset(self._met)

    def look(self) -> None:
        """Notice what is new, forget what is gone."""
        gpu = self._gpu
        if gpu.place is not None and not gpu.place.up:
            return  # the kernel that it is part of does not run
        self._met = {name for name in self._met if gpu.value(name)}
        for name, reaction in _REACTIONS.items():
            if name not in self._met and "off_bus" not in self._met and gpu.value(name) and reaction(self):
                self._met.add(name)
        self._judge()

    def context_opened(self) -> None:
        """A process has filled device memory: what is wrong with the memory or its context is met (again)."""
        self._met.discard("no_spare_rows")
        self.look()

    def loaded(self, enumerated: bool) -> None:
        """The device was reset and the driver initialised it. `enumerated`: the bus was searched for it as well."""
        if self._gpu.off_bus and not enumerated:
            return  # there is nothing to initialise; nvidia-smi refuses
        self.last_xid = self.double_bit_errors = 0
        self._met, self._waiting = ({"off_bus"} if self._gpu.off_bus else set()), set()
        self._recovery, self._introduced = Recovery.NONE, False
        self.look()

    # --- reactions: they return whether the condition has been met ------------------------------------------------

    def _off_bus(self) -> bool:
        self._xid(79, nvrm.OFF_BUS)
        self._print(nvrm.OFF_BUS_DEVICE)
        self._kill_all()
        return True

    def _illegal_instruction(self) -> bool:
        client = self._client()
        if client is None:
            return False
        unit = self._draw(0, 5, "tpc")
        for sm in (0, 1):
            self._xid(13, nvrm.WARP_EXCEPTION, 0, unit, sm)
            register = 0x504000 + 0x800 * unit + 0x80 * sm
            self._xid(13, nvrm.EXCEPTION_STATUS, register + 0x730, 0x9 + sm, register + 0x734, register + 0x728)
        self._of(13, nvrm.EXCEPTION_CHANNEL, client, self._channel(client))
        self._of(43, nvrm.STOPPED, client, self._channel(client))
        client.die("CUDA error")
        return True

    def _illegal_address(self) -> bool:
        client = self._client()
        if client is None:
            return False
        gpc, unit = self._draw(0, 6, "gpc"), self._draw(0, 15, "client")
        high, low = self._draw(0x7E00, 0x7FFF, "high"), self._draw(0, 0xFFFFF, "low") << 12
        self._of(31, nvrm.MMU_FAULT, client, self._channel(client), gpc, unit, high, low)
        client.die("CUDA error")
        return True

    def _software_exception(self) -> bool:
        client = self._client()
        if client is None:
            return False
        self._of(43, nvrm.STOPPED, client, self._channel(client))
        client.die("CUDA error")
        return True

    def _context_removed(self) -> bool:
        client = self._client()
        if client is None:
            return False
        self._clean_up(client)
        self.last_xid = 45
        client.die("CUDA error")
        return True

    def _row_to_remap(self) -> bool:
        if self._gpu.value("poisoned_page"):
            if self._client() is None:
                return False
            self._double_bit()
        self._xid(63, nvrm.ROW_MARKED, self._address())
        return True

    def _no_spare_rows(self) -> bool:
        client = self._client()
        if client is None:
            return False
        self._double_bit()
        self._xid(64, nvrm.ROW_FAILED, self._address())
        self._of(94, nvrm.CONTAINED_CHANNEL, client, self._channel(client))
        client.die("CUDA error")
        return True

    def _poisoned_page(self) -> bool:
        client = self._client()
        if client is None:
            return False
        if self._gpu.value("row_to_remap"):  # the page was in memory: every channel that could read it is stopped
            for i in range(CHANNELS):
                self._of(94, nvrm.CONTAINED_CHANNEL, client, self._channel(client) + i)
        else:
            self._of(94, nvrm.CONTAINED, client)
        client.die("CUDA error")
        return True

    def _correctable_errors(self) -> bool:
        if self._gpu.value("correctable_errors") >= ERROR_STORM:
            self._xid(92, nvrm.SINGLE_BIT_STORM, self._draw(0, 15, "partition"))
        return True

    def _uncontained_error(self) -> bool:
        self.double_bit_errors += 1
        for client in self._gpu.clients or (None,):
            self._of(95, nvrm.UNCONTAINED, client)
        self._kill_all()
        return True

    def _context_switch_hang(self) -> bool:
        client = self._client()
        if client is None:
            return False
        self._of(109, nvrm.SWITCH_TIMEOUT, client, self._channel(client), 0x58000 + self._draw(0, 15, "info"))
        self._kill_all()
        return True

    def _nvlink_down(self) -> bool:
        links = nvlinks(self._gpu.model)
        if not links:
            return True  # there is no such link, and nobody to notice
        for i in range(min(links, int(self._gpu.value("nvlink_down")))):
            link = (self._draw(0, links - 1, "link") + i) % links
            switch, port = self._draw(0, 3, "switch"), self._draw(0, 63, "port")
            self._print(nvrm.SWITCH_FATAL, switch, f"0000:{0xC1 + switch:02x}:00", port, pci=False)
            self._print(nvrm.SWITCH_SEVERITY, switch, f"0000:{0xC1 + switch:02x}:00", port, pci=False)
            self._xid(74, nvrm.NVLINK_FATAL, link)
        return True

    def _gsp_silent(self) -> bool:
        """The next call to the processor hangs; the driver gives up on it after its timeout."""
        if "gsp_silent" not in self._waiting:
            self._waiting.add("gsp_silent")
            self._gpu.world.clock.at(self._gpu.world.now + RPC_TIMEOUT, lambda _: self._rpc_timed_out())
        return False

    def _rpc_timed_out(self) -> None:
        if "gsp_silent" not in self._waiting:
            return  # the device was reset meanwhile
        self._waiting.discard("gsp_silent")
        if not self._gpu.value("gsp_silent") or self._gpu.off_bus or "gsp_silent" in self._met:
            return
        self._met.add("gsp_silent")
        index, (number, function) = self._gpu.index, RPCS[0]
        command = 0x2080A000 + self._draw(0, 0xFFF, "command")
        pid = self._draw(900, 4000, "monitor")
        self._introduce()
        self.last_xid = 119
        self._print(nvrm.GSP_TIMEOUT, pid, MONITOR, index, number, function, command, 0x490)
        self._print(nvrm.RPC_BUFFER, index, number, function, command, 0x490, pci=False)
        self._print(nvrm.RPC_HISTORY, index, pci=False)
        self._print(nvrm.RPC_COLUMNS, pci=False)
        stamp = int((self._gpu.world.epoch + self._gpu.world.now - RPC_TIMEOUT) * 1e6)
        self._print(nvrm.RPC_PENDING, number, function, command, 0x490, stamp, pci=False)
        for i in range(1, 8):
            took = self._draw(350, 1300, f"took {i}")
            stamp -= 20 * took
            number, function = RPCS[i % len(RPCS)]
            data = (0x2080A000 + self._draw(0, 0xFFF, f"data {i}"), 0x490)
            self._print(nvrm.RPC_DONE, i, number, function, *data, stamp, stamp + took, took, pci=False)
        self._kill_all()
        self._judge()
        self._gpu.failed()

    def _gsp_fault(self) -> bool:
        self._xid(120, nvrm.GSP_CRASH, 0x1000000 + self._draw(0, 0x7FFFFF, "pc"))
        self._kill_all()
        return True

    # --- what they share ------------------------------------------------------------------------------------------

    def _client(self) -> Process | None:
        """The process whose context is at work, if there is one."""
        clients = self._gpu.clients
        return clients[0] if clients and self._gpu.memory_used else None

    def _kill_all(self) -> None:
        for client in self._gpu.clients:
            self._clean_up(client)
            client.die("CUDA error")

    def _clean_up(self, client: Process) -> None:
        """Take a process's channels away. DCGM keeps the XID that made it necessary (assumed, as for 154 below)."""
        self._introduce()
        for i in range(CHANNELS):
            self._print(nvrm.REMOVED, client.pid, client.program, self._channel(client) + i)

    def _double_bit(self) -> None:
        self.double_bit_errors += 1
        address = self._address()
        self._xid(48, nvrm.DOUBLE_BIT, address, (address >> 12) % 24, (address >> 10) % 4)

    def _judge(self) -> None:
        """Tell operators when what the driver asks them for has changed."""
        wanted = recovery(self._met)
        before, self._recovery = self._recovery, wanted
        if wanted is not before and wanted is not Recovery.NONE:
            self._print(nvrm.RECOVERY_ACTION, *before.value, *wanted.value)

    def _xid(self, number: int, template: LogTemplate, *args: Any) -> None:
        self._introduce()
        self._print(template, *args)
        self.last_xid = number

    def _of(self, number: int, template: LogTemplate, client: Process | None, *args: Any) -> None:
        """An XID that names a process."""
        who = ("'<unknown>'", "<unknown>") if client is None else (client.pid, client.program)
        self._xid(number, template, *who, *args)

    def _introduce(self) -> None:
        if not self._introduced:
            self._introduced = True
            self._print(nvrm.IDENTITY, self._uuid)

    def _print(self, template: LogTemplate, *args: Any, pci: bool = True) -> None:
        if self._gpu.place is not None:
            self._gpu.place.log(template, *((self._pci,) if pci else ()), *args)

    def _channel(self, client: Process) -> int:
        return 8 + self._gpu.world.streams["nvrm"].integer(0, 40, self._gpu.name, client.pid)

    def _address(self) -> int:
        """Where the damaged row is: the same on every report of one life of the driver."""
        size = int(self._gpu.model.memory)
        return self._gpu.world.streams["nvrm"].integer(0, size >> 5, self._gpu.name, "row") << 5

    def _draw(self, low: int, high: int, what: str) -> int:
        self._reports += 1
        return self._gpu.world.streams["nvrm"].integer(low, high, self._gpu.name, what, self._reports)


_REACTIONS: dict[str, Callable[[Driver], bool]] = {
    "off_bus": Driver._off_bus,
    "nvlink_down": Driver._nvlink_down,
    "no_spare_rows": Driver._no_spare_rows,
    "row_to_remap": Driver._row_to_remap,
    "poisoned_page": Driver._poisoned_page,
    "correctable_errors": Driver._correctable_errors,
    "uncontained_error": Driver._uncontained_error,
    "context_switch_hang": Driver._context_switch_hang,
    "gsp_fault": Driver._gsp_fault,
    "gsp_silent": Driver._gsp_silent,
    "illegal_instruction": Driver._illegal_instruction,
    "illegal_address": Driver._illegal_address,
    "software_exception": Driver._software_exception,
    "context_removed": Driver._context_removed,
}
"""What the driver does when it meets a condition, in the order in which it looks at simultaneous ones."""
