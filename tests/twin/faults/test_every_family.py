"""What holds for every fault, of whatever family: the same luck beside it, no trace of it before it shows, its end."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin.actions import CATEGORIES, Action
from twin.faults.kinds import KINDS
from twin.process import State
from twin.scenario import Scenario, Suite
from twin.scenario.catalogue import shipped
from twin.telemetry.folder import write
from twin.world import World

REPLICA = {"pods": {"ray": ["ray-replicas-1"]}}
NODE = {"nodes": ["node-1"]}
HEAD, GATEWAY, STORE = ({"components": [name]} for name in ("ray-head", "nginx-proxy", "model-store"))
STRESS: dict[str, Any] = {"cpu": {"workers": 1200}, "memory": {"size": "20GB"}}

FAULTS: dict[str, dict[str, Any]] = {
    **{
        f"GPUChaos/{action}": {"selector": REPLICA, **({"powerLimit": "110W"} if action == "powerCap" else {})}
        for action in KINDS["GPUChaos"]
        if not action.startswith("nvlink")  # the cards of this cluster have no such link
    },
    "ProcessChaos/crash": {"selector": REPLICA},
    "ProcessChaos/freeze": {"selector": REPLICA},
    "PodChaos/pod-kill": {"selector": REPLICA},
    "PodChaos/container-kill": {"selector": REPLICA},
    **{f"ServingChaos/{action}": {"selector": HEAD} for action in KINDS["ServingChaos"]},
    "ServingChaos/limits": {"selector": HEAD, "maxOngoingRequests": 5},
    **{f"GatewayChaos/{action}": {"selector": GATEWAY} for action in KINDS["GatewayChaos"]},
    "GatewayChaos/connectionLimit": {"selector": GATEWAY, "limit": 16},
    **{f"StoreChaos/{action}": {"selector": STORE} for action in KINDS["StoreChaos"]},
    "StressChaos/": {"selector": REPLICA, "stressors": STRESS},
    "NetworkChaos/delay": {"selector": REPLICA, "delay": {"latency": "2s", "jitter": "200ms"}},
    "NetworkChaos/loss": {"selector": REPLICA, "loss": {"loss": "30"}},
    "NetworkChaos/corrupt": {"selector": REPLICA, "corrupt": {"corrupt": "30"}},
    "NetworkChaos/duplicate": {"selector": REPLICA, "duplicate": {"duplicate": "30"}},
    "NetworkChaos/bandwidth": {"selector": REPLICA, "bandwidth": {"rate": "10kbps", "limit": 1000, "buffer": 1000}},
    "NetworkChaos/netem": {"selector": REPLICA, "loss": {"loss": "5"}, "delay": {"latency": "50ms"}},
    "NetworkChaos/partition": {"selector": NODE, "direction": "both"},
    "DNSChaos/error": {"selector": REPLICA},
    "IOChaos/latency": {"selector": REPLICA, "volumePath": "/models", "delay": "10ms"},
    "IOChaos/fault": {"selector": REPLICA, "volumePath": "/models"},
    "TimeChaos/": {"selector": NODE, "timeOffset": "-10m"},
    **{f"NodeChaos/{action}": {"selector": NODE} for action in KINDS["NodeChaos"]},
    "NodeChaos/diskSlow": {"selector": NODE, "factor": 10},
    **{f"EngineChaos/{action}": {"selector": REPLICA} for action in KINDS["EngineChaos"]},
    "EngineChaos/memoryLeak": {"selector": REPLICA, "rate": "300MB"},
    "EngineChaos/badRollout": {"selector": REPLICA, "maxNumSeqs": 2},
    "WorkloadChaos/flashCrowd": {"selector": GATEWAY, "factor": 3},
    "WorkloadChaos/promptShift": {"selector": GATEWAY, "factor": 3},
    "WorkloadChaos/outputShift": {"selector": GATEWAY, "factor": 3},
    "WorkloadChaos/retryStorm": {"selector": GATEWAY, "retries": 3, "timeout": "5s"},
    "WorkloadChaos/abusiveClient": {"selector": GATEWAY, "rate": "1/s", "prompt": 4000},
}
"""One of every kind that hits the small inference cluster."""

ELSEWHERE = {
    "BalancerChaos",
    "BrokerChaos",
    "DatabaseChaos",
    "HypervisorChaos",
    "IdentityChaos",
    "MutationChaos",
    "NetworkAgentChaos",
    "RolloutChaos",
    "ServiceChaos",
    "StorageChaos",
    "GPUChaos/nvlinkDown",
    "GPUChaos/nvlinkDegraded",
}
"""What needs another cluster."""

AT = 60.0


def fault(name: str, **fields: Any) -> dict[str, Any]:
    kind, _, action = name.partition("/")
    return {"name": "trouble", "kind": kind, "action": action, "at": f"{AT}s", **FAULTS[name], **fields}


def requests(world: World) -> dict[Any, tuple[Any, ...]]:
    """Who asked for what, and when, by number: first attempts of the usual calls."""
    seen: dict[Any, tuple[Any, ...]] = {}
    submit = world.cluster.gateway.submit  # type: ignore[attr-defined]

    def noted(request: Any) -> None:
        seen.setdefault(request.id, (request.arrived, request.prompt, request.output))
        submit(request)

    world.cluster.gateway.submit = noted  # type: ignore[attr-defined]
    return seen


def masks(world: World) -> np.ndarray[Any, Any]:
    return np.array([[world.legal(c, target) for target in world.components.values()] for c in CATEGORIES[1:]])


def test_the_list_is_complete() -> None:
    known = {f"{kind}/{action}" for kind, actions in KINDS.items() for action in actions}
    assert {name for name in known if name not in ELSEWHERE and name.split("/")[0] not in ELSEWHERE} == set(FAULTS)


SECRETS = ("chaos", "Chaos", "trouble", "incident", "seed", "condition", "injected", "gpu-power", "family")


@pytest.fixture(scope="module")
def without() -> dict[str, Any]:
    """What is asked for, and may be ordered at `AT`, when nothing happens."""
    return {}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_changes_no_calls_luck_shows_in_no_mask_and_is_named_nowhere(
    inference_scenario, without: dict[str, Any], name: str
) -> None:
    if not without:
        quiet = World(inference_scenario(horizon="130s"), seed=4)
        without["requests"] = requests(quiet)
        quiet.run(AT + 1e-6)
        without["masks"] = masks(quiet)
        quiet.run()
    world = World(inference_scenario(fault(name), horizon="130s"), seed=4)
    asked = requests(world)
    world.run(AT + 1e-6)
    assert world.truth.incidents["trouble"].injected == AT
    if name != "NodeChaos/powerLoss":  # a management controller says at once that a machine has no power
        assert (without["masks"] == masks(world)).all()
    world.run()
    usual = without["requests"]
    if not name.startswith("WorkloadChaos"):
        assert usual == asked
    elif name.endswith(("flashCrowd", "abusiveClient")):
        assert usual.items() <= asked.items()
    else:  # lengths, or how long clients wait, are what it is about
        assert {k: v[0] for k, v in usual.items()}.items() <= {k: v[0] for k, v in asked.items()}.items()
    window, action = world.observe(100), name.partition("/")[2]
    said = json.dumps([window.logs, window.alarms, window.traces, str(window.topology)])
    for secret in (*SECRETS, *([action] if any(letter.isupper() for letter in action) else [])):
        assert secret not in said


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_ends_leaves_no_condition(inference_scenario, name: str) -> None:
    world = World(inference_scenario(fault(name, duration="20s"), horizon="90s"), seed=4)
    world.run()
    incident = world.truth.incidents["trouble"]
    assert not any(component.conditions for component in world.components.values())
    assert not incident.open_conditions and incident.cleared is not None and incident.cleared <= AT + 20.0
    assert incident.cleared_by in ("expired", "supervisor")
    if incident.cleared_by == "expired":
        assert incident.cleared == AT + 20.0


def test_one_more_fault_changes_no_draw_of_another_nor_of_the_weather(inference_scenario) -> None:
    drawn = {
        "name": "drawn",
        "kind": "GPUChaos",
        "action": "powerCap",
        "powerLimit": "110W",
        "mode": "one",
        "selector": {"components": ["gpu-0", "gpu-1", "gpu-2"]},
        "at": "80s",
    }
    weather = {"background": {"prefab": "gpu"}, "acceleration": 1e6, "horizon": "300s"}
    others = [fault(name) for name in ("ServingChaos/staleRouter", "WorkloadChaos/flashCrowd", "StoreChaos/slow")]
    for number, other in enumerate(others):
        other["name"] = f"other-{number}"
    alone, beside = (World(inference_scenario(*f, **weather), seed=9) for f in ([drawn], [*others, drawn]))
    for world in (alone, beside):
        world.run()
    assert alone.truth.incidents["drawn"].targets == beside.truth.incidents["drawn"].targets

    def failures(world: World) -> list[tuple[Any, ...]]:
        found = world.truth.incidents.values()
        return [(i.fault, i.kind, i.targets, i.injected) for i in found if i.fault.startswith("background")]

    assert len(failures(alone)) >= 2
    assert failures(alone) == failures(beside)


def one_of_each_family() -> list[str]:
    chosen: dict[str, str] = {}
    for scenario in Suite.load("inference-faults").scenarios:
        chosen.setdefault(scenario.metadata.labels["family"], scenario.metadata.name)
    return list(chosen.values())


PROGRAM = """
import hashlib, json, pathlib, sys
from twin.scenario import Scenario
from twin.telemetry.folder import write
from twin.world import World
for name in sys.argv[3:]:
    world = World(Scenario.load(name, sys.argv[2:3]), seed=6)
    world.run(110)
    files = write(world, pathlib.Path(sys.argv[1]) / name)
    print(name, hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest())
"""


def test_every_family_is_the_same_byte_for_byte_in_another_process(tmp_path: Path) -> None:
    names = one_of_each_family()
    here, early = [], "spec.faults.0.at=65s"
    for name in names:
        world = World(Scenario.load(name, [early]), seed=6)
        world.run(110)
        files = write(world, tmp_path / "here" / name)
        here.append(f"{name} {hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()}")
    there = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "there"), early, *names],
        env={**os.environ, "PYTHONHASHSEED": "99"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.split("\n")[:-1] == here


def test_the_suite_of_faults_has_every_family_of_the_inference_twin() -> None:
    shown = {i.family for s in Suite.load("inference-faults").scenarios for i in World(s).truth.incidents.values()}
    all_families = {
        i.family
        for name in shipped("Scenario")
        for scenario in [Scenario.load(name)]
        if scenario.resolve().spec.cluster.kind == "inference"
        for i in World(scenario).truth.incidents.values()
    }
    declared = {k.family for kind, a in KINDS.items() if kind not in ELSEWHERE for k in a.values()}
    assert shown == all_families == {f for f in declared if isinstance(f, str)} | {"cpu", "memory"}


# --- ends that are easily forgotten ------------------------------------------------------------------------------


def test_a_new_process_has_nothing_of_an_older_ones_memory(inference_scenario) -> None:
    """A kill that strikes a place where nothing runs kills nobody who comes later."""
    nobody = {"selector": {"pods": {"ray": ["ray-replicas-3"]}}}
    world = World(inference_scenario(fault("ProcessChaos/crash", **nobody)), seed=4)
    world.run(70)
    spare = world.components["ray-replicas-3"]
    assert spare.state is State.ABSENT  # type: ignore[attr-defined]
    world.apply(Action("scale-out", "ray-head", "immediate"))
    world.run(200)
    assert spare.state is State.RUNNING  # type: ignore[attr-defined]
    assert spare.deaths == 0  # type: ignore[attr-defined]
    assert world.truth.incidents["trouble"].cleared_by == "supervisor"


def test_a_fault_ends_in_the_role_that_its_hardware_has_by_then(inference_scenario) -> None:
    spare = {"selector": {"nodes": ["node-3"]}, "factor": 10, "duration": "300s"}
    world = World(inference_scenario(fault("NodeChaos/diskSlow", **spare), horizon="400s"), seed=4)
    world.run(70)
    assert world.apply(Action("replace", "node-0", "immediate")).legal
    world.run(340)
    assert world.components["node-0"].value("disk_slowdown") == 10.0
    world.run()
    assert world.components["node-0"].value("disk_slowdown") == 1.0
    incident = world.truth.incidents["trouble"]
    assert (incident.cleared, incident.cleared_by) == (360.0, "expired")


@pytest.mark.parametrize(("name", "hurts"), [("ProcessChaos/crash", True), ("GPUChaos/correctableErrors", False)])
def test_the_truth_says_when_a_fault_first_hurt(inference_scenario, name: str, hurts: bool) -> None:
    world = World(inference_scenario(fault(name), horizon="150s"), seed=4)
    world.run()
    impact = world.truth.incidents["trouble"].first_impact
    first = next((second for second, bad in enumerate(world.slo.violated, 1) if bad and second > AT), None)
    assert (impact is not None) is hurts
    assert impact == first
