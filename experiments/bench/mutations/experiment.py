"""One experiment: a tester's run against a mutated program, and another after the program is right again.

As in the study, a cloud on one host is given a file with one mutation, a client does its load once with it, stopping at
the first command that fails, and once more without it. What the first run came to is laid beside the same run, on the
same luck, of the program as it should be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from experiments.bench.mutations.record import Record, twin_digest
from twin.openstack.mutation import coverage
from twin.openstack.mutation.campaign import WORKLOADS, Point
from twin.openstack.mutation.mutants import runs_site
from twin.openstack.mutation.operators import Mutation, parse
from twin.openstack.oslo.service import Service
from twin.openstack.tenants.tester import Trial
from twin.scenario import ResolvedScenario
from twin.telemetry.records import Level, LogRecord
from twin.world import World

CLUSTER = {"kind": "openstack", "preset": "all-in-one"}
"""The study's cloud: everything on one host."""
RELEASED, BEGINS = 60.0, 70.0
"""When the mutated program is there, and when the tester begins: the cloud has come to rest by then."""
LONGEST = 7200.0
"""Seconds after which a run that has not ended is given up."""
STEP = 1.0
"""How often it is looked whether a run has ended."""


@dataclass(frozen=True, slots=True)
class FaultFree:
    """The run of a workload without a fault."""

    events: Counter[tuple[str, str, bool]]
    reached: frozenset[str]
    """The sites that the tester's first run came by, whoever ran them."""
    errors: int
    """Its ERROR lines: benign noise, if any."""
    well: bool


def experiment(point: Point, seed: int) -> Record:
    """Run one point. What stops the simulation is written down, not raised."""
    return replace(_experiment(point, seed), seed=seed, twin=twin_digest())


def _experiment(point: Point, seed: int) -> Record:
    mutation = parse(point.mutation)
    world = World(_scenario(point.workload, mutation), seed=seed)
    services = [world.components[name] for name in carriers(point.workload, mutation)]
    try:
        first = _run(world, 1)
        activated, hits = _activation(world, mutation)
        events = _events(world, first) if first is not None else Counter()
        errors = [] if activated is None else _error_lines(world, activated)
        for service in services:
            for condition in [c for c in service.conditions if c.code]:
                service.lift(condition)
        second = _run(world, 2)
    except Exception as error:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        line = "" if where is None else f" ({where.tb_frame.f_code.co_qualname})"
        return Record(
            point.workload, point.mutation, 0, None, None, None, broke=f"{type(error).__name__}: {error}{line}"
        )
    api, check = _seen(first)
    expected = fault_free(point.workload, seed).events
    return Record(
        point.workload,
        point.mutation,
        hits,
        _after(activated, api),
        _after(activated, check),
        _after(activated, errors[0].time if errors else None),
        dict(Counter(world.components[record.component].kind for record in errors)),
        persists=second is None or not second.well,
        missing=(expected - events).total(),
        added=(events - expected).total(),
    )


@lru_cache(maxsize=len(WORKLOADS))
def fault_free(workload: str, seed: int) -> FaultFree:
    """The same cloud, the same luck, and no fault; kept, for every experiment of a process is laid beside it."""
    world = World(_scenario(workload), seed=seed)
    world.run(BEGINS)
    counter = coverage.count(world.components.values())
    first = _run(world, 1)
    reached = frozenset(site for _, site in counter)
    second = _run(world, 2)
    well = first is not None and first.well and second is not None and second.well
    events = _events(world, first) if first is not None else Counter()
    return FaultFree(events, reached, len(_error_lines(world, BEGINS)), well)


def carriers(workload: str, mutation: Mutation) -> tuple[str, ...]:
    """The components that run the code of a mutation: a release reaches all of them."""
    return tuple(
        component.name
        for component in _components(workload)
        if any(runs_site(flow, mutation.site) for flow in component.flows)
    )


@lru_cache(maxsize=len(WORKLOADS))
def _components(workload: str) -> tuple[Service, ...]:
    world = World(_scenario(workload), seed=0)
    return tuple(component for component in world.components.values() if isinstance(component, Service))


def _scenario(workload: str, mutation: Mutation | None = None) -> ResolvedScenario:
    spec: dict[str, Any] = {
        "cluster": CLUSTER,
        "workload": {"loads": [{"kind": workload, "at": f"{BEGINS:g}s", "repeat": 2}]},
        "telemetry": {"mode": "recorded"},
        "horizon": f"{BEGINS + 2 * LONGEST:g}s",
    }
    if mutation is not None:
        fault = {"name": "release", "kind": "MutationChaos", "mode": "all", "at": f"{RELEASED:g}s"}
        fault |= {"site": mutation.site.id, "mutation": mutation.operator.value}
        fault |= {"argument": mutation.argument} if mutation.argument else {}
        spec["faults"] = [{**fault, "selector": {"components": list(carriers(workload, mutation))}}]
    document = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": workload}, "spec": spec}
    return ResolvedScenario.model_validate(document)


def _run(world: World, runs: int) -> Trial | None:
    """Live until the tester has ended so many runs; the last of them, or None where it does not end."""
    trials: list[Trial] = world.cluster.workload.trials  # type: ignore[attr-defined]
    until = world.now + LONGEST
    while len(trials) < runs and world.now < until:
        world.run(world.now + STEP)
    return trials[runs - 1] if len(trials) >= runs else None


def _activation(world: World, mutation: Mutation) -> tuple[float | None, int]:
    """When the program came by the mutation first, and how often."""
    found = [
        component.mutants.activations[mutation.text]
        for component in world.components.values()
        if isinstance(component, Service)
        and component.mutants is not None
        and mutation.text in component.mutants.activations
    ]
    return min((a.first for a in found), default=None), sum(a.count for a in found)


def _events(world: World, trial: Trial) -> Counter[tuple[str, str, bool]]:
    """What the tester's requests made happen, as the study's traces count it: calls by service, method and outcome."""
    own = set(trial.traces)
    return Counter(
        (world.components[span.component].kind, span.operation, span.status >= 400)
        for span in world.recorder.spans
        if span.trace in own
    )


def _error_lines(world: World, since: float) -> list[LogRecord]:
    """Head lines of ERROR and CRITICAL; the lines of a stack trace, which follow their head, are not counted."""
    return [
        record
        for record in world.recorder.logs_between(RELEASED, world.now)
        if record.time >= since
        and record.template.level in (Level.ERROR, Level.CRITICAL)
        and not record.template.id.endswith(".trace")
    ]


def _seen(trial: Trial | None) -> tuple[float | None, float | None]:
    """When the client first saw an API error, and when a check of its first failed. Who waits for ever sees nothing but
    that, which is a failed check."""
    if trial is None:
        return None, BEGINS + LONGEST
    api = min((error.time for error in trial.api_errors), default=None)
    return api, min((check.time for check in trial.failed_checks), default=None)


def _after(start: float | None, time: float | None) -> float | None:
    """Seconds from the mutation on; what comes before it, or without it, is not its doing."""
    return None if start is None or time is None or time < start else time - start


def reached(seed: int) -> dict[str, Collection[str]]:
    """Workload -> the sites that its fault-free run comes by."""
    return {workload: fault_free(workload, seed).reached for workload in WORKLOADS}
