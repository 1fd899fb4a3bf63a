"""Times as log lines print them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.reading.stamps import Clock, has_year

WHOLE = datetime(2026, 11, 21, 10, 2, 11, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("stamp", "fraction"),
    [
        ("2026-11-21 10:02:11.123", 0.123),
        ("2026-11-21 10:02:11,123", 0.123),
        ("2026-11-21T10:02:11.123456Z", 0.123456),
        ("2026-11-21T12:02:11.5+02:00", 0.5),
        ("2026-11-21 04:32:11.123456-05:30", 0.123456),
        ("2026-11-21 10:02:11.123+0000", 0.123),
        ("21/Nov/2026:11:02:11 +0100", 0.0),
        ("2026/11/21 10:02:11", 0.0),
        ("Nov 21 10:02:11", 0.0),
        ("11-21 10:02:11", 0.0),
        ("11-21 10:02:11.250", 0.25),
        ("1121 10:02:11.123456", 0.123456),
    ],
)
def test_every_format_says_the_same_moment(stamp: str, fraction: float) -> None:
    assert Clock(2026).seconds(stamp) == pytest.approx(WHOLE + fraction, abs=1e-6)


def test_mariadb_pads_hours_and_syslog_days_with_spaces() -> None:
    assert Clock(1970).seconds("2026-11-21  0:16:54") == datetime(2026, 11, 21, 0, 16, 54, tzinfo=UTC).timestamp()
    assert Clock(2026).seconds("Nov  1 10:02:11") == datetime(2026, 11, 1, 10, 2, 11, tzinfo=UTC).timestamp()


def test_local_time_is_moved_and_zoned_time_is_not() -> None:
    clock = Clock(2026, zone=7200.0)
    assert clock.seconds("2026-11-21 12:02:11.000") == WHOLE
    assert clock.seconds("2026-11-21 10:02:11.000+00:00") == WHOLE
    assert (clock.local, clock.zoned) == (1, 1)


def test_a_file_without_years_goes_on_into_the_next() -> None:
    clock = Clock(2025)
    december, january = clock.seconds("Dec 31 23:59:59"), clock.seconds("Jan  1 00:00:00")
    assert december is not None
    assert january == december + 1


@pytest.mark.parametrize(
    "stamp", ["2026-02-30 10:02:11.000", "2026-11-21 25:02:11.000", "Foo 21 10:02:11", "13-01 1:1:1"]
)
def test_what_is_no_date_is_no_time(stamp: str) -> None:
    assert Clock(2026).seconds(stamp) is None


def test_a_leap_second_is_the_next_minute() -> None:
    assert Clock(1970).seconds("2016-12-31 23:59:60.000") == datetime(2017, 1, 1, tzinfo=UTC).timestamp()


@given(st.datetimes(min_value=datetime(1971, 1, 2), max_value=datetime(2090, 1, 1)), st.integers(-56, 56))
def test_iso_stamps_are_read_as_datetime_reads_them(moment: datetime, quarters: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=15 * quarters)))
    stamp = zoned.isoformat(" ", "milliseconds")
    assert Clock(1970).seconds(stamp) == pytest.approx(datetime.fromisoformat(stamp).timestamp(), abs=1e-5)


@given(st.text(max_size=40))
def test_no_text_breaks_the_clock(text: str) -> None:
    seconds = Clock(2026).seconds(text)
    assert seconds is None or isfinite(seconds)
    assert has_year(text) in (True, False)
