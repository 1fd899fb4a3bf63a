"""Draws belong to things: honesty rule 3."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.streams import Streams

keys = st.lists(st.one_of(st.integers(-(2**63), 2**63), st.text(max_size=12)), min_size=1, max_size=3)


@given(seed=st.integers(0, 2**32), key=keys)
def test_a_draw_depends_on_seed_name_and_key_only(seed, key):
    once, twice = Streams(seed), Streams(seed)
    twice["other"].uniform(1)
    twice["s"].uniform("something else")
    assert once["s"].uniform(*key) == twice["s"].uniform(*key)


@given(key=keys)
def test_a_uniform_draw_lies_in_the_unit_interval(key):
    assert 0.0 <= Streams(3)["s"].uniform(*key) < 1.0


def test_streams_and_seeds_are_independent():
    a = [Streams(1)["a"].uniform(i) for i in range(2000)]
    b = [Streams(1)["b"].uniform(i) for i in range(2000)]
    c = [Streams(2)["a"].uniform(i) for i in range(2000)]
    for x, y in ((a, b), (a, c), (a[:-1], a[1:])):
        mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
        covariance = sum((p - mean_x) * (q - mean_y) for p, q in zip(x, y, strict=True)) / len(x)
        assert abs(covariance * 12) < 4 / math.sqrt(len(x))


def test_the_exponential_has_its_mean_and_variance():
    draws = [Streams(7)["gap"].exponential(2.0, i) for i in range(20_000)]
    mean = sum(draws) / len(draws)
    variance = sum((d - mean) ** 2 for d in draws) / len(draws)
    assert mean == pytest.approx(2.0, rel=0.03)
    assert variance == pytest.approx(4.0, rel=0.08)


def test_a_uuid_is_of_version_four():
    uuid = Streams(1)["uuid"].uuid("thing")
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", uuid)
