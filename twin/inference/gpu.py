"""A GPU: what it can do under its conditions, what it has done, and what DCGM shows of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twin.components import Component
from twin.inference.dcgm import FIELDS
from twin.inference.gpu_driver import Driver
from twin.inference.gpu_meter import Draw, Meter
from twin.mechanics.conditions import Condition
from twin.mechanics.gpu_clocks import ClockEvent, clock_events, hardware_events
from twin.mechanics.gpu_link import nvlinks
from twin.mechanics.gpu_memory import RESERVED_SHARE, memory_clock
from twin.mechanics.gpu_power import DECODE_ACTIVITY, PREFILL_ACTIVITY, clock_ratio, power, slowed
from twin.mechanics.gpu_thermal import (
    CONTROL_SECONDS,
    INLET_SPREAD,
    INLET_TEMPERATURE,
    SLOWDOWN,
    can_overheat,
    governed_clock,
)
from twin.mechanics.hardware import Gpu as GpuModel
from twin.mechanics.layers import Layer
from twin.process import Process, State

if TYPE_CHECKING:
    from twin.world import World

DECODE_TENSOR, PREFILL_TENSOR = 0.06, 0.80
DECODE_MEMORY, PREFILL_MEMORY = 0.75, 0.30
"""Shares of a kernel's time in which the tensor pipe and the memory interface are active (assumed; a decode step
streams weights, a prefill step multiplies)."""


ALIVE = (State.STARTING, State.RUNNING, State.DRAINING)


class Gpu(Component):
    """One GPU with its kernel driver.

    The driver's settings are on layer SETTINGS, contexts on CONTEXT, the device's volatile state on GPU, its management
    processor on FIRMWARE, the PCIe link on BUS and the board itself on BOARD.
    """

    kind = "gpu"
    layers = frozenset({Layer.CONTEXT, Layer.SETTINGS, Layer.GPU, Layer.FIRMWARE, Layer.BUS, Layer.POWER, Layer.BOARD})
    metrics = FIELDS

    def __init__(self, world: World, name: str, place: Component, model: GpuModel) -> None:
        super().__init__(world, name, place)
        self.model = model
        """Requests in the engine's batch."""
        self.nvlink_bytes = self.pcie_received = self.pcie_sent = 0.0
        """Bytes over the links so far."""
        self._exchanged = 0
        self._memory_used = 0.0
        pci = f"0000:{world.streams['pci'].integer(1, 200, name):02x}:00"
        self.driver = Driver(self, pci, world.streams["gpu"].uuid(name))
        self.meter = Meter(model, INLET_TEMPERATURE + world.streams["inlet"].between(-1, 1, place.name) * INLET_SPREAD)
        self._governed = 1.0
        self._too_hot = self._watched = self._looking = False
        self._remapped = 0
        self._corrected = self._replayed = self._counted = 0.0
        self._error_rates = (0.0, 0.0)
        self._read_conditions()

    # --- what it can do -------------------------------------------------------------------------------------------

    def _read_conditions(self) -> None:
        """What the engine asks for at every step, and so is not looked up there."""
        self.off_bus = bool(self.value("off_bus"))
        """Whether the device does not answer on PCIe."""
        self.bandwidth_share = self.value("memory_bandwidth")
        """Share of the device memory's bandwidth that is there."""
        self.link_share = 0.0 if self.value("nvlink_down") else self.value("nvlink_bandwidth")
        """Share of the bandwidth to its peers that is there; 0 where an all-reduce never ends."""
        self.pcie_share = self.value("pcie_width")
        """Share of the bandwidth to the host that is there."""
        self.corruption = self.value("silent_corruption")
        """Share of output tokens that come out wrong. Nothing shows it but a check of the output."""
        self._alert, self._brake = bool(self.value("thermal_alert")), bool(self.value("power_brake"))
        self._error_rates = (self.value("correctable_errors"), self.value("nvlink_errors"))

    @property
    def usable(self) -> bool:
        """Whether a process can get a new context."""
        return not self.off_bus and not self.driver.refuses

    def clock(self, activity: float) -> float:
        """Clock ratio for work of that activity under the present limits."""
        return (self.meter.draw(activity) or self._draw(activity)).clock

    # --- what it does ---------------------------------------------------------------------------------------------

    def ran(self, seconds: float, activity: float) -> None:
        """A kernel of that activity was resident for `seconds`."""
        self.meter.ran(self.meter.draw(activity) or self._draw(activity), seconds, self.world.now)

    def exchanged(self, tokens: int, bytes_per_token: float) -> None:
        """The engine has sent the hidden states of that many tokens since its start over the links to its peers."""
        if tokens < self._exchanged:  # another engine, which counts from zero
            self._exchanged = 0
        moved, self._exchanged = (tokens - self._exchanged) * bytes_per_token, tokens
        if nvlinks(self.model):
            self.nvlink_bytes += moved
        else:
            self.pcie_sent += moved / 2.0
            self.pcie_received += moved / 2.0

    @property
    def clients(self) -> list[Process]:
        """Processes that use it, dead ones left out."""
        return [p for p in self.residents if isinstance(p, Process) and p.state in ALIVE]

    @property
    def memory_used(self) -> float:
        """Bytes allocated on the device."""
        return self._memory_used

    @memory_used.setter
    def memory_used(self, size: float) -> None:
        opened = size > 0 and not self._memory_used
        self._memory_used = size
        if opened:  # the process is in the middle of its start-up: what is in store for it comes after
            self.world.clock.at(self.world.now, lambda _: self._context_opened())

    @property
    def index(self) -> int:
        """Its number on its node."""
        peers = self.place.residents if self.place is not None else []
        return [p for p in peers if isinstance(p, Gpu)].index(self)

    # --- what happens to it ---------------------------------------------------------------------------------------

    def conditions_changed(self) -> None:
        self._settle_clients()  # what has run until now ran at the old clock
        self._count_errors()
        self._read_conditions()
        self.meter.forget(self.world.now)
        self.meter.heat_path = self.value("heat_path")
        self._govern_later()
        if not self._looking:  # all conditions of this moment first: the driver sees them at once
            self._looking = True
            self.world.clock.at(self.world.now, lambda _: self._look())

    def renew(self, layers: frozenset[Layer], by: str) -> list[Condition]:
        pending = self.value("row_to_remap")
        gone = super().renew(layers, by)
        if Layer.BOARD in layers:  # another card
            self._remapped = 0
            self._replayed = self.meter.joules = 0.0
        if Layer.GPU in layers:
            self._remapped += int(pending - self.value("row_to_remap")) if Layer.BOARD not in layers else 0
            self._corrected = 0.0
            self.driver.loaded(enumerated=Layer.BUS in layers)
        return gone

    def _look(self) -> None:
        self._looking = False
        self.driver.look()
        self._tell_clients()

    def failed(self) -> None:
        """The driver has given the device up since the conditions changed."""
        self._tell_clients()

    def _context_opened(self) -> None:
        if self._memory_used:
            self.driver.context_opened()

    def _tell_clients(self) -> None:
        for client in self.clients:
            client.place_changed()

    def _settle_clients(self) -> None:
        for client in self.clients:
            client.settle()

    # --- clock and temperature ------------------------------------------------------------------------------------

    def _draw(self, activity: float) -> Draw:
        """What work of an activity draws under the present limits."""
        capped = clock_ratio(self.model, self.value("power_limit"), activity)
        clock = min(capped, self._governed)
        events = clock_events(capped < min(1.0, self._governed), self._governed < min(1.0, capped))
        events |= self._asserted()
        if events & ClockEvent.HW_SLOWDOWN:
            clock = slowed(self.model, clock)
        share = min(1.0, max(0.0, (activity - DECODE_ACTIVITY) / (PREFILL_ACTIVITY - DECODE_ACTIVITY)))
        draw = Draw(
            clock=clock,
            watts=power(self.model, clock, activity) - self.model.idle_power,
            tensor=DECODE_TENSOR + (PREFILL_TENSOR - DECODE_TENSOR) * share,
            memory=(DECODE_MEMORY + (PREFILL_MEMORY - DECODE_MEMORY) * share) * self.bandwidth_share,
            events=events,
        )
        return self.meter.know(activity, draw)

    def _govern_later(self) -> None:
        """Look at the temperature every second while it can come near its limit."""
        heating = can_overheat(self.meter.inlet, self.meter.heat_path)
        if not self._watched and (heating or self._governed < 1.0 or self._too_hot):
            self._watched = True
            self.world.clock.at(self.world.now + CONTROL_SECONDS, lambda _: self._govern())

    def _govern(self) -> None:
        self._watched = False
        self._settle_clients()
        self.meter.advance(self.world.now)
        allowed = governed_clock(self.model, self.meter.core, self.meter.memory)
        too_hot = self.meter.core >= SLOWDOWN
        if (allowed, too_hot) != (self._governed, self._too_hot):
            self._governed, self._too_hot = allowed, too_hot
            self.meter.forget(self.world.now)
            self._tell_clients()
        self._govern_later()

    # --- telemetry ------------------------------------------------------------------------------------------------

    @property
    def silent(self) -> bool:
        """Whether it does not answer those who ask for its state."""
        return self.off_bus or "gsp_silent" in self.driver.met

    @property
    def utilization(self) -> float:
        """Per cent of the time since the last reading in which a kernel was resident; NaN where it does not answer."""
        if self.silent:
            return math.nan
        self._settle_clients()
        return round(100.0 * self.meter.read(self.world.now).busy)

    def sample(self) -> Sequence[float]:
        self._settle_clients()
        self._count_errors()
        reading = self.meter.read(self.world.now)
        xid: float = self.driver.last_xid
        if self.silent:  # the last XID is the driver's own; all else is asked for
            if self.off_bus and not xid:
                xid = math.nan  # the driver was loaded without it and does not know it
            return tuple(xid if field.name == "DCGM_FI_DEV_XID_ERRORS" else math.nan for field in FIELDS)
        mebibyte, total = 2.0**20, self.model.memory
        reserved = total * RESERVED_SHARE
        return (
            round(self.model.clock * reading.clock),
            reading.watts,
            round(self.meter.core),
            round(100.0 * reading.busy),
            self._memory_used / mebibyte,
            xid,
            self.meter.power_violation * 1e9,
            self.meter.thermal_violation * 1e9,
            int(reading.events | self._asserted()),
            float(self.value("row_to_remap") > 0),
            float("no_spare_rows" in self.driver.met),
            memory_clock(self.model.name),
            round(self.meter.memory),
            self.meter.joules * 1e3,
            0.0,
            round(100.0 * reading.memory),
            0.0,
            0.0,
            max(0.0, total - self._memory_used - reserved) / mebibyte,
            reserved / mebibyte,
            self.nvlink_bytes,
            math.floor(self._replayed),
            0.0,
            self._remapped,
            0.0,
            math.floor(self._corrected),
            self.driver.double_bit_errors,
            0.0,
            0.0,
            0.0,
            0.0,
            reading.busy,
            reading.tensor,
            reading.memory,
            self.pcie_sent,
            self.pcie_received,
        )

    def _asserted(self) -> ClockEvent:
        """Bits of the signals on which the hardware itself divides the clock, busy or idle."""
        return hardware_events(self._alert or self._too_hot, self._brake)

    def _count_errors(self) -> None:
        """Count errors that were put right, up to now."""
        elapsed, self._counted = self.world.now - self._counted, self.world.now
        corrected, replayed = self._error_rates
        self._corrected += corrected * elapsed
        self._replayed += replayed * elapsed
