"""Failures that nobody injects happen by the same rules as injected ones, as often as the hazard model says."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import islice, pairwise, takewhile

import pytest

from twin.actions import Action
from twin.faults import KINDS, weather
from twin.faults.background import CAUSES
from twin.mechanics.hazards import FLEET_CLASSES, GPU_HAZARDS
from twin.scenario import Scenario, ScenarioError
from twin.world import World

HOUR = 3600.0


def custom(*kinds, interarrival=None, **fields):
    interarrival = interarrival or {"constant": "100s"}
    return {"custom": {"interarrival": interarrival, "kinds": list(kinds), **fields}}


CRASH = {"kind": "ProcessChaos", "action": "crash"}
CAP = {"kind": "GPUChaos", "action": "powerCap", "powerLimit": "100W"}


def incidents(world):
    return [(i.fault, i.kind, i.targets, i.injected) for i in world.truth.incidents.values()]


def test_every_cause_names_kinds_that_exist():
    assert CAUSES.keys() == {*GPU_HAZARDS, *(FLEET_CLASSES.keys() - {"unknown", "stress-test", "other"}), "host"}
    for kinds in CAUSES.values():
        for kind in kinds:
            fault = KINDS[kind.kind][kind.action]
            fault.parameters.model_validate(kind.parameters)


def test_by_default_nothing_fails_by_itself(inference_scenario):
    world = World(inference_scenario())
    assert list(weather(world)) == []
    assert World(inference_scenario(background="none")).spec.background == "none"


def test_the_rate_is_that_of_the_hazard_table_times_the_acceleration(inference_scenario):
    """Four GPUs for 100 h at 20,000 times the rate are eight million GPU-hours."""
    scenario = inference_scenario(background={"prefab": "gpu", "lemons": {"share": 0}}, acceleration=20_000)
    times = list(takewhile(lambda t: t < 100 * HOUR, (time for time, _ in weather(World(scenario)))))
    reached = {cause: rate for cause, rate in GPU_HAZARDS.items() if cause != "nvlink"}  # an A10G has none
    assert len(times) == pytest.approx(8 * sum(reached.values()), rel=0.3)
    assert times == sorted(times)
    doubled = scenario.model_copy(update={"spec": scenario.spec.model_copy(update={"acceleration": 40_000.0})})
    faster = [time for time, _ in islice(weather(World(doubled)), len(times))]
    assert faster == pytest.approx([t / 2 for t in times])


def test_a_failure_is_an_incident_of_its_own_name_at_the_time_it_comes(inference_scenario):
    world = World(inference_scenario(background=custom(CAP, duration={"constant": "40s"})), seed=3)
    assert not world.truth.incidents  # nobody knows what will come
    world.run(300)
    found = incidents(world)
    assert [name for name, *_ in found] == ["background-1-custom", "background-2-custom", "background-3-custom"]
    gaps = [b[3] - a[3] for a, b in pairwise(found)]
    assert gaps == pytest.approx([100.0, 100.0])
    for incident in world.truth.incidents.values():
        assert incident.kind == "GPUChaos/powerCap" and incident.family == "gpu-power"
        assert incident.targets[0].startswith("gpu-")
        if incident.cleared is not None:
            assert incident.cleared == pytest.approx(incident.injected + 40.0) and incident.cleared_by == "expired"


def test_actions_cure_it_as_they_cure_an_injected_one(inference_scenario):
    world = World(inference_scenario(background=custom(CAP)), seed=3)
    world.run(120)
    (incident,) = world.truth.active
    assert world.apply(Action("reset-gpu", incident.targets[0], "immediate")).legal
    world.run(190)
    assert incident.cleared_by == f"reset-gpu {incident.targets[0]}"


def test_what_is_broken_does_not_break_once_more(inference_scenario):
    cluster = {"kind": "inference", "preset": "small", "replicas": 1, "spares": 0}
    world = World(inference_scenario(background=custom(CAP), cluster=cluster, horizon="2000s"), seed=1)
    world.run(2000)
    assert len(world.truth.incidents) == 1


def test_policies_and_faults_change_no_background_failure(inference_scenario, fault):
    spec = {"background": {"prefab": "gpu"}, "acceleration": 1_000_000}
    plain = World(inference_scenario(**spec), seed=2)
    other = World(inference_scenario(fault("StressChaos", stressors={"cpu": {"workers": 4}}), **spec), seed=2)
    plain.run(250)
    other.run(100)
    other.apply(Action("restart", "ray-replicas-2", "immediate"))
    other.run(250)
    assert [i for i in incidents(other) if i[0] != "fault"] == incidents(plain) != []
    again = World(inference_scenario(**spec), seed=2)
    again.run(250)
    assert incidents(again) == incidents(plain)


def test_a_share_of_the_hosts_fails_together(inference_scenario):
    down = {"kind": "NetworkChaos", "action": "partition", "direction": "both"}
    world = World(inference_scenario(background=custom(down, hosts="60%", duration={"constant": "5s"})), seed=1)
    world.run(100)
    nodes = sum(component.kind == "node" for component in world.components.values())
    found = incidents(world)
    assert len({target for _, _, (target,), _ in found}) == len(found) == round(0.6 * nodes)
    assert len({time for *_, time in found}) == 1


def test_kinds_come_by_their_weight(inference_scenario):
    both = custom(
        CAP | {"weight": 3}, CRASH, interarrival={"exponential": {"mean": "2s"}}, duration={"constant": "100ms"}
    )
    world = World(inference_scenario(background=both, telemetry={"mode": "off"}))
    world.run()
    kinds = [kind for _, kind, _, _ in incidents(world)]
    assert kinds.count("GPUChaos/powerCap") / len(kinds) == pytest.approx(0.75, abs=0.12)


def test_a_trace_says_what_fails_when(inference_scenario, tmp_path):
    path = tmp_path / "failures.csv"
    path.write_text(
        "time_s,component,kind,action,duration_s,parameters\n"
        '90,node-1,GPUChaos,powerCap,20,"{""powerLimit"": ""100W""}"\n'
        "30,ray-replicas-0,ProcessChaos,crash,,\n"
    )
    world = World(inference_scenario(background={"trace": str(path)}))
    world.run(150)
    assert incidents(world) == [
        ("background-1-trace", "ProcessChaos/crash", ("ray-replicas-0",), 30.0),
        ("background-2-trace", "GPUChaos/powerCap", ("gpu-1",), 90.0),
    ]
    assert world.truth.incidents["background-2-trace"].cleared == 110.0


@pytest.mark.parametrize("prefab", ["gpu", "infinitehbd", "grid5000"])
def test_a_cluster_lives_through_each_prefab(inference_scenario, prefab):
    scale = {"gpu": 300_000, "infinitehbd": 100_000, "grid5000": 500}[prefab]
    world = World(inference_scenario(background={"prefab": prefab}, acceleration=scale), seed=1)
    world.run()
    assert world.truth.incidents
    assert all(i.injected is not None for i in world.truth.incidents.values())


def test_openstack_has_hosts_and_no_gpus():
    world = World(Scenario.load("openstack-healthy", ["spec.background={prefab: grid5000}", "spec.acceleration=5000"]))
    world.run(120)
    assert world.truth.incidents
    with pytest.raises(ScenarioError, match="no GPUs"):
        World(Scenario.load("openstack-healthy", ["spec.background={prefab: gpu}"]))


@pytest.mark.parametrize(
    ("background", "message"),
    [
        (custom({"kind": "GPUChaoss", "action": "powerCap"}), "custom.kinds.0.kind: no fault kind 'GPUChaoss'"),
        (custom(CAP, {"kind": "GPUChaos", "action": "melt"}), "custom.kinds.1.action: GPUChaos has no action 'melt'"),
        (custom(CRASH | {"at": "5s"}), "custom.kinds.0.at: 'at' is not for background failures"),
        (custom({"kind": "GPUChaos", "action": "powerCap"}), "missing key 'powerLimit'"),
        (custom({"kind": "DatabaseChaos", "action": "slow", "factor": 2}), "it hits a database"),
    ],
)
def test_a_kind_that_cannot_happen_is_refused(inference_scenario, background, message):
    with pytest.raises(ScenarioError) as raised:
        World(inference_scenario(background=background))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x,gpu-0,GPUChaos,fallOffBus,,", ":2: not a number"),
        ("-1,gpu-0,GPUChaos,fallOffBus,,", ":2: times must be finite"),
        ("1,gpu-9,GPUChaos,fallOffBus,,", ":2: no component 'gpu-9'"),
        ("1,gpu-0,GPUChaos,fall,,", ":2: GPUChaos has no action 'fall'"),
        ("1,ray-head,GPUChaos,fallOffBus,,", ":2: cannot hit 'ray-head'"),
        ('1,gpu-0,GPUChaos,fallOffBus,,"{""kind"": 1}"', ":2: 'kind' is no parameter"),
        ("1,gpu-0", ":2: no fault kind ''"),
        ('1,gpu-0,GPUChaos,fallOffBus,,"{""mode"": 1}"', ":2: 'mode' is no parameter"),
        ('1,gpu-0,GPUChaos,fallOffBus,,"[1]"', ":2: parameters must be a JSON object"),
    ],
)
def test_a_bad_row_of_a_trace_is_named(inference_scenario, tmp_path, row, message):
    path = tmp_path / "failures.csv"
    path.write_text(f"time_s,component,kind,action,duration_s,parameters\n{row}\n")
    with pytest.raises(ScenarioError) as raised:
        World(inference_scenario(background={"trace": str(path)}))
    assert message in str(raised.value)


BUSY = {
    "workload": {"arrivals": {"mix": {"rate": "4/s"}}, "prompt": "azure2023", "output": 64, "clientTimeout": "8s",
                 "retries": {"max": 3}},
    "background": {"prefab": "infinitehbd"},
    "noise": "realistic",
    "acceleration": 100_000,
    "horizon": "200s",
}  # fmt: skip


def test_weather_and_noise_are_the_same_in_every_process(inference_scenario, tmp_path):
    scenario = inference_scenario(**BUSY)
    document = tmp_path / "scenario.json"
    document.write_text(scenario.model_dump_json(by_alias=True, exclude_none=True))
    program = (
        "import hashlib, sys\nfrom twin.scenario import Scenario\nfrom twin.world import World\n"
        "w = World(Scenario.load(sys.argv[1]), seed=5); w.run()\n"
        "print(len(w.truth.incidents), hashlib.sha256(repr(w.log_lines(0, 200)).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program, str(document)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "4711")
    }
    assert len(seen) == 1 and not seen.pop().startswith("0 ")


def test_nothing_visible_says_what_is_weather_and_what_is_noise(inference_scenario, fault):
    crowd = fault("WorkloadChaos", "flashCrowd", factor=2, selector={"components": ["nginx-proxy"]})
    noise = {"malformed": "2%", "rollouts": [{"at": "30s"}]}
    world = World(inference_scenario(crowd, **BUSY | {"noise": noise}), seed=5)
    world.run()
    assert world.truth.incidents and world.truth.benign
    window = world.observe(200)
    visible = repr([window.logs, window.alarms, window.traces, window.features, window.topology]).lower()
    for secret in ("background-", "benign", "rollout", "flashcrowd", "arrival_rate", "crowd", "malformed", "hazard"):
        assert secret not in visible
