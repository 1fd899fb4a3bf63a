"""Failures that nobody injects: from a trace, from a prefabricated hazard model, or from distributions of one's own.

They go through the same fault kinds as injected faults and become incidents with names of their own. Which failure
comes when is drawn once and for all, keyed by the component and the number of the failure; only whether it finds
something left to break depends on what happened before: what still carries the same condition is not broken once more.
"""

from __future__ import annotations

import csv
import heapq
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twin.components import Component
from twin.faults.kind import FaultKind, family
from twin.faults.planning import Plan, fault_kind, fault_parameters
from twin.mechanics import distributions, hazards
from twin.mechanics.distributions import Distribution
from twin.scenario.background import Background, BackgroundKind, CustomFailures, Time
from twin.scenario.errors import ScenarioError
from twin.scenario.schema import Fault, Selector
from twin.truth import Incident

if TYPE_CHECKING:
    from twin.world import World

PATH = ("spec", "background")
COLUMNS = ("time_s", "component", "kind", "action", "duration_s")


def _one(kind: str, action: str, **fields: Any) -> tuple[BackgroundKind, ...]:
    return (_part(1.0, kind, action, **fields),)


def _part(weight: float, kind: str, action: str, **fields: Any) -> BackgroundKind:
    return BackgroundKind.model_construct(weight=weight, kind=kind, action=action, **fields)


CAUSES: dict[str, tuple[BackgroundKind, ...]] = {
    # Prefab gpu. How deep a fault goes is not recorded; the weights within a cause are assumed.
    "bus": (
        _part(4, "GPUChaos", "fallOffBus", layer="bus"),
        _part(2, "GPUChaos", "fallOffBus", layer="power"),
        _part(1, "GPUChaos", "fallOffBus", layer="board"),
    ),
    "hbm": (
        _part(8, "GPUChaos", "doubleBitError"),
        _part(1, "GPUChaos", "rowRemapFailure"),
        _part(1, "GPUChaos", "uncontainedError"),
    ),
    "sram": _one("GPUChaos", "uncontainedError"),
    "gsp": _one("GPUChaos", "gspTimeout"),
    "nvlink": _one("GPUChaos", "nvlinkDown"),
    "corruption": _one("GPUChaos", "silentDataCorruption"),
    "thermal": _one("GPUChaos", "thermalThrottle"),
    "software": _one("ProcessChaos", "crash"),
    # Prefab infinitehbd: the descriptions of its GPU class that name a mechanism, by count.
    "gpu": (
        _part(30, "GPUChaos", "doubleBitError"),
        _part(17, "GPUChaos", "pcieWidthLow"),
        _part(4, "GPUChaos", "fallOffBus", layer="power"),
        _part(2, "GPUChaos", "gspTimeout"),
        _part(2, "GPUChaos", "thermalThrottle"),
        _part(1, "GPUChaos", "correctableErrors"),
    ),
    "cable": _one("NetworkChaos", "partition", direction="both"),
    "power-supply": _one("GPUChaos", "powerBrake", layer="board"),
    "fan": _one("GPUChaos", "thermalThrottle"),
    "nic": (
        _part(9, "NetworkChaos", "bandwidth", bandwidth={"rate": "10mbps", "limit": 20_971_520, "buffer": 10_000}),
        _part(6, "NetworkChaos", "partition", direction="both"),
    ),
    # Prefab grid5000: a host that is down, and up again after its repair.
    "host": _one("NodeChaos", "powerLoss"),
}
"""What a cause of the hazard models does here. A cause that is not listed names no mechanism: its failures are drawn,
so that the others come when they would, and nothing happens."""

SELF_HEALING = frozenset({"software"})
"""Causes that nobody repairs by hand: a new process is enough."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure to come: what breaks where, for how long (None: until it is healed). Seconds."""

    time: float
    cause: str
    host: Component
    kind: BackgroundKind
    duration: float | None
    path: tuple[str | int, ...] = PATH


def weather(world: World) -> Iterator[tuple[float, Callable[[], Plan | None]]]:
    """The background failures of a world, in order: (time, what makes it happen), endless unless from a trace.

    Raises ScenarioError at once for an unknown kind, a bad parameter or row, or a cluster that has nothing to break.
    """
    background = world.spec.background
    if not isinstance(background, Background):
        return iter(())
    if background.trace is not None:
        failures = iter(_read(world, Path(background.trace)))
    elif background.custom is not None:
        failures = _custom(world, background.custom)
    elif background.prefab == "gpu":
        failures = _per_gpu(world, background)
    elif background.prefab == "infinitehbd":
        failures = _fleet(world)
    else:
        failures = _hosts(world, "host", hazards.GRID5000_GAP, hazards.GRID5000_DURATION, None, CAUSES["host"])
    return ((failure.time, partial(_plan, world, failure, n)) for n, failure in enumerate(failures, 1))


# --- the four ways ----------------------------------------------------------------------------------------------


def _per_gpu(world: World, background: Background) -> Iterator[Failure]:
    """Every GPU fails by itself, for each cause; a few nodes are lemons."""
    gpus = [c for c in world.components.values() if c.kind == "gpu"]
    if not gpus:
        raise ScenarioError("this cluster has no GPUs", (*PATH, "prefab"))
    lemons = background.lemons
    share = hazards.LEMON_SHARE if lemons is None else lemons.share
    factors = hazards.LEMON_FACTORS if lemons is None else lemons.factor
    luck = world.streams["background/lemons"]
    sources = []
    for cause, rate in hazards.GPU_HAZARDS.items():
        kinds = _checked(CAUSES[cause], PATH)
        gap = hazards.gap_of(rate)
        for gpu in gpus:
            if not any(_landing(fault_kind(_fault(kind), PATH), gpu) for kind in kinds):
                continue  # a card without NVLink
            node = (gpu.place or gpu).name
            speed = world.spec.acceleration * hazards.lemon_factor(luck.uniform(node), share, factors)
            repair = None if cause in SELF_HEALING else hazards.GPU_REPAIR
            sources.append(_renewal(world, cause, gpu, gap, speed, kinds, repair))
    return heapq.merge(*sources, key=lambda failure: failure.time)


def _renewal(
    world: World,
    cause: str,
    host: Component,
    gap: Distribution,
    speed: float,
    kinds: Sequence[BackgroundKind],
    repair: Distribution | None,
) -> Iterator[Failure]:
    stream = world.streams[f"background/{cause}"]
    for n, time in enumerate(hazards.onsets(gap, speed, partial(stream.uniform, host.name))):
        kind = kinds[hazards.pick([k.weight for k in kinds], stream.uniform(host.name, n, "kind"))]
        yield Failure(time, cause, host, kind, _lasting(repair, partial(stream.uniform, host.name, n, "for")))


def _fleet(world: World) -> Iterator[Failure]:
    """A GPU fleet's failures: bursts over time, frail servers, causes with repair times of their own."""
    nodes = _nodes(world)
    for cause in sorted(hazards.FLEET_CLASSES.keys() & CAUSES.keys()):
        _checked(CAUSES[cause], PATH)
    if not any(c.kind == "gpu" for c in world.components.values()):
        raise ScenarioError("this cluster has no GPUs", (*PATH, "prefab"))
    stream = world.streams["background/fleet"]
    weights = [
        hazards.fleet_frailty(hazards.FLEET_FRAILTY, partial(stream.uniform, "frailty", node.name)) for node in nodes
    ]
    frailty = hazards.Frailty(weights, hazards.FLEET_RECURRENCE, hazards.FLEET_MEMORY)
    speed = world.spec.acceleration * len(nodes) / hazards.FLEET_HOSTS
    names, classes = list(hazards.FLEET_CLASSES), list(hazards.FLEET_CLASSES.values())

    def failures() -> Iterator[Failure]:
        for n, time in enumerate(hazards.onsets(hazards.FLEET, speed, partial(stream.uniform, "gap"))):
            node = nodes[frailty.next(partial(stream.uniform, "host", n))]
            chosen = hazards.pick([c.share for c in classes], stream.uniform("cause", n))
            kinds = CAUSES.get(names[chosen])
            if kinds is not None:
                kind = kinds[hazards.pick([k.weight for k in kinds], stream.uniform("kind", n))]
                lasting = classes[chosen].repair.sample(partial(stream.uniform, "for", n))
                yield Failure(time, names[chosen], node, kind, lasting)

    return failures()


def _custom(world: World, custom: CustomFailures) -> Iterator[Failure]:
    path = (*PATH, "custom", "kinds")
    kinds = [_checked((kind,), (*path, i))[0] for i, kind in enumerate(custom.kinds)]
    for i, kind in enumerate(kinds):
        if not any(_landing(fault_kind(_fault(kind), path), node) for node in _nodes(world)):
            hits = fault_kind(_fault(kind), path).hits
            raise ScenarioError(f"nothing on this cluster's nodes can be hit: it hits {hits}", (*path, i))
    lasting = None if custom.duration is None else distribution(custom.duration)
    return _hosts(world, "custom", distribution(custom.interarrival), lasting, custom.hosts, kinds)


def _hosts(
    world: World,
    cause: str,
    gap: Distribution,
    lasting: Distribution | None,
    share: float | None,
    kinds: Sequence[BackgroundKind],
) -> Iterator[Failure]:
    """Failures anywhere in the cluster, each on one node or a share of them."""
    nodes = _nodes(world)
    _checked(kinds, PATH)
    stream = world.streams[f"background/{cause}"]
    times = hazards.onsets(gap, world.spec.acceleration, partial(stream.uniform, "gap"))
    number = 1 if share is None else max(1, round(share * len(nodes)))

    def failures() -> Iterator[Failure]:
        for n, time in enumerate(times):
            kind = kinds[hazards.pick([k.weight for k in kinds], stream.uniform("kind", n))]
            duration = _lasting(lasting, partial(stream.uniform, "for", n))
            order = [(stream.uniform("host", n, node.name), i) for i, node in enumerate(nodes)]
            for node in (nodes[i] for _, i in sorted(order)[:number]):
                yield Failure(time, cause, node, kind, duration)

    return failures()


def _read(world: World, path: Path) -> list[Failure]:
    """The failures of a trace, in order of time."""
    where = (*PATH, "trace")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"cannot read the trace {path}: {error.strerror}", where) from None
    reader = csv.DictReader(text.splitlines())
    missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
    if missing:
        raise ScenarioError(f"{path}:1: the trace has no column {', '.join(missing)}", where)
    failures = []
    for row in reader:
        at = f"{path}:{reader.line_num}"
        try:
            time = float(row["time_s"])
            duration = float(row["duration_s"]) if row["duration_s"] else None
            parameters = json.loads(row.get("parameters") or "{}")
        except ValueError:
            raise ScenarioError(f"{at}: not a number, or not JSON, in {dict(row)}", where) from None
        if not isinstance(parameters, dict):
            raise ScenarioError(f"{at}: parameters must be a JSON object, got {parameters!r}", where)
        reserved = sorted(parameters.keys() & {*Fault.model_fields, "weight"})
        if reserved:
            raise ScenarioError(f"{at}: '{reserved[0]}' is no parameter of a kind of fault", where)
        if not 0 <= time < float("inf") or (duration is not None and not 0 < duration < float("inf")):
            raise ScenarioError(f"{at}: times must be finite, time_s 0 or more and duration_s above 0", where)
        host = world.components.get(row["component"])
        if host is None:
            raise ScenarioError(f"{at}: no component '{row['component']}'", where)
        try:
            kind = _checked(_one(row["kind"] or "", row["action"] or "", **parameters), where)[0]
            found = fault_kind(_fault(kind), where)
        except ScenarioError as error:
            raise ScenarioError(f"{at}: {error.message}", where) from None
        if _landing(found, host) is None:
            raise ScenarioError(f"{at}: cannot hit '{host.name}': it hits {found.hits}", where)
        failures.append(Failure(time, "trace", host, kind, duration))
    return sorted(failures, key=lambda failure: failure.time)


# --- from a failure to a plan -----------------------------------------------------------------------------------


def distribution(time: Time) -> Distribution:
    """The distribution that a scenario names."""
    if time.exponential is not None:
        return distributions.Exponential(time.exponential.mean)
    if time.weibull is not None:
        return distributions.Weibull(time.weibull.shape, time.weibull.scale)
    if time.lognormal is not None:
        return distributions.Lognormal(time.lognormal.median, time.lognormal.sigma)
    if time.gamma is not None:
        return distributions.Gamma.of(time.gamma.mean, time.gamma.cv)
    assert time.constant is not None
    return distributions.Constant(time.constant)


def _lasting(duration: Distribution | None, draw: Callable[[int], float]) -> float | None:
    return None if duration is None else duration.sample(draw)


def _nodes(world: World) -> list[Component]:
    """The machines."""
    return [c for c in world.components.values() if c.kind == "node"]


def _fault(kind: BackgroundKind) -> Fault:
    """The kind as a fault, for its checks."""
    fields: Mapping[str, Any] = kind.parameters
    return Fault(name="background", kind=kind.kind, action=kind.action, selector=Selector(), at=0.0, **fields)


def _checked(kinds: Sequence[BackgroundKind], path: tuple[str | int, ...]) -> Sequence[BackgroundKind]:
    """The same kinds, known to exist and to be well written."""
    for kind in kinds:
        for key in kind.parameters:
            if key in Fault.model_fields:
                raise ScenarioError(
                    f"'{key}' is not for background failures: when, where and how long is drawn", (*path, key)
                )
        fault = _fault(kind)
        fault_parameters(fault_kind(fault, path), fault, path)
    return kinds


def _landing(kind: FaultKind, host: Component) -> Component | None:
    """Where on a host, or on what runs there, such a fault lands."""
    landings = (kind.lands_on(c) for c in (host, *host.all_residents()))
    return next((landing for landing in landings if landing is not None), None)


def _plan(world: World, failure: Failure, number: int) -> Plan | None:
    """The failure as it happens now, noted in the truth; None where that is broken already, or nothing is there."""
    fault = _fault(failure.kind)
    kind = fault_kind(fault, failure.path)
    component = _landing(kind, failure.host)
    if component is None:
        return None
    parameters = fault_parameters(kind, fault, failure.path)
    name = f"background-{number}-{failure.cause}"
    conditions = kind.conditions(parameters, name, component)
    present = {(c.layer, c.parameter) for c in component.conditions}
    if any((c.layer, c.parameter) in present for c in conditions):
        return None
    label = f"{fault.kind}/{fault.action}" if fault.action else fault.kind
    world.truth.plan(Incident(name, label, family(kind, parameters), (component.name,)))
    until = None if failure.duration is None else failure.time + failure.duration
    return Plan(name, failure.time, until, tuple((component, c) for c in conditions))
