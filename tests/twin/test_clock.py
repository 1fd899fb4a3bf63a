"""The clock reaches the moments it was asked for, in order, and never goes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.clock import Clock


@given(st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=50))
def test_call_backs_come_at_their_exact_times_and_in_the_order_they_were_asked_for(times):
    clock, seen = Clock(), []
    for number, time in enumerate(times):
        clock.at(time, lambda _, number=number: seen.append((clock.now, number)))
    clock.run()
    assert seen == sorted((time, number) for number, time in enumerate(times))


def test_the_past_cannot_be_scheduled():
    clock = Clock(initial_time=10.0)
    with pytest.raises(ValueError, match="the clock stands at 10"):
        clock.at(9.0, lambda _: None)
