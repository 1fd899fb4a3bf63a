"""Scores as RCAEval defines them, chance exactly, intervals over what is independent."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from statistics import fmean

import pytest

from experiments.bench.rca.scores import (
    FIGURES,
    UNSEEN,
    Asked,
    Outcome,
    accuracy,
    average,
    average_chance,
    chance,
    difference,
    leads,
    scores,
)
from policies.statistics import clustered_interval, mean_interval


def asked(*answers: str, candidates: str = "abcdef", name: str = "1", seed: int = 1, **fields: object) -> Asked:
    given = {"fault": "cpu", "scenario": "s", "realisation": 0, **fields}
    return Asked(name=name, answers=answers or ("a",), candidates=tuple(candidates), seed=seed, **given)  # type: ignore[arg-type]


def test_accuracy_is_the_share_of_the_answers_among_the_first_k() -> None:
    assert accuracy("bac", asked("a"), 1) == 0.0
    assert accuracy("bac", asked("a"), 2) == 1.0
    assert accuracy("bac", asked("a", "c"), 2) == 0.5
    assert average("bac", asked("a"), 5) == pytest.approx(4 / 5)


def test_a_ranking_counts_each_candidate_once_and_nothing_else() -> None:
    assert accuracy(["host-1", "b", "b", "a"], asked("a"), 2) == 1.0


@pytest.mark.parametrize("answers", ["a", "ab", "abc"])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_chance_is_the_mean_over_all_orders(answers: str, k: int) -> None:
    question = asked(*answers, candidates="abcd")
    orders = list(permutations("abcd"))
    assert chance(question, k) == pytest.approx(fmean(accuracy(order, question, k) for order in orders))
    assert average_chance(question, k) == pytest.approx(fmean(average(order, question, k) for order in orders))


def test_a_failure_is_a_miss_and_is_counted() -> None:
    questions = {str(i): asked("a", name=str(i), seed=i) for i in range(4)}
    said = [Outcome("m", str(i), ("a", "b"), 0.1, "raised" if i == 0 else "") for i in range(4)]
    (line,) = scores(said, questions)
    assert line.failures == 1
    assert line.figures["AC@1"].mean == 0.75
    assert line.lift["AC@1"].mean == pytest.approx(0.75 - 1 / 6)
    assert line.slowest == 0.1


def test_kinds_of_fault_have_lines_of_their_own() -> None:
    questions = {str(i): asked("a", name=str(i), seed=i, fault=("cpu", "gpu")[i % 2]) for i in range(4)}
    said = [Outcome("m", str(i), ("a",) if i % 2 else ("b", "a"), 0.1) for i in range(4)]
    found = {line.group: line.figures["AC@1"].mean for line in scores(said, questions)}
    assert found == {"all": 0.5, "cpu": 0.0, "gpu": 1.0}


def test_with_enough_data_sets_intervals_are_over_them() -> None:
    questions = {
        f"{r}/{i}": asked("a", name=f"{r}/{i}", seed=10 * r + i, scenario=str(i), realisation=r)
        for r in range(5)
        for i in range(4)
    }
    right = {r: r for r in range(5)}  # of four cases: none, 1, 2, 3, 4
    said = [Outcome("m", key, ("a",) if q.seed % 10 < right[q.realisation] else ("b",), 0.1)
            for key, q in questions.items()]  # fmt: skip
    (line,) = scores(said, questions)
    expected = mean_interval([r / 4 for r in range(5)])
    assert line.figures["AC@1"].low == pytest.approx(max(0.0, expected.low))
    assert line.figures["AC@1"].high == pytest.approx(min(1.0, expected.high))


def test_with_few_data_sets_the_wider_of_seeds_and_scenarios_counts() -> None:
    questions = {
        f"{s}{seed}": asked("a", name=f"{s}{seed}", scenario=s, seed=seed) for s in "xyzw" for seed in range(4)
    }
    said = [Outcome("m", key, ("a",) if q.scenario in "xy" else ("b",), 0.1) for key, q in questions.items()]
    (line,) = scores(said, questions)
    assert line.figures["AC@1"].low == 0.0  # four scenarios, two of them never found: no more is known
    assert line.figures["AC@1"].high == 1.0


def test_a_difference_is_paired_by_case() -> None:
    questions = {str(i): asked("a", name=str(i), seed=i, scenario=str(i)) for i in range(6)}
    ours = [Outcome("m", str(i), ("a",), 0.1) for i in range(6)]
    theirs = [Outcome("o", str(i), ("b", "a"), 0.1) for i in range(4)]
    found = difference(ours, theirs, questions)
    assert found is not None
    assert (found.mean, found.low, found.count) == (1.0, 1.0, 4)
    assert difference(ours, [], questions) is None


def test_the_best_of_ours_is_compared_with_the_best_published_one() -> None:
    tags = ((), (UNSEEN,))
    questions = {str(i): replace(asked("a", name=str(i), seed=i, scenario=str(i)), tags=tags[i % 2]) for i in range(6)}
    right, wrong = ("a",), ("b",)
    said = [
        *(Outcome("ours", name, right, 0.1) for name in questions),
        *(Outcome("worse", name, wrong, 0.1) for name in questions),
        *(Outcome("theirs", name, right if name < "3" else wrong, 0.1) for name in questions),
        *(Outcome("lucky", name, right, 0.1) for name in list(questions)[:2]),  # has not met all cases
    ]
    every, unseen = leads(said, questions, {"ours", "worse"})
    assert (every.ours, every.theirs, every.group, every.ahead.mean) == ("ours", "theirs", "all", 0.5)
    assert (unseen.group, unseen.ahead.mean) == (UNSEEN, pytest.approx(2 / 3))
    assert str(every).startswith("ours minus theirs: AC@1 +0.50 [")
    assert leads(said, questions, set()) == []


def test_an_interval_over_clusters_of_one_size_is_that_of_their_means() -> None:
    values = [1.0, 2.0, 4.0, 5.0, 3.0, 1.0]
    clustered = clustered_interval(values, "aabbcc")
    means = mean_interval([1.5, 4.5, 2.0])
    assert (clustered.low, clustered.high, clustered.count) == pytest.approx((means.low, means.high, 3))


def test_figures_are_those_of_the_issue() -> None:
    assert list(FIGURES) == ["AC@1", "AC@3", "AC@5", "Avg@5"]
