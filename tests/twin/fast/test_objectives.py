"""Bad requests of a tick are drawn as whole ones where they, or the good ones, are few."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from twin.fast.objectives import FEW, counted, judge, none

GRID = (np.arange(20_000, dtype=np.float32) + 0.5) / 20_000
"""Draws, evenly over (0, 1)."""
MANY = 1000.0


def drawn(expected: float, everybody: float) -> NDArray[np.float64]:
    """Bad ones under each of these draws."""
    found = counted(jnp.full(GRID.shape, expected), jnp.full(GRID.shape, everybody), jnp.asarray(GRID))
    return np.asarray(found, np.float64)


@pytest.mark.parametrize("mean", [0.01, 0.3, 1.0, 2.5, 3.9])
def test_few_bad_ones_follow_the_law_of_poisson(mean: float) -> None:
    found = drawn(mean, MANY)
    for count in range(FEW - 1):
        probability = math.exp(-mean) * mean**count / math.factorial(count)
        assert np.mean(found == count) == pytest.approx(probability, abs=2.0 / GRID.size)
    assert found.max() <= FEW - 1  # what lies beyond is as rare as it may be for that


@pytest.mark.parametrize("mean", [0.01, 0.3, 1.0, 2.5])
def test_as_many_are_bad_in_the_mean_as_are_expected(mean: float) -> None:
    assert drawn(mean, MANY).mean() == pytest.approx(mean, rel=0.01)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("everybody", [1.0, 3.0, 7.0])
def test_of_whole_requests_whole_ones_are_bad(everybody: float, share: float) -> None:
    found = drawn(share * everybody, everybody)
    assert np.array_equal(found, np.round(found))


def test_where_all_are_alike_nothing_is_drawn() -> None:
    assert set(drawn(0.0, 7.0)) == {0.0}
    assert set(drawn(7.0, 7.0)) == {7.0}


def test_many_are_as_many_as_are_expected() -> None:
    assert set(drawn(FEW / 2.0, MANY)) == {FEW / 2.0}
    assert set(drawn(MANY - FEW, MANY)) == {MANY - FEW}


@pytest.mark.parametrize("everybody", [0.0, 0.3, 1.0, 1.4, 4.0, 6.5, 40.0])
def test_no_more_are_bad_than_there_are(everybody: float) -> None:
    for share in np.linspace(0.0, 1.0, 21):
        found = drawn(share * everybody, everybody)
        assert (found >= 0.0).all() and (found <= np.float32(everybody)).all()


@pytest.mark.parametrize(("good", "everybody"), [(0.2, 5.0), (1.5, 10.0), (3.5, 100.0)])
def test_where_the_good_are_few_it_is_they_who_are_counted(good: float, everybody: float) -> None:
    assert np.allclose(drawn(everybody - good, everybody), everybody - drawn(good, everybody), atol=1e-4)


def test_one_of_two_dead_replicas_is_no_matter_of_rounding() -> None:
    """Half of the requests fail, by a hair less or more: the same ones do."""
    assert np.mean(drawn(2.0 - 1e-4, 4.0) == drawn(2.0 + 1e-4, 4.0)) > 0.999


def test_one_bad_request_of_a_hundred_is_just_what_99_percent_allows() -> None:
    objective = jnp.array([[0.99, np.inf]])
    for bad, violated in ((1.0, False), (2.0, True)):
        _, loss, wrong = judge(none(1, 10), objective, jnp.array([100.0 - bad]), jnp.array([bad]), jnp.int32(0))
        assert bool(wrong) is violated and float(loss) == pytest.approx(bad / 100.0)


def test_a_window_forgets_what_is_older_than_it() -> None:
    objective, judged = jnp.array([[0.99, np.inf]]), none(1, 3)
    seen = []
    for tick, bad in enumerate([1.0, 0.0, 0.0, 0.0]):
        judged, _, violated = judge(judged, objective, jnp.array([1.0]), jnp.array([bad]), jnp.int32(tick))
        seen.append(bool(violated))
    assert seen == [True, True, True, False]
