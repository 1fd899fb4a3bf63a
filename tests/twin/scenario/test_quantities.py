"""Quantities with units."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.quantities import UNITS, parse, write

DIMENSIONS = st.sampled_from(sorted(UNITS))
POSITIVE = st.floats(0, 1e15, allow_nan=False)


@given(number=POSITIVE, dimension=DIMENSIONS, data=st.data())
def test_a_number_with_a_unit_is_worth_that_many_base_units(number: float, dimension: str, data: st.DataObject) -> None:
    unit = data.draw(st.sampled_from(sorted(UNITS[dimension])))
    assert parse(f"{number!r}{unit}", dimension) == number * UNITS[dimension][unit]
    assert parse(f" {number!r} {unit} ", dimension) == number * UNITS[dimension][unit]


@given(number=POSITIVE, dimension=DIMENSIONS)
def test_what_is_written_is_read_back_as_the_same_float(number: float, dimension: str) -> None:
    assert parse(write(number, dimension), dimension) == number


@given(text=st.text(max_size=20), dimension=DIMENSIONS)
def test_any_text_is_a_finite_positive_quantity_or_a_value_error(text: str, dimension: str) -> None:
    try:
        value = parse(text, dimension)
    except ValueError:
        return
    assert math.isfinite(value) and value >= 0


@pytest.mark.parametrize(
    "value", [True, None, [], {}, float("nan"), float("inf"), -1, "-1s", "nans", "5", 5, "5W", "s"]
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"a duration"):
        parse(value, "duration")


def test_nothing_needs_no_unit() -> None:
    assert parse(0, "duration") == 0.0
