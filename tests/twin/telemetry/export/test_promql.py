"""`rate`, `irate` and `histogram_quantile` on samples as they come, by Prometheus' own rules."""

from __future__ import annotations

import math

import pytest

from twin.telemetry.export.promql import Samples, histogram_quantile


def pushed(*values: float | None, step: float = 5.0, seconds: float = 60.0) -> Samples:
    samples = Samples(seconds)
    for i, value in enumerate(values):
        samples.push(step * i, value)
    return samples


def test_a_rate_needs_two_samples() -> None:
    assert math.isnan(pushed().rate())
    assert math.isnan(pushed(1.0).rate())
    assert math.isnan(pushed(1.0, None, None).rate())


def test_a_steady_counter_has_its_slope_in_a_full_range() -> None:
    assert pushed(*(100.0 + 3.0 * i for i in range(40))).rate() == pytest.approx(3.0 / 5.0)


def test_what_came_within_the_range_is_taken_to_have_come_half_an_interval_before() -> None:
    # 4 more in 10 s, and 2.5 s before the first sample.
    assert pushed(2.0, 4.0, 6.0).rate() == pytest.approx(4.0 * 12.5 / 10.0 / 60.0)


def test_a_counter_was_never_below_zero() -> None:
    # At that slope it was 0 one second before the first sample.
    assert pushed(0.4, 2.4, 4.4).rate() == pytest.approx(4.0 * 11.0 / 10.0 / 60.0)


def test_what_falls_began_again() -> None:
    assert pushed(10.0, 20.0, 5.0, 15.0, step=20.0).irate() == 0.5
    assert pushed(10.0, 20.0, 5.0, step=20.0).irate() == 0.25
    # 10 up to 20, 0, and up to 10: 20 more in 45 s.
    assert pushed(10.0, 20.0, 0.0, 10.0, step=15.0).rate() == pytest.approx(20.0 / 45.0)


def test_an_irate_goes_on_while_its_range_has_two_samples() -> None:
    assert pushed(0.0, 10.0, None, None).irate() == 2.0
    assert math.isnan(pushed(0.0, 10.0, *[None] * 11).irate())


def test_what_is_absent_now_has_no_value() -> None:
    assert math.isnan(pushed(1.0, None).value)
    assert pushed(1.0, 2.0).value == 2.0


def test_a_quantile_is_linear_within_its_bucket() -> None:
    bounds = (1.0, 2.0, 4.0)
    assert histogram_quantile(0.5, bounds, (0.0, 10.0, 10.0, 10.0)) == 1.5
    assert histogram_quantile(0.9, bounds, (10.0, 10.0, 10.0, 10.0)) == 0.9
    assert histogram_quantile(0.9, bounds, (0.0, 0.0, 0.0, 10.0)) == 4.0
    assert math.isnan(histogram_quantile(0.9, bounds, (0.0, 0.0, 0.0, 0.0)))
