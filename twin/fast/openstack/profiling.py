"""What calls cost and whom they visit, measured in healthy lives of the SimPy twin.

What happens until a client has its answer is the *call*; what goes on afterwards (a server is built, a volume is
copied) is its *job*, a chain of stages, each begun by a message to the service that owns it. The order in which a load
makes its calls is its *script*. All of it is written to `flows.json`, which `twin.fast.openstack.flows` reads.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.fast.openstack.flows import FILE, QUANTILES
from twin.fast.openstack.recording import Event, Recording, Root, Step, listening
from twin.scenario import Scenario
from twin.world import World

SCENARIOS = {
    "lifecycle": ("nova-api-crash", "nova-compute-crash", "openstack-healthy"),
    "deployment": ("openstack-deployment",),
    "network": ("openstack-network",),
    "storage": ("openstack-storage",),
    "operations": ("openstack-operations",),
}
"""Load -> scenarios whose lives are measured, without their faults."""
SEEDS = (0, 1)
HORIZON = 1200.0
ASIDE = (
    "dhcp_agent", "l3_agent", "external_instance_event", "update_instance_info", "delete_instance_info",
    "sync_instance_info", "update_service_capabilities", "fip", "router", "q-plugin",
)  # fmt: skip
"""Messages that nothing waits for, by a part of their topic or method."""


def calibrate(path: Path = FILE, seeds: Sequence[int] = SEEDS, horizon: float = HORIZON) -> dict[str, Any]:
    """Measure everything and write it down; returns what was written."""
    calls: dict[str, list[Root]] = defaultdict(list)
    scripts: dict[str, Any] = {}
    unasked: list[tuple[float, float, float]] = []
    for load, names in SCENARIOS.items():
        recordings = [lived(name, seed, horizon) for name in names for seed in seeds]
        for recording in recordings:
            for root in recording.roots.values():
                if math.isfinite(root.end):
                    calls[f"{load} {root.operation}" if load == "lifecycle" else root.operation].append(root)
        if load == "lifecycle":
            unasked = [_unasked(recording) for recording in recordings]
        scripts[load] = _lifecycle(recordings) if load == "lifecycle" else _script(recordings)
    suite = json.dumps({"scenarios": SCENARIOS, "seeds": list(seeds), "horizon": horizon}, sort_keys=True)
    found = {
        "measured": {
            "date": datetime.now(UTC).date().isoformat(),
            "hash": sha256(suite.encode()).hexdigest()[:16],
            "versions": {name: version(name) for name in ("numpy", "simpy")},
            **json.loads(suite),
        },
        "calls": {name: _call(roots) for name, roots in sorted(calls.items())},
        "scripts": scripts,
        "background": _background(unasked),
    }
    path.write_text(json.dumps(found, indent=1) + "\n")
    return found


def _unasked(recording: Recording) -> tuple[float, float, float]:
    """Servers built a second, and statements and transactions a second for nobody's request."""
    seconds = recording.world.now
    built = sum(r.operation == "nova-api servers.create" for r in recording.roots.values())
    return built / seconds, recording.unasked / seconds, recording.alone / seconds


def _background(lives: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    """The line through them: statements a second without any server, and more for each that is built; and those of one
    transaction."""
    built, asked, alone = np.array(lives, np.float64).T
    slope, constant = np.polyfit(built, asked, 1)
    return {
        "statements": round(float(constant), 3),
        "statements of a server": round(float(slope), 3),
        "statements of a transaction": round(float(asked.sum() / alone.sum()), 3),
    }


def lived(scenario: str, seed: int, horizon: float = HORIZON) -> Recording:
    """One healthy life of a scenario."""
    world = World(Scenario.load(scenario, ("spec.telemetry=off", "spec.faults=[]")), seed)
    recording = Recording(world)
    with listening(recording):
        world.run(until=min(horizon, world.spec.horizon))
    return recording


def kind(name: str) -> str:
    """A component's kind: its name without its host."""
    return name.split("@")[0]


def owner(topic: str) -> str:
    """The kind of component that takes messages of a topic."""
    head = topic.split(".")[0].split("@")[0]
    short = {"conductor": "nova-conductor", "compute": "nova-compute", "scheduler": "nova-scheduler"}
    return short.get(head, head)


# --- calls ---------------------------------------------------------------------------------------------------------


def _call(roots: Sequence[Root]) -> dict[str, Any]:
    """Means over the calls of one operation, and how long they took."""
    took = np.array([root.end - root.start for root in roots])
    usual = [root for root, seconds in zip(roots, took, strict=True) if seconds <= np.quantile(took, 0.9) + 1e-9]
    works = [_work(e for e in root.events if e.start < root.end) for root in usual]
    return {
        "count": len(roots),
        "seconds": _quantiles(took),
        **_mean(works),
    }


def _work(events: Iterable[Event]) -> dict[str, Any]:
    """Sums of what was done: Python by kind, seconds on the host, statements, transactions, requests and RPC calls."""
    think: dict[str, float] = defaultdict(float)
    http: dict[str, float] = defaultdict(float)
    calls: dict[str, float] = defaultdict(float)
    sums = dict.fromkeys(("statements", "reads", "writes", "host", "casts"), 0.0)
    for event in events:
        match event.what:
            case "think":
                think[kind(event.service)] += event.amount
            case "sql":
                sums["statements"] += event.amount
                sums["writes" if event.detail == "write" else "reads"] += 1
            case "http":
                http[event.detail] += 1
            case "call":
                calls[owner(event.detail.split(" ")[0])] += 1
            case "cast":
                sums["casts"] += 1
            case "host":
                sums["host"] += event.amount
    return {"think": dict(think), "http": dict(http), "calls": dict(calls), **sums}


# --- jobs ----------------------------------------------------------------------------------------------------------


def job(root: Root) -> list[dict[str, Any]]:
    """The stages of what goes on after the answer."""
    begun = [e for e in root.events if e.what == "cast" and not any(one in e.detail for one in ASIDE)]
    begun.sort(key=lambda e: e.start)
    stages: list[dict[str, Any]] = []
    for i, cast in enumerate(begun):
        topic, method = cast.detail.split(" ")
        until = begun[i + 1].start if i + 1 < len(begun) else math.inf
        inside = [e for e in root.events if cast.start <= e.start < until and e is not cast and e.end >= root.end]
        mine = [e.end for e in inside if math.isfinite(e.end) and kind(e.service) == owner(topic)]
        end = until if math.isfinite(until) else max(mine, default=cast.start)
        work = _work(e for e in inside if kind(e.service) != "neutron-dhcp-agent")
        start = max(cast.start, root.end)  # who asked has no answer yet when the first message is sent
        plugs = [e for e in inside if e.what == "plug"]
        more = {"plugged": plugs[-1].start - start, **_told(root, inside, plugs[-1].start, end)} if plugs else {}
        stages.append({"owner": owner(topic), "method": method, "seconds": max(end - start, 0.0), **more, **work})
    return stages


AGENTS = ("neutron-dhcp-agent", "neutron-l3-agent")


def _told(root: Root, inside: Sequence[Event], plugged: float, end: float) -> dict[str, float]:
    """Of a build whose interface is plugged in at `plugged` and that ends at `end`: the statements that it waits for
    until then, the seconds until its guest is there, those of the agent's message that all is wired, and what follows
    until the server is written down as ACTIVE: what its host does then, nobody waits for.
    Builds whose event waits with others' in neutron's notifier say nothing of the last two."""
    statements = sum(e.amount for e in inside if e.what == "sql" and e.start < plugged and not _aside(e, inside))
    found = {"awaited": statements}
    guest, tell = (next((e for e in inside if e.what == what), None) for what in ("guest", "tell"))
    if guest is None or tell is None or not any(e.what == "http" and e.detail == "nova-api" for e in root.told):
        return found
    saved = (e.end for e in inside if e.what == "call" and kind(e.service) == "nova-compute" and e.start > tell.start)
    end = max((at for at in saved if at <= end), default=end)
    told = [e for e in root.told if e.what == "sql" and tell.start <= e.start < end and e.amount > PUSH]
    own = sum(e.amount for e in inside if e.what == "sql" and guest.start <= e.start < end)
    return found | {
        "guest": guest.start - plugged,
        "telling": tell.end - tell.start,
        "telling statements": sum(e.amount for e in told if e.start < tell.end),
        "after": end - tell.start,
        "after statements": own + sum(e.amount for e in told),
    }


PUSH = 1.0
"""Statements of a push of an object to all agents, which nobody waits for."""


def _aside(event: Event, inside: Sequence[Event]) -> bool:
    """Whether it goes on beside a build: for an agent, or for the news that neutron has for nova."""
    news = min(
        (e.start for e in inside if e.what == "cast" and "external_instance_event" in e.detail), default=math.inf
    )
    beside = (
        e for e in inside
        if (e.what in ("call", "http") and kind(e.service) in AGENTS)
        or (e.what == "http" and kind(e.service) == "neutron-server" and e.detail == "nova-api")
        or (e.what == "http" and kind(e.service) == "nova-compute" and e.start >= news)
    )  # fmt: skip
    return event.amount <= PUSH or any(e.start <= event.start and event.end <= e.end for e in beside)


def _jobs(roots: Sequence[Root]) -> list[dict[str, Any]]:
    """Means over the jobs of alike requests, of those that have the usual stages."""
    found = [job(root) for root in roots]
    shapes = [tuple(stage["method"] for stage in job) for job in found]
    if not shapes:
        return []
    usual = max(set(shapes), key=lambda shape: (shapes.count(shape), shape))
    alike = [job for job, shape in zip(found, shapes, strict=True) if shape == usual]
    return [
        {
            "owner": alike[0][i]["owner"],
            "method": alike[0][i]["method"],
            "seconds": _quantiles([job[i]["seconds"] for job in alike]),
            **_wiring([job[i] for job in alike]),
            **_mean([{k: v for k, v in job[i].items() if k not in TEXTS} for job in alike]),
        }
        for i in range(len(usual))
    ]


TOLD = ("awaited", "guest", "telling", "telling statements", "after", "after statements")
TEXTS = ("owner", "method", "seconds", "plugged", *TOLD)


def _wiring(stages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of a stage that waits for its host's agent: seconds until it does, and medians of what `_told` says."""
    plugged = [stage["plugged"] for stage in stages if "plugged" in stage]
    if len(plugged) < 0.9 * len(stages):
        return {}
    told = {name: [stage[name] for stage in stages if name in stage] for name in TOLD}
    medians = {name: round(float(np.median(values)), 4) for name, values in told.items() if values}
    return {"plugged": _quantiles(plugged), **medians} if len(medians) == len(TOLD) and medians["after"] > 0.0 else {}


# --- scripts -------------------------------------------------------------------------------------------------------


def _lifecycle(recordings: Sequence[Recording]) -> dict[str, Any]:
    """Jobs of a server's life: creation and deletion."""
    found = {}
    for what in ("servers.create", "servers.delete"):
        roots = [r for one in recordings for r in _over(one) if r.operation == f"nova-api {what}" and r.status < 300]
        found[what] = _jobs([root for root in roots if root.end < recordings[0].world.now - 60.0])
    return found


def _over(recording: Recording) -> list[Root]:
    """Requests that are over, and were not among the last."""
    return [r for r in recording.roots.values() if math.isfinite(r.end) and r.end < recording.world.now - 60.0]


def _script(recordings: Sequence[Recording]) -> list[dict[str, Any]]:
    """The steps of a tester's run, from the runs that came to their end."""
    runs: list[list[Step]] = []
    for recording in recordings:
        for trial in recording.world.cluster.workload.trials:  # type: ignore[attr-defined]
            if trial.well:
                runs.append([s for s in recording.steps if s.owner == (trial.workload, trial.number)])
    shape = [(step.phase, step.check) for step in runs[0]]
    alike = [run for run in runs if [(step.phase, step.check) for step in run] == shape]
    return [_step_of([run[i] for run in alike]) for i in range(len(shape))]


def _step_of(steps: Sequence[Step]) -> dict[str, Any]:
    """What is the same in alike steps, and the means of what is not."""
    first = steps[0]
    calls = [root.operation for root in (first.polls[0] if first.check and first.polls else first.roots)]
    last = [step.roots[-1] for step in steps if step.roots]
    return {
        "phase": first.phase,
        "check": first.check,
        "polls": round(float(np.mean([len(step.polls) for step in steps])), 2),
        "calls": calls,
        "job": [] if first.check or not calls else _jobs(last),
    }


def _quantiles(seconds: Sequence[float] | NDArray[np.float64]) -> list[float]:
    return [round(float(value), 4) for value in np.quantile(seconds, QUANTILES)]


def _mean(values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means of numbers, key by key, and of dictionaries of them."""
    keys = sorted({key for value in values for key in value})
    found: dict[str, Any] = {}
    for key in keys:
        some = [value[key] for value in values if key in value]
        if isinstance(some[0], dict):
            found[key] = _mean([value.get(key, {}) for value in values])
        else:
            found[key] = round(float(np.sum(some) / len(values)), 5)
    return found
