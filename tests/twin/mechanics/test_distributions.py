"""Variates are functions of their key, and have the moments of their distributions."""

from __future__ import annotations

import math
from functools import partial
from statistics import fmean, pstdev

import pytest

from twin.mechanics.distributions import Constant, Distribution, Exponential, Gamma, Lognormal, Weibull
from twin.streams import Streams

STREAM = Streams(1)["test"]
N = 8000

CASES: list[tuple[Distribution, float, float]] = [
    (Constant(3.0), 3.0, 0.0),
    (Exponential(3.0), 3.0, 1.0),
    (Gamma(0.5, 4.0), 2.0, math.sqrt(2.0)),
    (Gamma(4.0, 0.5), 2.0, 0.5),
    (Weibull(2.0, 3.0), 3.0 * math.gamma(1.5), math.sqrt(4 / math.pi - 1)),
    (Weibull(0.7, 1.0), math.gamma(1 + 1 / 0.7), 1.4624),
    (Lognormal(2.0, 0.7), 2.0 * math.exp(0.245), math.sqrt(math.exp(0.49) - 1)),
]


def draws(n):
    return partial(STREAM.uniform, n)


@pytest.mark.parametrize(("distribution", "mean", "cv"), CASES)
def test_moments(distribution, mean, cv):
    values = [distribution.sample(draws(n)) for n in range(N)]
    assert distribution.mean == pytest.approx(mean)
    assert fmean(values) == pytest.approx(mean, rel=0.06)
    assert pstdev(values) / fmean(values) == pytest.approx(cv, rel=0.1, abs=1e-9)


@pytest.mark.parametrize(("distribution", "mean", "cv"), CASES)
def test_what_is_left_of_an_interval_follows_from_renewal_theory(distribution, mean, cv):
    """The mean residual life at a random moment is mean x (1 + cv²) / 2."""
    values = [distribution.residual(draws(n)) for n in range(N)]
    assert fmean(values) == pytest.approx(mean * (1 + cv * cv) / 2, rel=0.1)


@pytest.mark.parametrize("cv", [0.3, 1.0, 2.0, 4.0])
def test_gamma_and_weibull_are_found_by_their_moments(cv):
    assert Gamma.of(5.0, cv).shape == pytest.approx(cv**-2)
    weibull = Weibull.of(5.0, cv)
    assert weibull.mean == pytest.approx(5.0)
    second = weibull.scale**2 * math.gamma(1 + 2 / weibull.shape)
    assert math.sqrt(second / 25.0 - 1.0) == pytest.approx(cv, rel=1e-6)
    assert (weibull.shape < 1) == (cv > 1) or cv == 1.0


def test_a_variate_is_a_function_of_its_key():
    for distribution, _, _ in CASES:
        assert distribution.sample(draws(7)) == distribution.sample(draws(7))
        assert distribution.residual(draws(7)) == distribution.residual(draws(7))
