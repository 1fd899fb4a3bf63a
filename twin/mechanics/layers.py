"""The layers a component is made of, and what each recovery action renews.

A fault puts conditions on layers; an action renews layers. Whether it cures follows from the two alone
(honesty rule 2): there is no table from faults to actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Layer(StrEnum):
    """Where a condition can sit, from the most volatile to the most permanent."""

    PROCESS = "process"  # memory and state of the running program
    CONTAINER = "container"  # writable layer and mounts of a pod, or a service's unit and run-time files
    CONFIGURATION = "configuration"  # rolled-out settings
    CREDENTIALS = "credentials"  # certificates and keys that were rolled out
    DATA = "data"  # what a store holds, and the files on a machine's disk
    OS = "os"  # kernel, page cache, other processes of a node
    CONTEXT = "context"  # a GPU process's CUDA context and channels
    SETTINGS = "settings"  # what the driver was told: power limit, clocks, modes
    GPU = "gpu"  # volatile state of the device: SRAM, engines, copies
    FIRMWARE = "firmware"  # the GPU System Processor
    BUS = "bus"  # the PCIe link
    POWER = "power"  # what standby power keeps alive: retimers, management controllers, NIC firmware
    BOARD = "board"  # the hardware itself
    NETWORK = "network"  # links and routes
    DEMAND = "demand"  # what clients ask of the service: no operator's action renews it


class Part(StrEnum):
    """Which components a reset reaches, seen from the action's target."""

    TARGET = "target"
    RESIDENTS = "residents"  # everything placed on the target, at any depth
    DEVICE = "device"  # what the target is placed on, where that is a device


@dataclass(frozen=True, slots=True)
class Reset:
    """Layers that an action renews on one part of the cluster."""

    part: Part
    layers: frozenset[Layer]


def _reset(part: Part, *layers: Layer) -> Reset:
    return Reset(part, frozenset(layers))


_PROCESS_DIES = (_reset(Part.TARGET, Layer.PROCESS), _reset(Part.DEVICE, Layer.CONTEXT))
_NEW_CONTAINER = (_reset(Part.TARGET, Layer.PROCESS, Layer.CONTAINER), _reset(Part.DEVICE, Layer.CONTEXT))
_VOLATILE_OF_GPU = (Layer.CONTEXT, Layer.SETTINGS, Layer.GPU, Layer.FIRMWARE)
_MACHINE = (Layer.OS, Layer.PROCESS, Layer.NETWORK)
_BOOTED = (Layer.PROCESS, Layer.BUS, *_VOLATILE_OF_GPU)

RESETS: dict[str, tuple[Reset, ...]] = {
    "noop": (),
    # A process takes its CUDA context with it.
    "restart": _PROCESS_DIES,
    # A new pod has a new writable layer; a service is stopped, its run-time files removed, and started.
    "recreate": _NEW_CONTAINER,
    # `nvidia-smi -pl` with the board's default limit.
    "restore-power-limit": (_reset(Part.TARGET, Layer.SETTINGS),),
    # `nvidia-smi --gpu-reset`: volatile state, settings and firmware, not the link and not the board.
    "reset-gpu": (
        _reset(Part.TARGET, *_VOLATILE_OF_GPU),
        _reset(Part.RESIDENTS, Layer.PROCESS),
    ),
    # A warm reboot re-enumerates the bus and starts a new kernel.
    "reboot": (_reset(Part.TARGET, *_MACHINE), _reset(Part.RESIDENTS, *_BOOTED)),
    # Standby power goes too: retimers, controllers, what firmware keeps over a warm reset.
    "power-cycle": (
        _reset(Part.TARGET, *_MACHINE, Layer.POWER),
        _reset(Part.RESIDENTS, *_BOOTED, Layer.POWER),
    ),
    # Another machine, or another card, in the same role, with a disk of its own. What is configured follows the role,
    # and so does what the stores on it hold.
    "replace": (
        _reset(Part.TARGET, *_MACHINE, *_VOLATILE_OF_GPU, Layer.BUS, Layer.POWER, Layer.BOARD, Layer.DATA),
        _reset(Part.RESIDENTS, *_BOOTED, Layer.CONTAINER, Layer.POWER, Layer.BOARD),
    ),
    "cordon": (),
    "uncordon": (),
    # Evicted pods are new pods elsewhere, as with migrate.
    "drain": _NEW_CONTAINER,
    # A migrated replica is a new pod elsewhere; what was wrong with the old place stays there.
    "migrate": _NEW_CONTAINER,
    "scale-out": (),
    # The pod is deleted; what was in it goes with it.
    "scale-in": _NEW_CONTAINER,
    "shed-load": (),
    "route-around": (),
    # A redeploy with other settings: a new container.
    "limit-kv": _NEW_CONTAINER,
    # The last revision of what was rolled out, in a new container.
    "rollback-config": (
        _reset(Part.TARGET, Layer.PROCESS, Layer.CONTAINER, Layer.CONFIGURATION),
        _reset(Part.DEVICE, Layer.CONTEXT),
    ),
    # A new head pod on another node.
    "fail-over-head": (_reset(Part.TARGET, Layer.PROCESS, Layer.CONTAINER),),
    # OpenStack's own. Orders to its APIs renew nothing: they move guests out of reach, and set right what is written.
    "evacuate": (),
    "live-migrate": (),
    "cold-migrate": (),
    "rebuild": (),
    "hard-reboot": (),
    "reset-state": (),
    "force-detach": (),
    "delete-stuck": (),
    "heal-allocations": (),
    "fail-over-database": (),
    "purge-queue": (),
    # `rabbitmqctl stop_app`, `forget_cluster_node`, `reset`, `join_cluster`, `start_app`.
    "heal-broker": (_reset(Part.TARGET, Layer.PROCESS, Layer.CONTAINER),),
    # Foreign files on a machine's disk, foreign data in a storage pool.
    "free-disk": (_reset(Part.TARGET, Layer.DATA),),
    # New certificates or keys, and a reload that interrupts nobody.
    "renew-certificate": (_reset(Part.TARGET, Layer.CREDENTIALS),),
}
"""What each action renews. NVIDIA's XID catalogue names three of the depths: RESTART_APP, RESET_GPU, RESTART_BM."""
