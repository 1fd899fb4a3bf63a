"""A Chaos Mesh manifest is a fault as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.faults.planning import fault_kind, fault_parameters
from twin.scenario import Scenario, ScenarioError

SCENARIO = """\
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: manifest}
spec:
  cluster: {kind: inference, preset: small}
  workload: {arrivals: {constant: 4/s}, prompt: 512, output: 256}
  horizon: 405s
  faults:
    - {manifest: chaos.yaml, at: {uniform: [100s, 200s]}}
"""
MANIFEST = """\
apiVersion: chaos-mesh.org/v1alpha1
kind: StressChaos
metadata:
  name: burn
  namespace: ray
spec:
  mode: one
  selector:
    pods: {ray: [ray-replicas-0]}
  stressors:
    cpu: {workers: 16, load: 100}
  containerNames: [vllm]
  duration: 1m30s
"""


def load(folder: Path, manifest: str = MANIFEST, scenario: str = SCENARIO) -> Scenario:
    (folder / "chaos.yaml").write_text(manifest)
    (folder / "scenario.yaml").write_text(scenario)
    return Scenario.load(folder / "scenario.yaml")


def test_its_fields_become_the_faults(tmp_path: Path) -> None:
    (fault,) = load(tmp_path).resolve(1).spec.faults
    assert (fault.name, fault.kind, fault.duration) == ("burn", "StressChaos", 90.0)
    assert 100 <= fault.at <= 200
    assert fault.selector.pods == {"ray": ["ray-replicas-0"]}
    parameters = fault_parameters(fault_kind(fault, ()), fault, ())
    assert (parameters.stressors.cpu.workers, parameters.container_names) == (16, ("vllm",))


def test_name_and_duration_can_be_replaced_beside_it(tmp_path: Path) -> None:
    twice = SCENARIO + "    - {manifest: chaos.yaml, name: again, at: 300s, duration: 20s}\n"
    first, second = load(tmp_path, scenario=twice).resolve().spec.faults
    assert (first.name, second.name) == ("burn", "again")
    assert second.duration == 20.0


def test_the_same_manifest_twice_needs_another_name(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="duplicate fault name 'burn'"):
        load(tmp_path, scenario=SCENARIO + "    - {manifest: chaos.yaml, at: 300s}\n")


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("v1alpha1", "v2", "1:1", "expected apiVersion chaos-mesh.org/v1alpha1"),
        ("metadata:", "metadta:", "3:1", "unknown key 'metadta' (did you mean 'metadata'?)"),
        ("  name: burn\n", "", "3:1", "missing key 'name'"),
        ("1m30s", "1x", "13:3", "expected a duration such as 60s or 1m30s"),
        ("mode: one", "mode: some", "7:3", "Input should be 'one'"),
        ("pods:", "podz:", "9:5", "unknown key 'podz' (did you mean 'pods'?)"),
        ("  mode: one", "  mode: !!set {}", "7:9", "is not read"),
        ("  duration: 1m30s", "  scheduler: {cron: x}", "13:3", "'scheduler' is not supported: when the fault comes"),
        ("pods: {ray: [ray-replicas-0]}", "nodeSelectors: {zone: a}", "9:5", "'nodeSelectors' is not supported: nodes"),
    ],
)
def test_a_mistake_in_it_has_its_place(tmp_path: Path, old: str, new: str, where: str, message: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        load(tmp_path, MANIFEST.replace(old, new, 1))
    assert raised.value.where == f"{tmp_path / 'chaos.yaml'}:{where}"
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{manifest: other.yaml, at: 3s}", "no such file"),
        ("{manifest: [a], at: 3s}", "expected a file name"),
        ("{manifest: chaos.yaml, att: 3s}", "unknown key 'att' beside a manifest (did you mean 'at'?)"),
        ("{manifest: chaos.yaml}", "missing key 'at'"),
        ("{manifest: chaos.yaml, at: 500s}", "but the horizon is 405s"),
    ],
)
def test_a_mistake_beside_it_is_named(tmp_path: Path, entry: str, message: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        load(tmp_path, scenario=SCENARIO.replace("{manifest: chaos.yaml, at: {uniform: [100s, 200s]}}", entry))
    assert message in str(raised.value)
