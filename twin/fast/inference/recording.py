"""What happens in an inference cluster that its programs log of, in both twins by the same names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twin.fast.lines import Lines, Statement, fitted
from twin.process import State
from twin.world import World

if TYPE_CHECKING:
    from twin.components import Component
    from twin.inference.cluster import InferenceTwin
    from twin.scenario import Suite

OF_REPLICAS: Final = ("answered", "lost", "cancelled", "died", "failed", "came")
"""A request is answered, ends with its replica's process, is given up; a process dies while it runs, dies in its start,
comes up."""
EVENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "vllm": ("second", *OF_REPLICAS),
    "node": ("second", "died", "failed", "came"),
    "ray-head": ("second", *OF_REPLICAS, "hung", "began"),
    "nginx": ("second", "answered", "lost", "cancelled", "refused", "unheard", "began"),
    "model-store": ("second", "began"),
}
"""By kind of the component that logs; those of a node, the head and the gateway are of all replicas that are theirs. A
second in which the program runs, or in which Serve's proxy is `hung`; `began`: its own process; `refused`: a request
that nobody took from the gateway; `unheard`: one that Serve's proxy took and never answered."""

Events = Counter[tuple[str, str]]
"""(component, event) -> how often."""


def measured(suite: Suite, seeds: Sequence[int]) -> Lines:
    """Lines that events bring, from lives in the SimPy twin of a suite's inference scenarios under no action."""
    happened: dict[str, list[list[float]]] = {kind: [] for kind in EVENTS}
    logged: dict[str, list[Counter[tuple[str, str]]]] = {kind: [] for kind in EVENTS}
    lived = []
    for scenario in suite.scenarios:
        for seed in seeds:
            world = World(scenario, seed)
            if world.spec.cluster.kind != "inference":
                continue
            lived.append(scenario.metadata.name)
            for kind, counts, lines in life(world):
                happened[kind].append([counts[event] for event in EVENTS[kind]])
                logged[kind].append(lines)
    statements: list[Statement] = []
    for kind, events in EVENTS.items():
        statements += fitted(kind, events, np.array(happened[kind]), logged[kind])
    provenance = {
        "suite": suite.metadata.name,
        "hash": suite.digest,
        "date": date.today().isoformat(),
        "seeds": list(seeds),
        "scenarios": sorted(set(lived)),
        "versions": {name: version(name) for name in ("healtwin", "simpy", "numpy")},
    }
    return Lines(provenance, tuple(statements))


def life(world: World) -> list[tuple[str, Counter[str], Counter[tuple[str, str]]]]:
    """(kind, events, lines by template and level) of each component in each interval between decisions."""
    cluster: InferenceTwin = world.cluster  # type: ignore[assignment]
    events = heard(world)
    found, step = [], world.spec.control.interval
    time = 0.0
    while time < world.spec.horizon:
        start, time = time, min(time + step, world.spec.horizon)
        before = {component.name: component.up for component in world.components.values()}
        hung = cluster.router.proxy.hangs
        events.clear()
        world.run(until=time)
        lines: dict[str, Counter[tuple[str, str]]] = {}
        for record in world.recorder.logs_between(start, time):
            key = (record.template.id, record.template.level.value)
            lines.setdefault(record.component, Counter())[key] += 1
        for component in world.components.values():
            if component.kind in EVENTS:
                counts = _of(component, events)
                counts["second"] = int(step * (before[component.name] + component.up) / 2.0)
                counts["hung"] = int(step * (hung + cluster.router.proxy.hangs) / 2.0)
                found.append((component.kind, counts, lines.get(component.name, Counter())))
    return found


def _of(component: Component, events: Events) -> Counter[str]:
    """A component's own events, and those of the replicas that are its."""
    cluster: InferenceTwin = component.world.cluster  # type: ignore[assignment]
    counts: Counter[str] = Counter()
    for replica in cluster.router.replicas:
        theirs = component.kind in ("ray-head", "nginx") or component is replica.node or component is replica
        for event in OF_REPLICAS if theirs else ():
            counts[event] += events[replica.name, event]
    if component.kind in ("ray-head", "nginx"):
        counts["cancelled"] = events[cluster.gateway.name, "cancelled"]
    for event in ("began", "refused", "unheard"):
        counts[event] = events[component.name, event]
    return counts


def heard(world: World) -> Events:
    """A count of events that goes on while the world lives."""
    cluster: InferenceTwin = world.cluster  # type: ignore[assignment]
    events: Events = Counter()

    def notice(thing: Any, method: str, note: Callable[..., None]) -> None:
        does = getattr(thing, method)

        def both(*args: Any, **named: Any) -> Any:
            note(*args, **named)
            return does(*args, **named)

        setattr(thing, method, both)

    for replica in cluster.router.replicas:

        def count(event: str, number: int = 1, name: str = replica.name) -> None:
            if world.now > 0.0 and number:
                events[name, event] += number

        def dies(reason: str, replica: Any = replica, count: Any = count) -> None:
            if replica.state in (State.RUNNING, State.DRAINING):
                count("died")
            elif replica.state is State.STARTING:
                count("failed")

        notice(replica, "on_finished", lambda request, count=count: count("answered"))
        notice(replica, "_trace", lambda request, status, count=count: count("lost", int(status == 500)))
        notice(replica, "abort", lambda request, count=count: count("cancelled"))
        notice(replica, "die", dies)
        notice(replica, "on_running", lambda count=count: count("came"))
    gateway = cluster.gateway

    def ended(request: Any, status: int) -> None:
        if status == 504:
            events[gateway.name, "cancelled"] += 1
        elif status != 200 and request.id not in gateway._peers:
            events[gateway.name, "refused"] += 1
        elif status == 502:  # an upstream that dies ends what was its with 500
            events[gateway.name, "unheard"] += 1

    notice(gateway, "_end", ended)
    for program in (cluster.router, gateway, cluster.store):

        def begins(name: str = program.name) -> None:
            if world.now > 0.0:
                events[name, "began"] += 1

        notice(program, "on_running", begins)
    return events
