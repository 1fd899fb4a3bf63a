"""Randomised fields: drawn from the seed, keyed by the fault they belong to."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.scenario import Scenario, to_yaml

HEAD = """\
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: draws}
spec:
  cluster: {kind: inference, preset: small}
  workload: {arrivals: {poisson: {uniform: [3/s, 6/s]}}, prompt: {uniform: [200, 300]}, output: {choice: [64, 256]}}
  horizon: 405s
  faults:
"""
CAP = """\
    - name: cap
      kind: GPUChaos
      action: powerCap
      powerLimit: {uniform: [60W, 150W]}
      selector: {components: [{choice: [gpu-0, gpu-1, gpu-2]}]}
      at: {uniform: [70s, 150s]}
      duration: {choice: [30s, 60s, 90s]}
"""
CRASH = """\
    - name: crash
      kind: ProcessChaos
      action: crash
      layer: {choice: [process, container]}
      selector: {components: [ray-replicas-0]}
      at: {uniform: [70s, 150s]}
"""


def test_the_same_seed_draws_the_same() -> None:
    scenario = Scenario.parse(HEAD + CAP)
    assert scenario.resolve(7) == scenario.resolve(7)
    assert scenario.resolve(7).spec.seed == 7


def test_other_seeds_draw_others() -> None:
    scenario = Scenario.parse(HEAD + CAP)
    assert len({scenario.resolve(seed).spec.faults[0].at for seed in range(20)}) == 20


def test_the_default_seed_is_the_scenarios() -> None:
    scenario = Scenario.parse(HEAD + CAP, overrides=["spec.seed=5"])
    assert scenario.resolve() == scenario.resolve(5)


@pytest.mark.parametrize("order", [CAP + CRASH, CRASH + CAP])
def test_another_fault_changes_no_draw(order: str) -> None:
    """Invariant: the past does not depend on one more fault (honesty rule 3)."""
    alone, both = Scenario.parse(HEAD + CAP), Scenario.parse(HEAD + order)
    for seed in range(5):
        (cap,) = alone.resolve(seed).spec.faults
        assert cap in both.resolve(seed).spec.faults
        assert alone.resolve(seed).spec.workload == both.resolve(seed).spec.workload


def test_draws_of_one_fault_are_independent_of_each_other() -> None:
    fixed = Scenario.parse(HEAD + CAP.replace("{uniform: [60W, 150W]}", "100W"))
    assert fixed.resolve(3).spec.faults[0].at == Scenario.parse(HEAD + CAP).resolve(3).spec.faults[0].at


@given(seed=st.integers(0, 2**40))
def test_draws_stay_in_their_range_and_keep_their_type(seed: int) -> None:
    spec = SCENARIO.resolve(seed).spec
    (cap,) = spec.faults
    watts = cap.parameters["powerLimit"]
    assert watts.endswith("W") and 60 <= float(watts[:-1]) <= 150
    assert 70 <= cap.at <= 150 and cap.duration in (30.0, 60.0, 90.0)
    assert cap.selector.components is not None and cap.selector.components[0] in ("gpu-0", "gpu-1", "gpu-2")
    assert isinstance(spec.workload.prompt, int) and 200 <= spec.workload.prompt <= 300
    assert spec.workload.output in (64, 256)


SCENARIO = Scenario.parse(HEAD + CAP)


def test_whole_numbers_draw_both_ends() -> None:
    scenario = Scenario.parse(HEAD + CAP, overrides=["spec.workload.prompt={uniform: [1, 3]}"])
    assert {scenario.resolve(seed).spec.workload.prompt for seed in range(60)} == {1, 2, 3}


def test_the_extremes_hold_every_end_and_every_choice() -> None:
    ends = [end.spec for end in Scenario.parse(HEAD + CAP).extremes()]
    faults = [spec.faults[0] for spec in ends]
    assert {fault.parameters["powerLimit"] for fault in faults} == {"60W", "150W"}
    assert {fault.duration for fault in faults} == {30.0, 60.0, 90.0}
    assert {name for fault in faults for name in fault.selector.components or ()} == {"gpu-0", "gpu-1", "gpu-2"}
    assert {fault.at for fault in faults} == {70.0, 150.0}


def test_a_resolved_scenario_is_read_back_as_it_was() -> None:
    scenario = Scenario.parse(HEAD + CAP + CRASH)
    for seed in range(10):
        resolved = scenario.resolve(seed)
        again = Scenario.parse(to_yaml(resolved))
        assert again.draws == ()
        assert again.resolve() == resolved


def test_the_digest_is_of_the_content() -> None:
    commented = Scenario.parse("# a comment\n" + HEAD + CAP, "elsewhere.yaml")
    assert commented.digest == Scenario.parse(HEAD + CAP).digest
    texts = (HEAD + CAP, HEAD + CRASH, HEAD + CAP + CRASH)
    assert all(Scenario.parse(a).digest != Scenario.parse(b).digest for a, b in itertools.combinations(texts, 2))
