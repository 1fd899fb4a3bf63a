"""`--set` replaces one value, and its mistakes name the assignment."""

from __future__ import annotations

import pytest

from twin.scenario import Scenario, ScenarioError


def test_values_lists_and_new_keys_can_be_set() -> None:
    scenario = Scenario.load(
        "gpu-power-cap",
        [
            "spec.horizon=500s",
            "spec.faults.cap.powerLimit=99W",
            "spec.faults.0.duration=30s",
            "spec.control.interval=5s",
        ],
    )
    spec = scenario.resolve().spec
    assert (spec.horizon, spec.control.interval) == (500.0, 5.0)
    assert (spec.faults[0].parameters["powerLimit"], spec.faults[0].duration) == ("99W", 30.0)


def test_the_last_assignment_wins() -> None:
    assert Scenario.load("gpu-power-cap", ["spec.seed=3", "spec.seed=4"]).resolve().spec.seed == 4


def test_a_draw_can_be_set() -> None:
    spec = Scenario.load("gpu-power-cap", ["spec.faults.cap.at={choice: [99s]}"]).resolve(5).spec
    assert spec.faults[0].at == 99.0


def test_faults_can_be_removed() -> None:
    assert Scenario.load("gpu-power-cap", ["spec.faults=[]"]).resolve().spec.faults == ()


def test_an_override_leaves_the_original_alone() -> None:
    before = Scenario.load("gpu-power-cap")
    assert Scenario.load("gpu-power-cap", ["spec.seed=9"]).digest != before.digest
    assert Scenario.load("gpu-power-cap").digest == before.digest


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("spec.seed", "expected key.path=value"),
        ("=3", "expected key.path=value"),
        ("spec..seed=3", "expected key.path=value"),
        ("spec.sed=3", "unknown key 'sed' (did you mean 'seed'?)"),
        ("spec.slo.ttft=3s", "did you mean 'ttftP99'"),
        ("spec.faults.cop.at=3s", "did you mean 'cap'"),
        ("spec.faults.1.at=3s", "no item '1' in a list of 1"),
        ("spec.horizon.x=3", "is a value, it has no key 'x'"),
        ("spec.seed=[1", "not valid YAML"),
        ("spec.seed=!!python/name:os.system", "is not read"),
        ("spec.seed=-1", "greater than or equal to 0"),
        ("spec.faults.cap.at=500s", "but the horizon is 405s"),
    ],
)
def test_a_wrong_assignment_is_named(assignment: str, message: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        Scenario.load("gpu-power-cap", [assignment])
    assert raised.value.where == f"--set {assignment}"
    assert message in str(raised.value)
