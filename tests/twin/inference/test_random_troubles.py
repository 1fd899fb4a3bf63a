"""Random faults and random orders on a small cluster: nothing raises, nothing is lost, and twice is the same twice."""

from __future__ import annotations

import hashlib
import random
from functools import cache
from typing import Any

import numpy as np
import pytest

from twin import Action, World
from twin.actions import CATEGORIES
from twin.faults import KINDS
from twin.inference.engine import Engine
from twin.inference.kv_cache import blocks_of
from twin.scenario import ResolvedScenario, Scenario, ScenarioError
from twin.telemetry.exposition import series_of

PARAMETERS: dict[str, dict[str, Any]] = {
    "powerCap": {"powerLimit": "150W"},
    "delay": {"delay": {"latency": "400ms", "jitter": "100ms"}},
    "loss": {"loss": {"loss": "20"}},
    "corrupt": {"corrupt": {"corrupt": "10"}},
    "duplicate": {"duplicate": {"duplicate": "10"}},
    "bandwidth": {"bandwidth": {"rate": "1mbps", "limit": 20971520, "buffer": 10000}},
    "netem": {"delay": {"latency": "100ms"}, "loss": {"loss": "5"}},
    "partition": {"direction": "both"},
    "memoryLeak": {"rate": "300MB"},
    "badRollout": {"maxNumSeqs": 2},
    "connectionLimit": {"limit": 64},
    "limits": {"maxOngoingRequests": 4, "maxQueuedRequests": 6},
    "flashCrowd": {"factor": 4},
    "promptShift": {"factor": 3},
    "outputShift": {"factor": 2},
    "abusiveClient": {"rate": "3/s", "prompt": 2000, "output": 300},
    "diskSlow": {"factor": 8},
    "fault": {"volumePath": "/models"},
    "latency": {"volumePath": "/models", "delay": "10ms"},
    "StressChaos": {"stressors": {"memory": {"workers": 1, "size": "22GB"}, "cpu": {"workers": 20}}},
    "TimeChaos": {"timeOffset": "-5m"},
}
"""What a kind or an action of it needs."""

TARGETS = ("ray-replicas-0", "ray-replicas-1", "gpu-1", "node-0", "node-1", "ray-head", "nginx-proxy", "model-store")
ENGINES: tuple[dict[str, Any], ...] = (
    {},
    {"engine": {"tensorParallelSize": 2}},
    {"engine": {"dataParallelSize": 2, "kvBlocks": 600}},
    {"engine": {"kvBlocks": 600}, "outputCheck": "20s"},
)
CALM = 220.0
"""After this second nobody asks and no fault lasts: every call must have ended by the horizon."""
HORIZON = 700.0
SCRAPE = 10


@cache
def fitting() -> tuple[tuple[str, str], ...]:
    """Kinds and actions of the faults that can hit one of TARGETS; the others are the other cluster's."""
    components = World(Scenario.load("inference-healthy"), 0).components
    targets = [components[name] for name in TARGETS]
    return tuple(
        (name, action)
        for name, actions in KINDS.items()
        for action, kind in actions.items()
        if any(kind.lands_on(target) for target in targets)
    )


def scenario(draw: random.Random) -> ResolvedScenario:
    """A cluster with one to four faults that fit it."""
    cluster = {"kind": "inference", "preset": "small", **draw.choice(ENGINES)}
    rates = [{"at": "0s", "rate": "4/s"}, {"at": f"{CALM}s", "rate": "4/s"}, {"at": f"{CALM}s", "rate": "0/s"}]
    faults: list[dict[str, Any]] = []

    def resolved() -> ResolvedScenario:
        spec = {
            "cluster": cluster,
            "workload": {
                "arrivals": {"profile": rates},
                "prompt": "azure2023",
                "output": "azure2023",
                "prefix": {"groups": 3, "tokens": 200, "share": 0.5},
                "clientTimeout": "40s",
                "retries": {},
            },
            "telemetry": {"scrape": f"{SCRAPE}s"},
            "slo": {"ttftP99": "2s", "success": "99%"},
            "faults": faults,
            "horizon": f"{HORIZON}s",
        }
        document = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "troubles"}, "spec": spec}
        return ResolvedScenario.model_validate(document)

    wanted = draw.randint(1, 4)
    while len(faults) < wanted:
        kind, action = draw.choice(fitting())
        body = {"name": f"fault-{len(faults)}", "kind": kind, "selector": {"components": [draw.choice(TARGETS)]}}
        start, length = draw.randint(20, 120), draw.randint(10, 100)
        body |= {"action": action} if action else {}
        body |= {"at": f"{start}s", "duration": f"{length}s", **PARAMETERS.get(action or kind, {})}
        faults.append(body)
        try:
            World(resolved(), 0)
        except ScenarioError as error:
            assert "cannot hit" in error.message or "hits" in error.message, error
            faults.pop()
    return resolved()


def blocks_in_use(core: Engine) -> int:
    """Blocks that requests use, each counted once, and with those that decoding requests have not been given yet."""
    core.settle()
    shared: dict[int, tuple[Any, int]] = {}
    used = 0
    for request in core._running.values():
        held = request.loose
        for hold in request.holds:
            held += hold.depth
            known = shared.get(id(hold.segment), (hold.segment, 0))
            shared[id(hold.segment)] = (hold.segment, max(known[1], hold.depth))
        used += request.loose
        if request.order not in core._prefilling:
            steps = core.steps - request.joined + bool(core._ends)
            used += blocks_of(request.computed + steps) - held
    return used + sum(depth for _, depth in shared.values())


def check_books(world: World) -> None:
    gateway, clients = world.cluster.gateway, world.cluster.clients
    assert gateway.accepted == gateway.answered + gateway.in_flight
    assert clients.waiting == gateway.in_flight
    for component in world.components.values():
        for core in getattr(getattr(component, "engine", None), "ranks", ()):
            assert core.cache.free + blocks_in_use(core) == core.cache.blocks
            assert core.running <= core.max_num_seqs


def lives(world: World) -> dict[str, Any]:
    """What must change where a counter begins anew."""
    lives: dict[str, Any] = {}
    for component in world.components.values():
        lives[component.name] = (component.up, getattr(component, "pid", 0), getattr(component, "booted", 0.0))
        if component.kind == "ray-head":
            lives[component.name] += (component.proxy._starts,)
    return lives


def check_telemetry(world: World, seen: list[dict[str, Any]]) -> None:
    """Counters only grow while their process lives, nothing is negative, histograms add up."""
    rows = np.stack(world.recorder.series)
    for component, offset in zip(world.components.values(), world.exposition.offsets, strict=True):
        names = list(series_of(component.metrics))
        told = rows[:, offset : offset + len(names)]
        counters = np.array(
            [one.counter and "VOL" not in one.name for one in names], bool
        )  # VOL: since the driver's start
        for i in range(1, len(told)):
            if seen[i][component.name] == seen[i - 1][component.name]:
                back = (told[i] < told[i - 1] - 1e-6) & counters
                assert not back.any(), (
                    component.name,
                    names[int(np.argmax(back))].name,
                    world.recorder.scrape_times[i],
                )
        for j, one in enumerate(names):
            if "offset" not in one.name:
                assert not (told[:, j] < 0).any(), one.name
            if 'le="+Inf"' in one.name and "{le" in one.name:
                family = one.name.partition("_bucket")[0]
                count = next(k for k, other in enumerate(names) if other.name.startswith(f"{family}_count"))
                assert np.array_equal(told[:, j], told[:, count], equal_nan=True), one.name
            elif '_bucket{le="' in one.name:
                assert not (told[:, j + 1] < told[:, j]).any(), one.name


def live(seed: int) -> tuple[World, str]:
    """Live through troubles; returns the world at its end and a digest of all telemetry."""
    draw = random.Random(seed)
    world = World(scenario(draw), seed)
    seen = []
    for second in range(SCRAPE, int(HORIZON) + 1, SCRAPE):
        world.run(second)
        seen.append(lives(world))
        check_books(world)
        if 30 < second < 300 and draw.random() < 0.3:
            orders = [(c, t) for c in CATEGORIES for t in world.components.values() if world.legal(c, t)]
            if orders:
                category, target = draw.choice(orders)
                world.apply(Action(category, target.name, draw.choice(["gentle", "immediate"])))
    check_telemetry(world, seen)
    digest = hashlib.sha256(np.nan_to_num(np.stack(world.recorder.series), nan=-1.0).tobytes())
    for line in world.log_lines(-1.0, HORIZON):
        digest.update(repr(line).encode())
    return world, digest.hexdigest()


@pytest.mark.parametrize("seed", range(14))
def test_whatever_happens_every_call_ends_and_the_books_are_right(seed: int) -> None:
    world, digest = live(seed)
    clients, router = world.cluster.clients, world.cluster.router
    assert clients.calls == clients.succeeded + clients.given_up + clients.cancelled > 400
    assert not clients.waiting and not world.cluster.gateway.in_flight
    assert not router.proxy.open and not router.handle.waiting and not router.handle._assigned
    if seed % 4 == 0:
        assert live(seed)[1] == digest
