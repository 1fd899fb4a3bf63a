"""A GPU and its driver: power, clock, temperature, XIDs, as DCGM and the kernel log show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twin.components import Component
from twin.mechanics.gpu_power import clock_ratio, power, target_temperature, temperature_after
from twin.mechanics.hardware import Gpu as GpuModel
from twin.mechanics.layers import Layer
from twin.process import Process
from twin.telemetry.records import Level, LogTemplate, counter, gauge

if TYPE_CHECKING:
    from twin.world import World

IDENTITY = LogTemplate("nvrm.gpu", "kernel", Level.INFO, "kernel", "NVRM: GPU at PCI:{}: GPU-{}")
OFF_BUS = LogTemplate(
    "nvrm.xid79",
    "kernel",
    Level.ERROR,
    "kernel",
    "NVRM: Xid (PCI:{}): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
)
CLEANUP = LogTemplate(
    "nvrm.xid45",
    "kernel",
    Level.ERROR,
    "kernel",
    "NVRM: Xid (PCI:{}): 45, pid={}, name={}, Ch {:08x}, Preemptive removal",
)

XID_OFF_BUS = 79
AMBIENT_TEMPERATURE = 32.0
"""Core temperature of an idle GPU (C)."""


class Gpu(Component):
    """One GPU with its kernel driver.

    The driver's settings are on layer SETTINGS, the device's volatile state on GPU, the PCIe link on BUS.
    What the driver logs goes to the node's kernel log.
    """

    kind = "gpu"
    layers = frozenset({Layer.CONTEXT, Layer.SETTINGS, Layer.GPU, Layer.FIRMWARE, Layer.BUS, Layer.BOARD})
    metrics = (
        gauge("DCGM_FI_DEV_SM_CLOCK", "MHz", "enriched"),
        gauge("DCGM_FI_DEV_POWER_USAGE", "W", "enriched"),
        gauge("DCGM_FI_DEV_GPU_TEMP", "C"),
        gauge("DCGM_FI_DEV_GPU_UTIL", "%"),
        gauge("DCGM_FI_DEV_FB_USED", "MiB"),
        gauge("DCGM_FI_DEV_XID_ERRORS"),
        counter("DCGM_FI_DEV_POWER_VIOLATION", "ns", "enriched"),
    )

    def __init__(self, world: World, name: str, place: Component, model: GpuModel) -> None:
        super().__init__(world, name, place)
        self.model = model
        self.memory_used = 0.0
        """Bytes allocated on the device."""
        self.running = 0
        """Requests in the engine's batch."""
        self._off_bus = False
        self._last_xid = 0
        self._clocks: dict[float, float] = {}
        self._busy = self._energy = self._clocked = self._throttled = 0.0
        self._sampled = 0.0
        self._shown = (0.0, 1.0, model.idle_power)
        self._temperature = AMBIENT_TEMPERATURE
        self._pci = f"0000:{world.streams['pci'].integer(1, 200, name):02x}:00"

    @property
    def off_bus(self) -> bool:
        """Whether the device does not answer on PCIe."""
        return self._off_bus

    def clock(self, activity: float) -> float:
        """Clock ratio for work of that activity under the present power limit."""
        ratio = self._clocks.get(activity)
        if ratio is None:
            ratio = self._clocks[activity] = clock_ratio(self.model, self.value("power_limit"), activity)
        return ratio

    def ran(self, seconds: float, activity: float) -> None:
        """A kernel of that activity was resident for `seconds`."""
        clock = self.clock(activity)
        self._busy += seconds
        self._energy += seconds * (power(self.model, clock, activity) - self.model.idle_power)
        self._clocked += seconds * clock
        if clock < 1.0:
            self._throttled += seconds

    def conditions_changed(self) -> None:
        self._settle_clients()  # what has run until now ran at the old clock
        self._clocks.clear()
        lost = bool(self.value("off_bus"))
        clients = [r for r in self.residents if isinstance(r, Process) and r.up]
        if lost and not self._off_bus:
            self._off_bus = True
            self._report_loss(clients)
        elif not lost and self._off_bus:
            self._off_bus = False
            self._last_xid = 0
        for client in clients:
            client.place_changed()

    def brought_back(self, action: str) -> None:
        if not self._off_bus:
            self._last_xid = 0  # the driver was loaded anew

    def sample(self) -> Sequence[float]:
        self._settle_clients()
        elapsed = self.world.now - self._sampled
        if elapsed > 0:
            share = min(1.0, self._busy / elapsed)
            spread = max(elapsed, self._busy)  # a step that began before the last sample counts where it ends
            clock = self._clocked / self._busy if self._busy else 1.0
            self._shown = (share, clock, self.model.idle_power + self._energy / spread)
            target = target_temperature(share, self.running) if share else AMBIENT_TEMPERATURE
            self._temperature = temperature_after(self._temperature, target, elapsed)
            self._busy = self._energy = self._clocked = 0.0
            self._sampled = self.world.now
        if self._off_bus:  # DCGM keeps the last XID of a lost device and has no value for the rest
            return (math.nan, math.nan, math.nan, math.nan, math.nan, self._last_xid, math.nan)
        share, clock, watts = self._shown
        return (
            round(self.model.clock * clock),
            watts,
            round(self._temperature),
            round(100.0 * share),
            self.memory_used / 2**20,
            self._last_xid,
            self._throttled * 1e9,
        )

    def _settle_clients(self) -> None:
        for client in self.residents:
            if isinstance(client, Process):
                client.settle()

    def _report_loss(self, clients: list[Process]) -> None:
        self._last_xid = XID_OFF_BUS
        if self.place is None:
            return
        uuid = self.world.streams["gpu"].uuid(self.name)
        self.place.log(IDENTITY, self._pci, uuid)
        self.place.log(OFF_BUS, self._pci)
        for i, client in enumerate(clients):
            self.place.log(CLEANUP, self._pci, client.pid, client.program, i + 8)
