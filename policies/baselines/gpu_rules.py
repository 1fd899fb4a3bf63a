"""Rules about GPUs: what NVSentinel and gpud do on XIDs, and a runbook on throttling, row remapping and slow cards.

NVSentinel's order is cordon, drain, remediate (reset or reboot), then uncordon; gpud asks for service after two reboots
with the same XID.
"""

from __future__ import annotations

import numpy as np

from policies.baselines.ladder_parts import Case, Rung
from policies.baselines.reading import Reading
from policies.baselines.watch import Rungs, Watch
from policies.baselines.xid import REBOOTS_BEFORE_SERVICE, RECOVERY_ACTION_CHANGED, XidAction, immediate

THERMAL, BRAKE = 0x20 | 0x40, 0x80
"""Bits of DCGM's clocks event reasons: software and hardware thermal slowdown; power brake."""


def xid(watch: Watch, reading: Reading) -> Rungs:
    """NVIDIA's catalogue, from the depth it names on down; a replica is taken off a card that cannot be reset."""
    memory = watch.memory
    for gpu in reading.of_kind("gpu"):
        shown = reading.value(gpu, "DCGM_FI_DEV_XID_ERRORS")
        if shown is None and reading.present[_node(reading, gpu)] and not reading.busy(gpu):
            shown = memory.xid.get(gpu)  # a driver that was loaded without the card says nothing of it any more
        if shown is None:
            continue
        number = int(shown)
        if memory.xid.get(gpu, 0) != number:
            for symptom in ("xid", "silent"):
                memory.cases.pop((symptom, gpu), None)
        memory.xid[gpu] = number
        silent = reading.value(gpu, "DCGM_FI_DEV_GPU_TEMP") is None
        action = _action(number, silent)
        if action is XidAction.IGNORE:
            continue
        replica = watch.replica_on(reading, gpu)
        down = replica is not None and not reading.present[replica]
        how, serving = "immediate" if down else "gentle", None if down else replica
        if action is XidAction.RESTART_APP:
            if down:  # it has died of it, and its supervisor starts another
                memory.cases.setdefault(("xid", gpu), Case()).rung = 1
            elif replica is not None:
                yield ("xid", gpu), [Rung("restart", replica, how, watch.config.settle_replica, serving)]
            continue
        reset = Rung("reset-gpu", gpu, how, watch.config.settle_replica, serving)
        away = Rung("drain", _node(reading, gpu), how, 0.0, serving)
        deeper = _machine(watch, reading, gpu, serving)
        if number == RECOVERY_ACTION_CHANGED and silent:
            yield ("silent", gpu), [away, reset, *deeper]
        elif action is XidAction.RESET_GPU:
            yield ("xid", gpu), [reset, away, *deeper]
        else:
            yield ("xid", gpu), [away, *deeper]


def _action(number: int, silent: bool) -> XidAction:
    if number == RECOVERY_ACTION_CHANGED:
        return XidAction.RESTART_BM if silent else XidAction.RESET_GPU
    return immediate(number) if number else XidAction.IGNORE


def _machine(watch: Watch, reading: Reading, gpu: int, serving: int | None) -> list[Rung]:
    """What reaches deeper than the card, in order; after gpud's number of reboots the machine needs service.

    The last of them is a power cycle, which reaches whatever a warm reboot does, and what standby power keeps alive.
    """
    config, node = watch.config, _node(reading, gpu)
    return [
        *[Rung("reboot", node, "immediate", config.settle_reboot, serving)] * (REBOOTS_BEFORE_SERVICE - 1),
        Rung("power-cycle", node, "immediate", config.settle_power_cycle, serving),
        Rung("replace", node, "immediate", config.settle_replace, serving),
    ]


def _node(reading: Reading, gpu: int) -> int:
    """The machine of a GPU; the GPU itself, on which nothing of a machine is legal, where none is known."""
    node = reading.neighbour(gpu, "node")
    return gpu if node is None else node


def throttled(watch: Watch, reading: Reading) -> Rungs:
    """A GPU is kept below its clocks: the limit first, which disturbs nobody, then one more replica, then the card."""
    config = watch.config
    for replica, gpu in list(watch.memory.place.items()):
        if not reading.present[replica]:
            continue
        reasons = int(reading.value(gpu, "DCGM_FI_DEV_CLOCKS_EVENT_REASONS") or 0.0)
        violation = reading.value(gpu, "DCGM_FI_DEV_POWER_VIOLATION") or 0.0
        thermal = reading.value(gpu, "DCGM_FI_DEV_THERMAL_VIOLATION") or 0.0
        decisions = config.sustained if watch.suffers(reading, replica) else config.throttled_decisions
        brake, hot = bool(reasons & BRAKE), bool(reasons & THERMAL) or thermal > config.throttled
        capped = violation > config.throttled and not brake and not hot
        relief, node = watch.relief(reading), _node(reading, gpu)
        away = Rung("drain", node, "gentle", config.settle_replica, replica)
        if watch.lasts("capped", gpu, capped, config.sustained):
            yield ("limit", gpu), [Rung("restore-power-limit", gpu, "gentle", config.settle_settings)]
        if watch.lasts("throttled", gpu, capped, decisions + 1):
            reset = Rung("reset-gpu", gpu, "gentle", config.settle_replica, replica)
            yield ("throttled", gpu), [*relief, reset, away]
        if watch.lasts("brake", gpu, brake, decisions):
            cycle = Rung("power-cycle", node, "gentle", config.settle_power_cycle, replica)
            yield ("brake", gpu), [*relief, away, cycle]  # slow is still better than away
        if watch.lasts("hot", gpu, hot, decisions):
            yield ("hot", gpu), [*relief, away]


def remapping(watch: Watch, reading: Reading) -> Rungs:
    """Rows wait for a reset to be remapped: when nobody misses the card. Without spare rows, another card."""
    config = watch.config
    for gpu in reading.of_kind("gpu"):
        replica, node = watch.replica_on(reading, gpu), _node(reading, gpu)
        serving = replica if replica is not None and reading.present[replica] else None
        if (reading.value(gpu, "DCGM_FI_DEV_ROW_REMAP_FAILURE") or 0.0) > 0.0:
            replace = Rung("replace", node, "gentle", config.settle_replace, serving)
            yield ("rows", gpu), [Rung("drain", node, "gentle", 0.0, serving), replace]
        pending = (reading.value(gpu, "DCGM_FI_DEV_ROW_REMAP_PENDING") or 0.0) > 0.0
        calm = not any(not reading.present[r] or watch.suffers(reading, r) for r in watch.known(reading))
        if watch.lasts("pending", gpu, pending and calm, config.calm_decisions):
            yield ("pending", gpu), [Rung("reset-gpu", gpu, "gentle", config.settle_replica, serving)]


def slow_card(watch: Watch, reading: Reading) -> Rungs:
    """A replica whose tokens come much slower than its peers', with nothing else to see: another card, or no work."""
    config = watch.config
    times = {r: watch.token_time(reading, r) for r in watch.serving(reading)}
    known = {r: t for r, t in times.items() if t is not None}
    for replica, gpu in list(watch.memory.place.items()):
        peers = [t for r, t in known.items() if r != replica]
        own = known.get(replica)
        slow = own is not None and len(peers) >= 2 and own > config.slow_tokens * float(np.median(peers))
        if watch.lasts("slow", replica, slow, config.slow_decisions):
            away = Rung("drain", _node(reading, gpu), "gentle", config.settle_replica, replica)
            around = Rung("route-around", replica, "immediate", config.settle_reboot, replica)
            yield ("slow", replica), [*watch.relief(reading), away, around]


def well_again(watch: Watch, reading: Reading) -> Rungs:
    """A machine that was drained and mended may take replicas again, where a place is needed and none is left."""
    memory = watch.memory
    replicas = watch.known(reading)
    needed = any(not reading.present[r] or watch.suffers(reading, r) for r in replicas)
    full = not any(reading.legal("scale-out", h) for h in reading.of_kind("ray-head"))
    for node, reason in list(memory.cordoned.items()):
        clean = bool(reading.present[reason]) and (reading.kinds[reason] != "gpu" or _clean(reading, reason))
        repaired = memory.repaired.get(node, -1e9) > memory.drained.get(node, 0.0)
        if clean and repaired and needed and full and not reading.busy(node):
            yield ("clean", node), [Rung("uncordon", node, "gentle", 0.0)]


def _clean(reading: Reading, gpu: int) -> bool:
    return (
        reading.value(gpu, "DCGM_FI_DEV_XID_ERRORS") == 0.0
        and reading.value(gpu, "DCGM_FI_DEV_GPU_TEMP") is not None
        and not reading.value(gpu, "DCGM_FI_DEV_ROW_REMAP_FAILURE")
    )
