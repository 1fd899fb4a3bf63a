"""Wall-clock stamps of simulated moments. All clusters run in UTC, as servers do."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(epoch: float, time: float) -> datetime:
    """The date and time of simulated second `time`."""
    return datetime.fromtimestamp(epoch + time, UTC)


def milliseconds(stamp: datetime) -> int:
    """The milliseconds of a stamp, truncated as Python's logging does."""
    return stamp.microsecond // 1000
