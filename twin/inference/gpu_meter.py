"""What a GPU has done and what became of it: busy time, clocks, energy, temperature."""

from __future__ import annotations

from dataclasses import dataclass

from twin.mechanics.gpu_clocks import POWER, THERMAL, ClockEvent
from twin.mechanics.gpu_thermal import CORE_RISE, MEMORY_RISE, settled, temperature_after
from twin.mechanics.hardware import Gpu

SHORTEST = 1.0
"""Seconds of heat that are summed before the temperatures move."""

LONGEST_STRETCH = 10.0
"""Seconds that work accounted for at once may have been spread over; before that the GPU was idle (an engine accounts
for its work at least that often while it is busy: vLLM prints statistics every 10 s)."""


@dataclass(slots=True)
class Draw:
    """Work of one activity at the present clock."""

    clock: float
    """Clock ratio."""
    watts: float
    """Power above idle."""
    tensor: float
    """Share of the time in which the tensor pipe is active."""
    memory: float
    """The same of the device memory's interface."""
    events: ClockEvent
    seconds: float = 0.0
    """Kernel-resident seconds not yet summed."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Means over the time between two readings."""

    busy: float = 0.0
    """Share of the time in which a kernel was resident."""
    clock: float = 1.0
    watts: float = 0.0
    tensor: float = 0.0
    memory: float = 0.0
    events: ClockEvent = ClockEvent.GPU_IDLE


class Meter:
    """Sums work and heat. `clock`, `tensor`, … of `Draw` times its seconds; temperatures in C, energy in J."""

    def __init__(self, model: Gpu, inlet: float) -> None:
        self.model = model
        self.inlet = inlet
        self.heat_path = 1.0
        """Thermal resistance as a ratio to a sound board's."""
        self.joules = 0.0
        self.power_violation = self.thermal_violation = 0.0
        """Busy seconds at a clock lowered for power, and for heat."""
        self._draws: dict[float, Draw] = {}
        self._due = SHORTEST
        self._updated = self._read = 0.0
        self._busy = self._clocked = self._heat = self._tensor = self._memory = 0.0
        self._events = ClockEvent.NONE
        self._reading = Reading(watts=model.idle_power)
        share = model.idle_power / model.power
        self.core = settled(inlet, CORE_RISE, 1.0, share)
        self.memory = settled(inlet, MEMORY_RISE, 1.0, share)

    def draw(self, activity: float) -> Draw | None:
        """Work of that activity, if its draw is known."""
        return self._draws.get(activity)

    def know(self, activity: float, draw: Draw) -> Draw:
        """Keep what work of an activity draws."""
        self._draws[activity] = draw
        return draw

    def forget(self, now: float) -> None:
        """The clock or the heat path is about to change: sum what was drawn, and forget the draws."""
        self.advance(now)
        self._draws.clear()

    def ran(self, draw: Draw, seconds: float, now: float) -> None:
        """A kernel was resident for `seconds`, the last of which is now."""
        draw.seconds += seconds
        if now >= self._due:
            self.advance(now)

    def advance(self, now: float) -> None:
        """Sum the work done and let the temperatures move up to now."""
        elapsed = now - self._updated
        busy = heat = 0.0
        for draw in self._draws.values():
            if draw.seconds:
                busy += draw.seconds
                heat += draw.seconds * draw.watts
                self._clocked += draw.seconds * draw.clock
                self._tensor += draw.seconds * draw.tensor
                self._memory += draw.seconds * draw.memory
                self._events |= draw.events
                if draw.events & POWER:
                    self.power_violation += draw.seconds
                if draw.events & THERMAL:
                    self.thermal_violation += draw.seconds
                draw.seconds = 0.0
        self._busy += busy
        self._heat += heat
        if elapsed <= 0.0:
            self.joules += heat
            return
        self.joules += self.model.idle_power * elapsed + heat
        spread = min(elapsed, max(busy, LONGEST_STRETCH)) if busy else 0.0
        self._warm(0.0, elapsed - spread)
        if spread:
            self._warm(heat / spread, spread)
        self._updated = now
        self._due = now + SHORTEST

    def read(self, now: float) -> Reading:
        """Means since the last reading; the last reading again where no time has passed."""
        self.advance(now)
        elapsed = now - self._read
        if elapsed > 0.0:
            busy = self._busy
            spread = max(elapsed, busy)  # a step that began before the last reading counts where it ends
            self._reading = Reading(
                busy=min(1.0, busy / elapsed),
                clock=self._clocked / busy if busy else 1.0,
                watts=self.model.idle_power + self._heat / spread,
                tensor=self._tensor / spread,
                memory=self._memory / spread,
                events=self._events if busy else ClockEvent.GPU_IDLE,
            )
            self._busy = self._clocked = self._heat = self._tensor = self._memory = 0.0
            self._events = ClockEvent.NONE
            self._read = now
        return self._reading

    def _warm(self, watts: float, seconds: float) -> None:
        """Let the temperatures move at that power above idle."""
        if seconds > 0.0:
            share = (self.model.idle_power + watts) / self.model.power
            core = settled(self.inlet, CORE_RISE, self.heat_path, share)
            memory = settled(self.inlet, MEMORY_RISE, self.heat_path, share)
            self.core = temperature_after(self.core, core, seconds)
            self.memory = temperature_after(self.memory, memory, seconds)
