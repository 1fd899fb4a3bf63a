"""What a GPU's driver makes of a damaged device: whether it gives out contexts, and what it asks an operator for."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum


class Recovery(Enum):
    """GPU recovery action (nvml.h nvmlDeviceGpuRecoveryAction_t): code and the driver's words for it."""

    NONE = (0x0, "None")
    RESET = (0x1, "GPU Reset Required")
    REBOOT = (0x2, "Node Reboot Required")
    DRAIN_AND_RESET = (0x4, "Drain and Reset")


NO_CONTEXTS = ("uncontained_error", "context_switch_hang", "gsp_silent", "gsp_fault")
"""Conditions under which the driver, once it has met them, gives out no new context."""


def recovery(met: Collection[str]) -> Recovery:
    """What the driver asks for, given the conditions that it has met."""
    if "off_bus" in met:
        return Recovery.REBOOT
    if any(name in met for name in (*NO_CONTEXTS, "nvlink_down", "no_spare_rows")):
        return Recovery.RESET
    if "row_to_remap" in met:
        return Recovery.DRAIN_AND_RESET
    return Recovery.NONE
