"""What exporters need to know of an episode beside what its mechanics need: devices, machines, programs, and what
telemetry shows of each condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jax
import numpy as np
from numpy.typing import NDArray

from twin.fast import reach
from twin.fast.background import plans
from twin.inference.ray_node import MEBIBYTE
from twin.mechanics.conditions import Condition
from twin.mechanics.durations import seconds_of
from twin.mechanics.engine_step import COMPILE_SECONDS, WARMUP_SECONDS
from twin.mechanics.gpu_clocks import clock_events, hardware_events
from twin.mechanics.gpu_memory import ERROR_STORM
from twin.mechanics.gpu_power import DECODE_ACTIVITY, POWER_EXPONENT, PREFILL_ACTIVITY, clock_ratio, slowed
from twin.mechanics.gpu_thermal import CORE_RISE, INLET_TEMPERATURE, MEMORY_RISE, governed_clock, settled
from twin.mechanics.gpu_xid import XIDS
from twin.mechanics.hardware import Gpu
from twin.mechanics.serving import CLIENT_BANDWIDTH, CONTROL_LOOP_INTERVAL, CONTROL_LOOP_SECONDS, GCS_RPC_TIMEOUT
from twin.mechanics.serving import IMAGE_BYTES as IMAGE

if TYPE_CHECKING:
    from twin.components import Component
    from twin.inference.cluster import InferenceTwin
    from twin.world import World

SIGNS: Final = (
    "xid",  # what the driver reports: 1000 x how late it looks for this one among several, plus the number
    "silent",  # the device answers nothing; its driver does
    "off_bus",  # nor does the driver, once it was loaded without the device
    "decode_slow",  # one minus the clock of a decode step
    "prefill_slow",  # one minus the clock of a prompt's step
    "decode_capped",  # the power limit holds decode steps back
    "prefill_capped",  # and prompts' steps
    "hardware",  # bits of the clock events that the hardware asserts, busy or idle
    "heat_path",  # so many times the thermal resistance, minus one
    "hottest",  # the temperature, C, at which the driver's control of the clock holds the device
    "remap_pending",  # rows wait for a reset
    "no_spare",  # a row was damaged and no spare is left
    "threads",  # foreign threads that want a core
    "disk_taken",  # bytes of foreign files
    "clock_offset",  # seconds that the clock is off
    "frozen",  # no thread of the container runs
    "spins",  # the kernels of its steps run for ever
    "stuck",  # share by which the passes of Serve's controller are rarer
    "boots",  # seconds from the return of power to the boot of a machine that was without
)
"""What telemetry shows of a condition on its component. Each is 0 where it shows nothing."""
SIGN: Final = {name: i for i, name in enumerate(SIGNS)}


RANK: Final = 1000.0
"""More than any XID: what tells the one that a driver looks for later."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Exposed:
    """Of one episode. G GPUs, D nodes, P programs, K conditions, N components."""

    gpu: NDArray[np.float32]
    """[4] of all GPUs: power limit and idle power in W, clock in MHz, and the MiB that an engine takes."""
    seat: NDArray[np.int32]
    """[G] which seat each GPU is of."""
    inlet: NDArray[np.float32]
    """[G] C."""
    node: NDArray[np.float32]
    """[D, 3] bytes of memory, free bytes of the disk, and bytes of memory that nobody's process holds."""
    home: NDArray[np.int32]
    """[P] the node of a program that is no replica; of replicas -1: theirs follows from their seat."""
    threads: NDArray[np.float32]
    """[P] that want a core, of a program that is no replica; of replicas 0."""
    resident: NDArray[np.float32]
    """[P] bytes of memory that each program holds."""
    cores: NDArray[np.float32]
    """[P] that each may use at a time."""
    epoch: NDArray[np.float32]
    """[] Unix time of second 0."""
    download: NDArray[np.float32]
    """[2] seconds and bytes of what a replica downloads that starts on another node."""
    warm: NDArray[np.float32]
    """[3] seconds before it runs at which a replica takes its GPUs' memory: as before, in a new container, on another
    node."""
    signs: NDArray[np.float32]
    """[K, M] `SIGNS` of each condition."""
    kind: NDArray[np.int32]
    """[K] which kind of component carries it: 0 a program, 1 a GPU, 2 a node."""
    row: NDArray[np.int32]
    """[K] which of them."""
    blind: NDArray[np.bool_]
    """[K, N] whose exporters the monitoring system does not reach while it holds."""
    card: NDArray[np.int32]
    """[N] which GPU each component is; -1 of what is none."""
    slots: NDArray[np.int32]
    """[P + G + D] position of each program, GPU and machine in the topology; N of padding."""


def exposed(world: World, conditions: int, replicas: int, gpus_most: int, nodes: int, components: int) -> Exposed:
    """The tables of a world that has not lived yet, padded to these numbers."""
    cluster: InferenceTwin = world.cluster  # type: ignore[assignment]
    everything = list(world.components.values())
    machines: list[Any] = [c for c in everything if c.kind == "node"]
    gpus: list[Any] = [c for c in everything if c.kind == "gpu"]
    others: list[Any] = [cluster.router, cluster.gateway, cluster.store]
    seats = {gpu: i for i, replica in enumerate(cluster.router.replicas) for gpu in replica.gpus}
    model, first = gpus[0].model, cluster.router.replicas[0]
    carried = [(place, condition) for plan in plans(world) for place, condition in plan.conditions]
    signs = np.zeros((conditions, len(SIGNS)), np.float32)
    kind, row = np.full(conditions, -1, np.int32), np.zeros(conditions, np.int32)
    blind = np.zeros((conditions, components), np.bool_)
    programs = [*cluster.router.replicas, *[None] * (replicas - len(cluster.router.replicas)), *others]
    groups: tuple[Sequence[Any], ...] = (programs, gpus, machines)
    for slot, (place, condition) in enumerate(carried):
        for name, value in shown(condition, place, model).items():
            signs[slot, SIGN[name]] = value
        for number, group in enumerate(groups):
            if place in group:
                kind[slot], row[slot] = number, group.index(place)
        blind[slot, : len(everything)] = reach.blind(world, place, condition)
    held = [n.memory_used - sum(p.resident_memory for p in n.processes()) for n in machines]
    padded = (
        programs,
        [*gpus, *[None] * (gpus_most - len(gpus))],
        [*machines, *[None] * (nodes - len(machines))],
    )
    size = model.memory / MEBIBYTE
    weights = first.model.weight_bytes
    return Exposed(
        gpu=np.array([model.power, model.idle_power, model.clock, size * first.memory_utilization], np.float32),
        seat=_filled([seats[gpu] for gpu in gpus], gpus_most, 0).astype(np.int32),
        inlet=_filled([gpu.meter.inlet for gpu in gpus], gpus_most, 0.0).astype(np.float32),
        node=np.array(
            [[n.memory, n.disk_available, h] for n, h in zip(machines, held, strict=True)]
            + [[1.0, 0.0, 0.0]] * (nodes - len(machines)),
            np.float32,
        ),
        home=np.array([*[-1] * replicas, *[machines.index(p.place) for p in others]], np.int32),
        threads=np.array([*[0.0] * replicas, *[p.runnable_threads for p in others]], np.float32),
        resident=np.array([0.0 if p is None else p.resident_memory for p in programs], np.float32),
        cores=np.array([1.0 if p is None else p.core_limit for p in programs], np.float32),
        epoch=np.float32(world.epoch),  # type: ignore[arg-type]
        download=np.array([(weights + IMAGE) / CLIENT_BANDWIDTH, weights + IMAGE], np.float32),
        warm=np.array([WARMUP_SECONDS, *[WARMUP_SECONDS + COMPILE_SECONDS] * 2], np.float32),
        signs=signs,
        kind=kind,
        row=row,
        blind=blind,
        card=_filled([gpus.index(c) if c in gpus else -1 for c in everything], components, -1).astype(np.int32),
        slots=np.array(
            [everything.index(c) if c is not None else components for group in padded for c in group], np.int32
        ),
    )


def _filled(values: Sequence[Any], size: int, rest: Any) -> NDArray[Any]:
    return np.array([*values, *[rest] * (size - len(values))])


# --- what a condition shows ------------------------------------------------------------------------------------------


def shown(condition: Condition, place: Component, gpu: Gpu) -> dict[str, float]:
    """The signs of a condition on a component; none where telemetry does not show it by itself."""
    value, parameter = condition.value, condition.parameter
    found = dict(_of_gpu(parameter, value, gpu)) if place.kind == "gpu" else {}
    if parameter == "power_lost":
        found["boots"] = seconds_of("reboot", sum(c.kind == "gpu" for c in place.residents))
    if parameter in ("gcs_down", "controller_stuck") and value:
        slower = CONTROL_LOOP_INTERVAL + CONTROL_LOOP_SECONDS
        rarer = slower / (slower + GCS_RPC_TIMEOUT)
        found["stuck"] = 1.0 - (rarer if parameter == "gcs_down" else 0.0)
    for name, sign in _AS_THEY_ARE.items():
        if parameter == name:
            found[sign] = value
    return found


_AS_THEY_ARE: Final = {
    "cpu_stress": "threads",
    "disk_taken": "disk_taken",
    "clock_offset": "clock_offset",
    "frozen": "frozen",
    "collective_hang": "spins",
    "row_to_remap": "remap_pending",
    "no_spare_rows": "no_spare",
}


def _of_gpu(parameter: str, value: float, gpu: Gpu) -> dict[str, float]:
    found: dict[str, float] = {}
    reported = value >= ERROR_STORM if parameter == "correctable_errors" else bool(value)
    if parameter in XIDS and reported:
        found["xid"] = RANK * (1 + list(XIDS).index(parameter)) + XIDS[parameter][-1]
    if parameter in ("off_bus", "gsp_silent") and value:
        found["silent"], found["off_bus"] = 1.0, float(parameter == "off_bus")
    if parameter == "power_limit":
        clocks = [clock_ratio(gpu, value, activity) for activity in (DECODE_ACTIVITY, PREFILL_ACTIVITY)]
        found["decode_slow"], found["prefill_slow"] = (1.0 - clock for clock in clocks)
        found["decode_capped"], found["prefill_capped"] = (float(clock < 1.0) for clock in clocks)
    if parameter in ("power_brake", "thermal_alert") and value:
        found["decode_slow"] = found["prefill_slow"] = 1.0 - slowed(gpu, 1.0)
        found["hardware"] = float(hardware_events(parameter == "thermal_alert", parameter == "power_brake"))
    if parameter == "heat_path":
        clock = cool_clock(gpu, value)
        found["heat_path"] = value - 1.0
        found["decode_slow"] = found["prefill_slow"] = 1.0 - clock
        if clock < 1.0:
            found["hottest"] = settled(INLET_TEMPERATURE, CORE_RISE, value, clock**POWER_EXPONENT)
    return found


def cool_clock(gpu: Gpu, heat_path: float) -> float:
    """The clock at which the temperature settles: what the driver allows there, found by halving."""
    low, high = gpu.min_clock / gpu.clock, 1.0
    for _step in range(30):
        middle = (low + high) / 2.0
        share = middle**POWER_EXPONENT
        core = settled(INLET_TEMPERATURE, CORE_RISE, heat_path, share)
        memory = settled(INLET_TEMPERATURE, MEMORY_RISE, heat_path, share)
        if governed_clock(gpu, core, memory) >= middle:
            low = middle
        else:
            high = middle
    return low


SOFTWARE_CAP: Final = float(clock_events(True, False))
SOFTWARE_HEAT: Final = float(clock_events(False, True))
