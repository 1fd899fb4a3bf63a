"""Methods on cases: what raises has missed, what is broken is named, what is known is not asked again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.bench.rca import runner
from experiments.bench.rca.cases import read_dataset
from experiments.bench.rca.dataset import Made
from experiments.bench.rca.methods import Method, chosen
from experiments.bench.rca.scores import scores
from experiments.bench.rca.shifts import shift
from experiments.errors import UserError
from llm.ranking.case import Case, read_case


def says(*names: str, version: str = "1") -> Method:
    return Method("says", "ours", version, lambda case, seed: names)


def raises(case: Case, seed: int) -> Sequence[str]:
    raise RuntimeError("no <convergence>")


@pytest.fixture
def folder(made: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.folder, tmp_path / "tiny"))


def test_every_method_meets_every_case_once(folder: Path, tmp_path: Path) -> None:
    data, file = read_dataset(folder), tmp_path / "results.jsonl"
    first = runner.run(data, [says("ray-replicas-0")], file)
    assert (len(first.outcomes), first.again) == (2, 0)
    again = runner.run(data, [says("ray-replicas-0"), Method("broken", "ours", "1", raises)], file)
    assert (len(again.outcomes), again.again) == (4, 2)
    good, bad = (score for score in scores(again.outcomes, again.asked) if score.group == "all")
    assert (good.figures["AC@1"].mean, bad.figures["Avg@5"].mean) == (0.5, 0.0)
    assert (good.failures, bad.failures) == (0, 2)
    newer = runner.run(data, [says("ray-replicas-2", version="2")], file)
    assert newer.again == 0 and len(newer.outcomes) == 2


def test_slow_methods_are_given_the_first_seeds_only(folder: Path, tmp_path: Path) -> None:
    data, file, seeds = read_dataset(folder), tmp_path / "results.jsonl", [7, 8]
    entries = tuple(replace(entry, seed=seed) for entry, seed in zip(data.entries, seeds, strict=True))
    data = replace(data, entries=entries)
    slow, fast = replace(says("nginx-proxy"), slow=True), replace(says("ray-head"), name="quick")
    found = runner.run(data, [slow, fast], file, slow_seeds=1)
    given = {
        method: [found.asked[o.case].seed for o in found.outcomes if o.method == method] for method in ("says", "quick")
    }
    assert given["says"] == seeds[:1] and sorted(given["quick"]) == seeds
    assert len(runner.run(data, [slow], file).outcomes) == 2


def test_a_broken_case_is_named_and_the_rest_goes_on(folder: Path, tmp_path: Path) -> None:
    (folder / "ray-replicas-0_cpu" / "1" / "data.csv").write_text("time,a_b\nnever,1\n")
    found = runner.run(read_dataset(folder), [says()], tmp_path / "results.jsonl")
    assert len(found.outcomes) == 1
    assert "data.csv:2: its time is no number" in found.broken["ray-replicas-0_cpu/1"]


def test_a_test_split_is_for_releases(folder: Path, tmp_path: Path) -> None:
    data = read_dataset(folder)
    data = replace(data, manifest={**data.manifest, "split": "test"})
    with pytest.raises(UserError, match="once a release"):
        runner.run(data, [says()], tmp_path / "results.jsonl")
    assert not (tmp_path / "results.jsonl").exists()
    assert runner.run(data, [says()], tmp_path / "results.jsonl", release=True).outcomes


def test_our_rankers_answer_and_find_what_is_loud(folder: Path, tmp_path: Path) -> None:
    data = read_dataset(folder)
    with chosen(None) as methods:
        found = runner.run(data, methods, tmp_path / "results.jsonl")
    assert len(found.outcomes) == 2 * len(methods) and not any(outcome.error for outcome in found.outcomes)
    for outcome in found.outcomes:
        assert set(outcome.ranks) == set(found.asked[outcome.case].candidates)
    loud = {o.case: o.ranks[0] for o in found.outcomes if o.method == "two-sided-baro"}
    assert loud["0/ray-replicas-0_cpu/1"] == "ray-replicas-0"


def test_a_method_is_named_by_itself_or_with_its_group(tmp_path: Path) -> None:
    with chosen(["first-error", "ours"]) as methods:
        assert [method.name for method in methods][:2] == ["first-error", "two-sided-baro"]
        assert len(methods) == len({method.name for method in methods})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody", r"no method 'nobody' \(known: two-sided-baro"),
        ("causalai", "on no package index"),
        ("baro", "healtwin rca environment"),
        ("published", "healtwin rca environment"),
    ],
)
def test_a_method_that_is_not_to_be_had_is_refused_with_what_to_do(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said), chosen([name], environment=tmp_path):
        pass


def test_the_shift_of_a_culprit_is_of_its_own_gpu_and_requests(folder: Path) -> None:
    case = read_case(folder / "ray-replicas-2_network" / "1")
    moved = shift(case, "ray-replicas-2")
    assert moved is not None and abs(moved[0]) < 100.0
    assert shift(case, "nginx-proxy") is not None or "nginx-proxy_ctn_gpu" not in case.columns
    assert shift(case, "nobody") is None
