"""Suites that are cut into splits, other realisations of them, and the digest that fixes one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from twin.scenario import Scenario, ScenarioError, Suite
from twin.scenario.catalogue import folder, shipped
from twin.scenario.suite import cases_digest

PLAIN = "scenarios: [replica-crash, engine-hang], seeds: [1, 2], split: training"
SPLITS = (
    "splits: {train: {scenarios: [replica-crash], seeds: {from: 5, count: 2}}, "
    "test: {scenarios: [replica-crash, engine-hang], seeds: [7]}}"
)


parts = cache(Suite.load_parts)
"""What a shipped suite can be loaded as, read once."""


@pytest.fixture
def written(tmp_path: Path):
    """Write a suite of that body; its path."""

    def write(spec: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(f"apiVersion: healtwin/v1\nkind: Suite\nmetadata: {{name: mine}}\nspec: {{{spec}}}\n")
        return path

    return write


def names(suite: Suite) -> list[str]:
    return [scenario.metadata.name for scenario in suite.scenarios]


def cases(suite: Suite) -> set[tuple[str, int]]:
    return {(name, seed) for name in names(suite) for seed in suite.seeds}


def test_each_split_has_scenarios_and_seeds_of_its_own(written) -> None:
    path = written(SPLITS)
    train, test = Suite.load(path, split="train"), Suite.load(path, split="test")
    assert (names(train), train.seeds, train.split, train.part) == (["replica-crash"], (5, 6), "training", "train")
    assert (names(test), test.seeds, test.split) == (["replica-crash", "engine-hang"], (7,), "unknown")
    assert train.digest != test.digest
    assert [suite.part for suite in Suite.load_parts(path)] == ["train", "test"]


def test_a_suite_can_stand_without_a_split_and_lend_its_scenarios_to_them(written) -> None:
    path = written(f"{PLAIN}, splits: {{validation: {{seeds: [3]}}}}")
    assert cases(Suite.load(path)) == {(n, s) for n in ("replica-crash", "engine-hang") for s in (1, 2)}
    assert cases(Suite.load(path, split="validation")) == {("replica-crash", 3), ("engine-hang", 3)}
    assert [suite.part for suite in Suite.load_parts(path)] == [None, "validation"]


@pytest.mark.parametrize(
    ("spec", "split", "message"),
    [
        (SPLITS, None, "spec: the suite has splits only: choose one of train, test"),
        (SPLITS, "validation", "no split 'validation': the suite has train, test"),
        (PLAIN, "train", "no split 'train': the suite has none"),
        (SPLITS.replace("[7]", "[6, 7]"), "test", "'replica-crash' has seed 6 in train as well"),
        (SPLITS.replace("[7]", "[7, 7]"), "test", "spec.splits.test.seeds: expected at least one seed, each once"),
        (SPLITS.replace("engine-hang", "engine-hung"), "test", "did you mean 'engine-hang'"),
        (SPLITS.replace("seeds: [7]", "seed: [7]"), "test", "did you mean 'seeds'"),
        ("splits: {train: {seeds: [1]}}", "train", "the suite has none to take instead"),
        ("splits: {}", "train", "at least 1 item"),
        ("splits: {learn: {scenarios: [replica-crash], seeds: [1]}}", "learn", "'train', 'validation' or 'test'"),
        ("scenarios: [replica-crash], seeds: [1]", None, "missing key 'split'"),
        ("scenarios: [replica-crash], splits: {test: {seeds: [1]}}", "test", "missing key 'seeds'"),
    ],
)
def test_a_mistake_is_named_with_its_place(written, spec: str, split: str | None, message: str) -> None:
    path = written(spec)
    with pytest.raises(ScenarioError) as raised:
        Suite.load(path, split=split)
    assert message in str(raised.value) and raised.value.where.startswith(f"{path}:4:")


def test_splits_may_share_seeds_of_different_scenarios(written) -> None:
    path = written(
        "splits: {train: {scenarios: [replica-crash], seeds: [1]}, test: {scenarios: [engine-hang], seeds: [1]}}"
    )
    assert not cases(Suite.load(path, split="train")) & cases(Suite.load(path, split="test"))


@pytest.mark.parametrize("name", sorted(shipped("Suite")))
def test_no_case_of_a_shipped_suite_stands_in_two_splits(name: str) -> None:
    splits = [cases(suite) for suite in parts(name) if suite.part is not None]
    assert sum(map(len, splits)) == len(set().union(*splits))


# --- other realisations ---------------------------------------------------------------------------------------------


def test_another_realisation_has_the_same_scenarios_and_seeds_that_no_other_has() -> None:
    suite = Suite.load("rca-llm")
    others = [suite.realisation(number) for number in range(4)]
    assert others[0] is suite and others[3].seeds[0] == suite.seeds[0] + 3_000_000
    assert len({seed for other in others for seed in other.seeds}) == 4 * len(suite.seeds)
    assert all(other.scenarios == suite.scenarios for other in others)
    assert len({other.digest for other in others}) == 4


def test_a_seed_that_another_realisation_has_is_refused() -> None:
    suite = Suite.load("rca-llm", ["spec.seeds=[999999, 1000000]"])
    assert suite.realisation(0).seeds == (999_999, 1_000_000)
    with pytest.raises(ScenarioError, match="seed 1,000,000 is above 999,999"):
        suite.realisation(1)
    with pytest.raises(ScenarioError, match="numbered from 0, got -1"):
        suite.realisation(-1)


# --- the digest -----------------------------------------------------------------------------------------------------


def test_the_digest_covers_scenarios_seeds_and_splits_and_no_comments(written) -> None:
    scenario = "apiVersion: healtwin/v1\nkind: Scenario\nmetadata: {name: mine}\nspec:\n  cluster: {kind: inference}\n"
    scenario += "  workload: {arrivals: {poisson: {uniform: [1/s, 2/s]}}, prompt: 64, output: 8}\n  horizon: 100s\n"
    path = written("scenarios: [one.yaml], seeds: [1, 2], split: training, splits: {test: {seeds: [3]}}")
    file = path.parent / "one.yaml"

    def digest(text: str = scenario, suite: str = path.read_text()) -> str:
        file.write_text(text)
        path.write_text(suite)
        return cases_digest(path)

    suite = path.read_text()
    assert digest() == digest("# why\n" + scenario, "# why\n" + suite)
    different = [
        digest(),
        digest(scenario.replace("64", "65")),
        digest(scenario.replace("2/s", "3/s")),
        digest(suite=suite.replace("[1, 2]", "[1, 4]")),
        digest(suite=suite.replace("[3]", "[4]")),
        digest(suite=suite.replace("test", "validation")),
    ]
    assert len(set(different)) == len(different)


FIXED = {
    "rca-llm-hard": "d43994f227627c801f7fe35836b416663cc35d2c4f3fd9e1c7dd31665be32b8c",
    "rca-openstack": "ddda70849cc98df80e181ab49f84c202b2677bdf8583df0ae1beac040b4c7308",
}


@pytest.mark.parametrize("name", FIXED)
def test_a_suite_is_the_one_that_was_fixed_before_any_method_ran_on_it(name: str) -> None:
    digest = cases_digest(name)
    assert digest == FIXED[name], (
        f"the cases of {name} have changed: their digest is {digest} now. Scores on other cases compare with nothing: "
        "take the change back, or add a row to the protocol in docs/rca-suites.md (date, suite, digest, what changed "
        "and why, and which results it makes void) and put the new digest here."
    )
    page = Path(__file__).parents[3] / "docs" / "rca-suites.md"
    assert f"| `{name}` | `{digest}` |" in page.read_text(encoding="utf-8")


def test_the_hard_suite_has_every_mechanism_and_kinds_of_fault_that_training_has_not() -> None:
    train, validation, test = parts("rca-llm-hard")
    kinds = [{fault_kind(s) for s in suite.scenarios} for suite in (train, validation, test)]
    assert set(names(train)) < set(names(validation)) < set(names(test)) and len(test.scenarios) >= 24
    assert kinds[1] - kinds[0] and kinds[2] - kinds[1]
    for suite in (train, validation, test):
        assert {s.metadata.labels["mechanism"] for s in suite.scenarios} == {
            *("propagation", "concurrency", "cascade", "subtle", "down-going", "misleading")
        }


def fault_kind(scenario: Scenario) -> frozenset[str]:
    """The kinds of a scenario's faults, those that are meant to happen left out."""
    return frozenset(f"{f.kind}/{f.action}" for f in scenario.resolve(0).spec.faults if not f.benign)


@pytest.mark.parametrize("name", FIXED)
def test_a_case_has_four_minutes_of_baseline_and_two_to_see_the_fault(name: str) -> None:
    for scenario in parts(name)[-1].scenarios:
        for end in scenario.extremes():
            times = [fault.at for fault in end.spec.faults if not fault.benign]
            assert min(times) >= 240.0 and end.spec.horizon - max(times) >= 120.0, scenario.source


@pytest.mark.parametrize("name", FIXED)
def test_every_scenario_of_a_study_is_in_its_test_split(name: str) -> None:
    files = {file.stem for file in (folder() / name).glob("*.yaml")}
    of_the_study = {s.metadata.name for s in parts(name)[-1].scenarios if s.metadata.labels.get("study") == name}
    assert files and files == of_the_study
