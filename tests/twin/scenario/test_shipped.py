"""What ships: scenarios, the suites of the four splits, a study."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from twin.faults.kind import family
from twin.faults.planning import fault_kind, fault_parameters
from twin.scenario import Scenario, ScenarioError, Study, Suite, to_yaml
from twin.scenario.catalogue import folder, kind_of, shipped
from twin.validation import validate
from twin.world import World

SPLITS = ("training", "tuning", "validation", "unknown")

load = cache(Scenario.load)
"""A shipped scenario, read once."""


def families(suite: Suite) -> set[str]:
    """The fault families of a suite, as the worlds' truth names them."""
    resolved = (end for scenario in suite.scenarios for end in [scenario.resolve(suite.seeds[0])])
    return {incident.family for end in resolved for incident in World(end).truth.incidents.values()}


def clusters(suite: Suite) -> set[str]:
    return {scenario.resolve().spec.cluster.kind for scenario in suite.scenarios}


@pytest.mark.parametrize("name", sorted(shipped("Scenario")))
def test_every_shipped_scenario_is_valid_at_every_end(name: str) -> None:
    scenario = load(name)
    assert scenario.metadata.name == name
    assert scenario.metadata.title and scenario.metadata.labels["family"]
    assert validate(scenario)


@pytest.mark.parametrize("name", sorted(shipped("Scenario")))
def test_its_family_label_is_that_of_its_faults(name: str) -> None:
    scenario = load(name)
    kinds = [(fault_kind(f, ()), f) for f in scenario.resolve().spec.faults if not f.benign]
    truth = {family(kind, fault_parameters(kind, f, ())) for kind, f in kinds}
    label = scenario.metadata.labels["family"]
    assert truth == ({label} if label not in ("none", "mixed") else set()) or (label == "mixed" and len(truth) > 1)


@pytest.mark.parametrize("name", sorted(shipped("Scenario")))
def test_every_resolved_scenario_is_read_back_as_it_was(name: str) -> None:
    resolved = load(name).resolve(11)
    assert Scenario.parse(to_yaml(resolved)).resolve() == resolved


def test_at_least_ten_ship_over_both_clusters() -> None:
    assert len(shipped("Scenario")) >= 10
    kinds = [load(name).resolve().spec.cluster.kind for name in shipped("Scenario")]
    assert min(kinds.count("inference"), kinds.count("openstack")) >= 4


def test_the_splits_share_no_seed() -> None:
    seeds = [seed for split in SPLITS for seed in Suite.load(split).seeds]
    assert len(seeds) == len(set(seeds))


def test_each_suite_is_of_its_split() -> None:
    assert [Suite.load(split).split for split in SPLITS] == list(SPLITS)


def test_training_has_three_families_over_both_clusters_and_unknown_has_others() -> None:
    training, unknown = Suite.load("training"), Suite.load("unknown")
    assert len(families(training)) >= 3
    assert clusters(training) == clusters(unknown) == {"inference", "openstack"}
    known = set().union(*(families(Suite.load(split)) for split in ("training", "tuning", "validation")))
    assert families(unknown) and not families(unknown) & known


def test_the_study_sees_the_tuning_split() -> None:
    study = Study.load("ppo")
    assert study.suite.split == "tuning"
    assert study.spec.search_space["learningRate"].log


@pytest.mark.parametrize("split", ["training", "validation", "unknown"])
def test_a_study_sees_no_other_split(split: str) -> None:
    with pytest.raises(ScenarioError, match="a study sees the split tuning only"):
        Study.load("ppo", [f"spec.suite={split}"])


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("spec.searchSpace.x={low: 1}", "expected {low, high, log?}"),
        ("spec.searchSpace.x={low: 2, high: 1}", "low must be below high"),
        ("spec.searchSpace.x={low: 0, high: 1, log: true}", "starts above 0"),
        ("spec.searchSpace.x={choices: [], log: true}", "at least 1 item"),
        ("spec.searchSpace.x={choices: [1], low: 1}", "choices stand alone"),
        ("spec.searchSpace.x={lo: 1, high: 3}", "did you mean 'low'"),
        ("spec.searchSpace.x={low: .nan, high: 3}", "finite number"),
        ("spec.budget.trials=0", "greater than or equal to 1"),
        ("spec.budget.secnds=3", "did you mean 'seconds'"),
        ("spec.suite=tunnig", "did you mean 'tuning'"),
        ("spec.sampler=best", "'tpe' or 'random'"),
    ],
)
def test_a_wrong_study_is_named(assignment: str, message: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        Study.load("ppo", [assignment])
    assert raised.value.where == f"--set {assignment}" and message in str(raised.value)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("spec.split=test", "'training', 'tuning'"),
        ("spec.scenarios=[gpu-power-kap]", "did you mean 'gpu-power-cap'"),
        ("spec.scenarios=[]", "at least 1 item"),
        ("spec.seeds=[1, 1]", "each once"),
        ("spec.seeds=[-1]", "greater than or equal to 0"),
        ("spec.seeds={from: 3}", "missing key 'count'"),
        ("spec.seeds={from: 3, count: 0}", "greater than or equal to 1"),
    ],
)
def test_a_wrong_suite_is_named(assignment: str, message: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        Suite.load("training", [assignment])
    assert raised.value.where == f"--set {assignment}" and message in str(raised.value)


def test_seeds_are_a_list_or_a_range() -> None:
    assert Suite.load("training", ["spec.seeds=[4, 2]"]).seeds == (4, 2)
    assert Suite.load("training", ["spec.seeds={from: 5, count: 3}"]).seeds == (5, 6, 7)


def test_a_suite_finds_scenarios_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(Path(shipped("Scenario")["replica-crash"]).read_text())
    suite = "apiVersion: healtwin/v1\nkind: Suite\nmetadata: {name: mine}\nspec: {split: training, seeds: [1], "
    (tmp_path / "suite.yaml").write_text(suite + "scenarios: [mine.yaml, gpu-power-cap]}\n")
    assert [s.metadata.name for s in Suite.load(tmp_path / "suite.yaml").scenarios] == [
        "replica-crash",
        "gpu-power-cap",
    ]


def test_kinds_are_known_by_name_and_by_file() -> None:
    assert [kind_of(name) for name in ("gpu-power-cap", "tuning", "ppo")] == ["Scenario", "Suite", "Study"]
    assert kind_of(folder() / "suites" / "tuning.yaml") == "Suite"
