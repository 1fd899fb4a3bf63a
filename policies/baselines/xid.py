"""What NVIDIA's catalogue asks for after each XID: the immediate action.

Source: NVIDIA's XID catalogue as generated into leptonai/gpud, components/accelerator/nvidia/xid/catalog_generated.go
(2025-10-29). Workflows that begin with another XID's action are given by that action.
"""

from __future__ import annotations

from enum import StrEnum


class XidAction(StrEnum):
    """How deep the catalogue reaches."""

    IGNORE = "ignore"
    RESTART_APP = "restart-app"
    RESET_GPU = "reset-gpu"
    RESTART_BM = "restart-bm"  # reboot the bare metal


IMMEDIATE: dict[int, XidAction] = {
    13: XidAction.RESTART_APP,  # graphics engine exception
    31: XidAction.RESTART_APP,  # memory page fault
    43: XidAction.IGNORE,  # reset channel verification error
    45: XidAction.IGNORE,  # preemptive removal: clean-up after another error
    46: XidAction.RESET_GPU,  # GPU time-out
    48: XidAction.RESET_GPU,  # double-bit ECC
    62: XidAction.RESET_GPU,  # micro-controller halt
    63: XidAction.IGNORE,  # row remap recorded: activated by the next reset
    64: XidAction.RESET_GPU,  # row remap failed
    74: XidAction.RESET_GPU,  # NVLink error
    79: XidAction.RESTART_BM,  # fallen off the bus
    92: XidAction.IGNORE,  # many single-bit errors
    94: XidAction.RESTART_APP,  # contained error
    95: XidAction.RESET_GPU,  # uncontained error
    109: XidAction.RESET_GPU,  # context switch time-out
    119: XidAction.RESET_GPU,  # GSP RPC time-out
    120: XidAction.RESET_GPU,  # GSP error
    136: XidAction.RESET_GPU,  # link training failed
    140: XidAction.RESET_GPU,  # unrecoverable ECC escape
    143: XidAction.RESET_GPU,  # initialisation error
    151: XidAction.RESTART_BM,  # key rotation: the catalogue restarts the VM
    154: XidAction.IGNORE,  # tells the needed action; informational
    156: XidAction.RESET_GPU,  # resource retirement event
    157: XidAction.IGNORE,  # resource retirement failure
    158: XidAction.RESET_GPU,  # fatal time-out
}
"""XID -> immediate action; what is not listed counts as `RESET_GPU`."""

RECOVERY_ACTION_CHANGED = 154
"""The XID that follows others and says what the driver asks for; the gauge shows the last XID, so it hides them."""

REBOOTS_BEFORE_SERVICE = 2
"""After that many reboots with the same XID the machine needs hands (gpud threshold.go): no further action helps."""


def immediate(xid: int) -> XidAction:
    """The catalogue's action for an XID."""
    return IMMEDIATE.get(xid, XidAction.RESET_GPU)
