"""What an evaluation says, from episodes made by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from experiments.comparison import (
    ALL,
    as_json,
    differences,
    in_words,
    metrics,
    row,
    summarise,
    verdict,
    verdict_in_words,
)
from experiments.episode import EpisodeResult, IncidentOutcome
from policies.statistics import mean_interval

HEALED = IncidentOutcome("f", "ProcessChaos/crash", "process", ("api",), 70.0, 71.0, 75.0, "supervisor")
CLEARED = replace(HEALED, cleared_by="restart api")


def episode(policy: str, seed: int, violation: float = 10.0, **changes: Any) -> EpisodeResult:
    plain = EpisodeResult(
        policy=policy,
        scenario="s",
        family="process",
        seed=seed,
        violation_seconds=violation,
        loss_seconds=violation,
        first_violation=80.0 if violation else None,
        recovery_seconds=violation if violation else None,
        censored=False,
        actions=1,
        illegal=0,
        relief=0,
        wrong=0,
        harmful=0,
        harm_checked=0,
        incidents=(CLEARED,),
    )
    return replace(plain, **changes)


def test_the_interval_counts_seeds_not_episodes() -> None:
    episodes = [episode("ladder", seed, 10.0 * seed, scenario=s) for seed in (1, 2, 3) for s in ("a", "b")]
    line = summarise(episodes)[0]
    assert (line.episodes, line.seeds) == (6, 3)
    assert line.violation_seconds.mean == pytest.approx(20.0)
    assert line.violation_seconds.high == pytest.approx(20.0 + 4.303 * 10.0 / math.sqrt(3), rel=1e-3)


def test_episodes_without_a_violation_have_no_recovery_time_and_are_counted_apart() -> None:
    line = summarise([episode("noop", 1, 0.0), episode("noop", 2, 30.0)])[0]
    assert line.violated == 1
    assert line.recovery_seconds is not None
    assert line.recovery_seconds.mean == 30.0
    assert row(line)[5] == "1 / 0 / 0"


def test_censored_recoveries_are_marked_as_lower_bounds() -> None:
    line = summarise([episode("noop", 1, 30.0, censored=True), episode("noop", 2, 30.0)])[0]
    assert line.censored == 1
    assert row(line)[4].startswith("≥ ")


def test_faults_that_cleared_by_themselves_are_counted_apart() -> None:
    episodes = [
        episode("noop", 1, incidents=(HEALED,)),
        episode("noop", 2, 30.0),
        episode("noop", 3, 30.0, incidents=()),
    ]
    line = summarise(episodes)[0]
    assert line.healed_themselves == 1
    assert line.recovery_seconds is not None
    assert line.recovery_seconds.mean == 30.0  # and have no part in the mean recovery


def test_families_have_lines_of_their_own_where_there_are_several() -> None:
    episodes = [episode("noop", 1), episode("noop", 1, scenario="t", family="gpu")]
    assert [line.family for line in summarise(episodes)] == [ALL, "process", "gpu"]
    assert [line.family for line in summarise(episodes[:1])] == [ALL]


def test_a_policy_beats_the_ladder_over_thirty_seeds_with_an_interval_below_zero() -> None:
    seeds = range(30)
    ladder = [episode("ladder", s, 50.0 + s) for s in seeds]
    mine = [episode("mine", s, 40.0 + s + s % 3) for s in seeds]
    (found,) = differences([*ladder, *mine])
    assert found.better
    assert found.seconds.high < 0.0
    assert "better, by -9.0" in verdict_in_words(found)


@pytest.mark.parametrize(
    ("seeds", "gain", "wrong", "why"),
    [(29, 10.0, 0, "29 seeds"), (30, 0.0, 0, "must be below 0"), (30, 10.0, 1, "wrong actions")],
)
def test_too_few_seeds_no_gain_or_more_wrong_actions_are_no_victory(
    seeds: int, gain: float, wrong: int, why: str
) -> None:
    ladder = [episode("ladder", s, 50.0) for s in range(seeds)]
    mine = [episode("mine", s, 50.0 - gain + s % 2, wrong=wrong) for s in range(seeds)]
    (found,) = differences([*ladder, *mine])
    assert not found.better
    assert any(why in reason for reason in found.why_not)
    assert not verdict([*ladder, *mine], "mine").passed


def test_only_cases_that_both_lived_through_are_paired() -> None:
    found = differences([episode("ladder", 1, 10.0), episode("mine", 1, 8.0), episode("mine", 2, 1000.0)])
    assert found[0].seconds.mean == -2.0


def test_an_interval_of_one_value_has_no_ends() -> None:
    interval = mean_interval([3.0])
    assert in_words(interval) == "3.0 (n=1)"
    assert as_json({"i": interval})["i"] == {"mean": 3.0, "low": None, "high": None, "count": 1}


def test_metrics_are_named_by_policy_and_figure() -> None:
    assert metrics([episode("runs/policy-1", 1, 12.0)])["runs_policy-1/violation_seconds"] == 12.0
