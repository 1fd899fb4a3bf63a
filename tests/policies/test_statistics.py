"""Student's t and the export gate."""

from __future__ import annotations

import math

import pytest

from policies.gate import PairedEpisode, gate
from policies.statistics import mean_interval, paired_difference, student_cdf, student_quantile


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (10, 2.2281), (29, 2.0452), (120, 1.9799)],
)
def test_agrees_with_the_printed_table(degrees: int, quantile: float) -> None:
    assert student_quantile(0.975, degrees) == pytest.approx(quantile, abs=1e-4)
    assert student_cdf(-quantile, degrees) == pytest.approx(0.025, abs=1e-5)


def test_interval_of_a_known_sample() -> None:
    interval = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.7764 * math.sqrt(2.5) / math.sqrt(5)
    assert (interval.mean, interval.count) == (3.0, 5)
    assert interval.high == pytest.approx(3.0 + half, abs=1e-3)
    assert interval.low == pytest.approx(3.0 - half, abs=1e-3)


def test_pairing_removes_what_the_pairs_share() -> None:
    luck = [float(i * i % 97) for i in range(40)]
    difference = paired_difference([x - 1.0 + 0.1 * (i % 2) for i, x in enumerate(luck)], luck)
    assert difference.high < 0.0
    assert mean_interval([-1.0]).high == math.inf
    with pytest.raises(ValueError, match="pairs"):
        paired_difference([1.0], [])


def _results(seeds: int, gain: float, policy_wrong: int = 0, ladder_wrong: int = 0) -> list[PairedEpisode]:
    return [
        PairedEpisode(scenario, seed, 50.0 - gain + seed % 3 + seed % 2, 50.0 + seed % 3, policy_wrong, ladder_wrong)
        for seed in range(seeds)
        for scenario in ("a", "b")
    ]


def test_a_policy_that_beats_the_ladder_passes() -> None:
    verdict = gate(_results(30, gain=10.0))
    assert verdict.passed and verdict.failures == ()
    assert (verdict.seeds, verdict.episodes) == (30, 60)
    assert verdict.difference.high < 0


@pytest.mark.parametrize(
    ("results", "word"),
    [
        (_results(29, gain=10.0), "29 seeds"),
        (_results(30, gain=0.5), "interval must be below 0"),
        (_results(30, gain=10.0, policy_wrong=2, ladder_wrong=1), "wrong actions: 120"),
        ([], "no validation results"),
    ],
)
def test_it_is_refused_with_the_failing_number(results: list[PairedEpisode], word: str) -> None:
    verdict = gate(results)
    assert not verdict.passed
    assert len(verdict.failures) == 1 and word in verdict.failures[0]
