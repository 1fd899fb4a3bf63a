"""Mistakes that show only against the cluster: found by building it, and located in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.scenario import Scenario, ScenarioError
from twin.validation import validate
from twin.world import World

SCENARIO = """\
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: targets}
spec:
  cluster: {kind: inference, preset: small}
  workload: {arrivals: {constant: 4/s}, prompt: 512, output: 256}
  horizon: 405s
  faults:
    - name: cap
      kind: GPUChaos
      action: powerCap
      powerLimit: 150W
      selector: {components: [gpu-0]}
      at: 90s
"""


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("GPUChaos", "GPUChoas", "10:7", "no fault kind 'GPUChoas' (did you mean 'GPUChaos'?)"),
        ("powerCap", "powercap", "11:7", "GPUChaos has no action 'powercap' (did you mean 'powerCap'?)"),
        ("powerLimit", "powerLimt", "12:7", "unknown key 'powerLimt' (did you mean 'powerLimit'?)"),
        ("      at: 90s", "      at: 90s\n      duratoin: 3s", "15:7", "did you mean 'duration'"),
        ("150W", "150s", "12:7", "a power needs a unit of W"),
        ("150W", ".nan", "12:7", "must be a finite number"),
        ("150W", "-150W", "12:7", "must not be negative"),
        ("150W", "{choice: [150W, 150]}", "12:7", "a power needs a unit of W"),
        ("[gpu-0]", "[gpu-9]", "13:18", "the selector matches nothing: no component 'gpu-9'"),
        ("[gpu-0]", "[{choice: [gpu-0, gpu-9]}]", "13:18", "no component 'gpu-9'"),
        ("components: [gpu-0]", "pods: {ray: [ray-replica-0]}", "13:18", "did you mean 'ray-replicas-0'"),
        ("components: [gpu-0]", "components: []", "13:7", "the selector matches nothing"),
        ("components: [gpu-0]", "labelSelectors: {app: mysql}", "13:7", "the selector matches nothing"),
        ("[gpu-0]", "[nginx-proxy]", "13:7", "cannot hit 'nginx-proxy', a nginx"),
        ("[gpu-0]", "[gpu-0, nginx-proxy]", "13:7", "cannot hit 'nginx-proxy', a nginx"),
        ("      at: 90s", "      at: 90s\n      mode: fixed", "9:7", "mode fixed needs a number above 0 as value"),
        ("      at: 90s", "      at: 90s\n      mode: fixed\n      value: -2", "16:7", "a number above 0"),
        ("      at: 90s", "      at: 90s\n      mode: fixed-percent\n      value: nan", "16:7", "a percentage"),
        ("preset: small", "preset: smal", "5:30", "no preset 'smal' (did you mean 'small'?)"),
    ],
)
def test_a_mistake_is_named_with_its_place(old: str, new: str, where: str, message: str) -> None:
    assert old in SCENARIO
    scenario = Scenario.parse(SCENARIO.replace(old, new, 1), "bad.yaml")
    with pytest.raises(ScenarioError) as raised:
        validate(scenario)
    assert raised.value.where == f"bad.yaml:{where}"
    assert message in str(raised.value)


def test_a_world_locates_its_own_errors() -> None:
    scenario = Scenario.parse(SCENARIO.replace("gpu-0", "gpu-9"), "bad.yaml")
    with pytest.raises(ScenarioError, match=r"^bad.yaml:13:18: "):
        World(scenario, seed=3)


def test_a_good_scenario_is_returned_at_every_end() -> None:
    ends = validate(Scenario.parse(SCENARIO.replace("at: 90s", "at: {uniform: [90s, 120s]}")))
    assert [end.spec.faults[0].at for end in ends] == [90.0, 120.0]


@pytest.mark.parametrize("action", ["container-kill", "pod-kill"])
def test_chaos_meshs_pod_chaos_kills_the_process(action: str) -> None:
    fault = (
        f"    - {{name: kill, kind: PodChaos, action: {action}, mode: all, at: 90s, selector: {{namespaces: [ray]}}}}\n"
    )
    world = World(Scenario.parse(SCENARIO + fault))
    incident = world.truth.incidents["kill"]
    assert incident.family == "process"
    assert "ray-replicas-0" in incident.targets


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0.0,10,10\n5.0,10,10\n4.0,10,10", "trace.csv:4: arrival_s 4.0 is before 5.0 of the row above"),
        ("0.0,10,10\nnan,10,10", "trace.csv:3: arrival_s nan is before"),
        ("0.0,ten,10", "trace.csv:2: not a number"),
        ("0.0,0,10", "trace.csv:2: prompt_tokens and output_tokens must be at least 1"),
    ],
)
def test_a_bad_trace_is_named_with_both_places(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "trace.csv").write_text(f"arrival_s,prompt_tokens,output_tokens\n{rows}\n")
    text = SCENARIO.replace("{arrivals: {constant: 4/s}, prompt: 512, output: 256}", "{trace: trace.csv}")
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ScenarioError) as raised:
        validate(Scenario.load(tmp_path / "bad.yaml"))
    assert raised.value.where == f"{tmp_path / 'bad.yaml'}:6:14"
    assert message in str(raised.value)
