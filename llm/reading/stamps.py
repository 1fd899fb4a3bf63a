"""The times that log lines print, as Unix seconds.

Most formats leave something out: oslo.log, Ray, nginx's error log and MariaDB the time zone, vLLM, klog and syslog the
year as well. A `Clock` is told both, a file at a time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

MONTHS: dict[str, int] = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
    "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip
_ZONE = re.compile(r"(Z)|([+-])(\d\d):?(\d\d)$")
_FRACTION = re.compile(r"[.,](\d{1,9})")
REMEMBERED = 10_000
"""Different seconds that a clock remembers."""


class Clock:
    """Reads the stamps of one file. `zone` is what local time is ahead of UTC, seconds; `year` that of its first line.

    A file that comes to January from later months goes on into the next year.
    """

    def __init__(self, year: int, zone: float = 0.0) -> None:
        self._year = year
        self._month = 0
        self._zone = zone
        self._known: dict[str, float | None] = {}
        self.local = self.zoned = 0
        """Stamps without and with a time zone so far."""

    def seconds(self, stamp: str) -> float | None:
        """Unix seconds of a stamp in any of the formats of `headers`; None where it is no date."""
        whole, rest = parted(stamp)
        if whole not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[whole] = self._whole(whole)
        base = self._known[whole]
        if base is None:
            return None
        if not rest:
            self.local += 1
            return base - self._zone
        fraction = 0.0
        if rest[0] in ".,":
            digits = _FRACTION.match(rest)
            if digits is not None:
                fraction = int(digits[1]) / 10 ** len(digits[1])
        zone = offset(rest)
        if zone is None:
            self.local += 1
            zone = self._zone
        else:
            self.zoned += 1
        return base + fraction - zone

    def _whole(self, whole: str) -> float | None:
        try:
            year, month, day, clock = fields(whole)
            hour, minute, second = (int(part) for part in clock.split(":"))
            if year is None:
                if self._month - month > 6:
                    self._year += 1
                self._month = month
                year = self._year
            # A leap second is the next minute's first.
            moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
            return moment.timestamp() + (second == 60)
        except (ValueError, KeyError):
            return None


def parted(stamp: str) -> tuple[str, str]:
    """A stamp up to its seconds, and its fraction and zone."""
    end = stamp.rfind(":", 0, _last_colon(stamp)) + 3
    return stamp[:end], stamp[end:].lstrip(" ")


def _last_colon(stamp: str) -> int:
    """Where the search for the colon before the seconds ends: a zone may have one of its own."""
    return len(stamp) - 3 if len(stamp) > 6 and stamp[-3] == ":" and stamp[-6] in "+-" else len(stamp)


def offset(rest: str) -> float | None:
    """Seconds that a stamp's zone is ahead of UTC; None where it has none."""
    found = _ZONE.search(rest)
    if found is None:
        return None
    if found[1]:
        return 0.0
    seconds = int(found[3]) * 3600.0 + int(found[4]) * 60.0
    return -seconds if found[2] == "-" else seconds


def fields(whole: str) -> tuple[int | None, int, int, str]:
    """Year (None where it is not printed), month, day and clock of a stamp without fraction and zone.

    Raises ValueError or KeyError where it is none.
    """
    if whole[4:5] in "-/":  # 2026-11-21 10:02:11, 2026/11/21 10:02:11, 2026-11-21T10:02:11
        return int(whole[:4]), int(whole[5:7]), int(whole[8:10]), whole[11:].strip()
    if whole[2:3] == "/":  # 21/Nov/2026:10:02:11
        return int(whole[7:11]), MONTHS[whole[3:6]], int(whole[:2]), whole[12:]
    if whole[2:3] == "-":  # 11-21 10:02:11
        return None, int(whole[:2]), int(whole[3:5]), whole[6:]
    if whole[:1].isdigit():  # 1121 10:02:11
        return None, int(whole[:2]), int(whole[2:4]), whole[5:]
    return None, MONTHS[whole[:3]], int(whole[4:6]), whole[7:]  # Nov 21 10:02:11


def has_year(stamp: str) -> bool:
    """Whether a stamp says its year."""
    return stamp[4:5] in "-/" or stamp[2:3] == "/"
