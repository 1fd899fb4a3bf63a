"""Why a GPU does not run at its highest clock: the driver's bits."""

from __future__ import annotations

from enum import IntFlag


class ClockEvent(IntFlag):
    """Clocks event reasons (nvml.h nvmlClocksEventReason*, exported as DCGM_FI_DEV_CLOCKS_EVENT_REASONS)."""

    NONE = 0x0
    GPU_IDLE = 0x1
    CLOCKS_SETTING = 0x2
    SW_POWER_CAP = 0x4
    HW_SLOWDOWN = 0x8
    SYNC_BOOST = 0x10
    SW_THERMAL_SLOWDOWN = 0x20
    HW_THERMAL_SLOWDOWN = 0x40
    HW_POWER_BRAKE_SLOWDOWN = 0x80
    DISPLAY_CLOCK_SETTING = 0x100


THERMAL = ClockEvent.SW_THERMAL_SLOWDOWN | ClockEvent.HW_THERMAL_SLOWDOWN
POWER = ClockEvent.SW_POWER_CAP | ClockEvent.HW_POWER_BRAKE_SLOWDOWN


def clock_events(capped: bool, hot: bool) -> ClockEvent:
    """The bits of what the driver does: the power limit binds, or it cools the device."""
    events = ClockEvent.SW_POWER_CAP if capped else ClockEvent.NONE
    return events | ClockEvent.SW_THERMAL_SLOWDOWN if hot else events


def hardware_events(alert: bool, brake: bool) -> ClockEvent:
    """The bits of what the hardware does by itself: it is too hot, or the power brake is asserted from outside."""
    events = ClockEvent.NONE
    if alert:
        events |= ClockEvent.HW_SLOWDOWN | ClockEvent.HW_THERMAL_SLOWDOWN
    if brake:
        events |= ClockEvent.HW_SLOWDOWN | ClockEvent.HW_POWER_BRAKE_SLOWDOWN
    return events
