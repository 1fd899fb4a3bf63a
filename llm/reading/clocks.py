"""Whether the clocks of several files agree: what local time is, which year, and what to do where they do not fit.

A file says its time zone or it does not (oslo.log prints local time). Two signs of files in different zones: groups of
files that do not overlap in time and would if one clock were a number of quarter hours off, and requests that are seen
that much apart in two services. A constant difference of minutes between two services' lines of the same requests is
a clock that is off.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatch
from statistics import median

from llm.reading.errors import ReadingError
from llm.reading.records import LogEntry
from llm.reading.report import FileReport

QUARTER, FARTHEST = 900.0, 14 * 3600.0
"""Time zones are whole quarter hours apart, at most fourteen hours ahead of UTC."""
NEAR = 600.0
"""Seconds between the lines of two files that still overlap in time."""
LOOSE = 120.0
"""Seconds by which a shifted file may stand out from the others."""
SHARED = 10
"""Requests that two services must have in common before their clocks are compared."""
OFF = 120.0
"""Seconds that two clocks must differ by to be called different."""
SPREAD = 60.0
"""Seconds within which the differences of most requests must lie: slow requests differ by more and more."""

_ZONE = re.compile(
    r"(?:(?P<file>[^=]{1,200})=)?(?P<sign>[+-])(?P<hours>\d\d):(?P<minutes>\d\d)(?::(?P<seconds>\d\d))?$"
)


def zones(given: Sequence[str]) -> dict[str, float]:
    """Seconds ahead of UTC by a pattern of file names, from `[FILE=]+HH:MM`. Raises ReadingError."""
    found = {}
    for text in given:
        part = _ZONE.match(text)
        if part is None:
            raise ReadingError(f"--timezone {text}: give +02:00 for all files, or FILE=+02:00 for those of a name")
        seconds = int(part["hours"]) * 3600.0 + int(part["minutes"]) * 60.0 + int(part["seconds"] or 0)
        found[part["file"] or "*"] = -seconds if part["sign"] == "-" else seconds
    return found


def zone_of(path: str, told: Mapping[str, float]) -> float | None:
    """What was said of a file's clock, by the longest pattern that its path or name matches; None where nothing was."""
    name = path.rpartition("/")[2]
    fitting = [pattern for pattern in told if fnmatch(path, pattern) or fnmatch(name, pattern)]
    return told[max(fitting, key=len)] if fitting else None


def check(reports: Sequence[FileReport], entries: Iterable[LogEntry], told: Mapping[str, float]) -> None:
    """Raise ReadingError where files were written by different clocks or in different time zones.

    A file whose clock was told of is believed to stand where it does.
    """
    _check_spans([report for report in reports if report.first is not None], told)
    _check_requests(entries)


def _check_spans(reports: Sequence[FileReport], told: Mapping[str, float]) -> None:
    groups = _groups(reports)
    if len(groups) < 2:
        return
    main = max(groups, key=len)
    known = {report.component for report in main}
    for group in groups:
        sure = any(zone_of(report.path, told) is not None for report in group)
        # Another day's log of the same service is a rotated file.
        if group is main or sure or any(report.component in known for report in group):
            continue
        shift = _shift(_span(group), _span(main))
        if shift is not None and any(report.local for report in (*group, *main)):
            raise ReadingError(
                f"{_names(group)} ({_words(group)}) and {_names(main)} ({_words(main)}) do not overlap in time, and "
                f"would if their clocks were {_hours(shift)} apart. Say which time zone a file without one is in, such "
                f"as --timezone {group[0].path}={_signed(-shift)}, or ={_signed(0.0)} if its times are right"
            )


def _groups(reports: Sequence[FileReport]) -> list[list[FileReport]]:
    """Files that overlap in time, or nearly."""
    groups: list[list[FileReport]] = []
    reach = float("-inf")
    for report in sorted(reports, key=lambda report: report.first or 0.0):
        first, last = report.first or 0.0, report.last or 0.0
        if first > reach + NEAR:
            groups.append([])
        groups[-1].append(report)
        reach = max(reach, last)
    return groups


def _span(group: Iterable[FileReport]) -> tuple[float, float]:
    listed = list(group)
    return min(report.first or 0.0 for report in listed), max(report.last or 0.0 for report in listed)


def _shift(one: tuple[float, float], other: tuple[float, float]) -> float | None:
    """The number of quarter hours, in seconds, by which `one` must be moved to lie in `other`; None where none does."""
    middle = (other[0] + other[1] - one[0] - one[1]) / 2
    for shift in sorted({_quarters(middle), _quarters(other[0] - one[0]), _quarters(other[1] - one[1])}, key=abs):
        inside = other[0] - LOOSE <= one[0] + shift and one[1] + shift <= other[1] + LOOSE
        around = one[0] + shift - LOOSE <= other[0] and other[1] <= one[1] + shift + LOOSE
        if shift and abs(shift) <= FARTHEST and (inside or around):
            return shift
    return None


def _quarters(seconds: float) -> float:
    return round(seconds / QUARTER) * QUARTER


def _check_requests(entries: Iterable[LogEntry]) -> None:
    """Compare when two services speak of the same requests.

    A clock is off where it is so against every other service that the requests lead through, all the time: what goes
    wrong in the middle of a log is a fault, to be diagnosed.
    """
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    files: dict[str, str] = {}
    for entry in entries:
        request = entry.global_request or entry.request
        if request and entry.time is not None:
            seen[request][entry.component].append(entry.time)
            files.setdefault(entry.component, entry.file)
    apart: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for times in seen.values():
        ordered = sorted((component, sorted(said)) for component, said in times.items())
        for i, (one, first) in enumerate(ordered):
            for other, second in ordered[i + 1 :]:
                gap = nearest(first, second)
                apart[one][other].append(gap)
                apart[other][one].append(-gap)
    off: dict[str, dict[str, float]] = {}
    for one, others in apart.items():
        steady = {other: _steady(gaps) for other, gaps in others.items() if len(gaps) >= SHARED}
        if steady and all(gap is not None and abs(gap) > OFF for gap in steady.values()):
            off[one] = {other: -gap for other, gap in steady.items() if gap is not None}
    if not off:
        return
    # Of two that share requests with each other only, either may be wrong: the first in the alphabet is named.
    culprit = max(sorted(off), key=lambda one: len(off[one]))
    witness, typical = min(off[culprit].items())
    zone = _quarters(typical)
    ahead = zone if zone and abs(typical - zone) <= OFF else round(typical)
    raise ReadingError(
        f"{files[culprit]} is {_hours(ahead)} {'ahead of' if ahead > 0 else 'behind'} {files[witness]} in what both "
        f"say of the same requests: their clocks or time zones differ. Say how far it is ahead of UTC, such as "
        f"--timezone {files[culprit]}={_signed(ahead)}"
    )


def nearest(first: Sequence[float], second: Sequence[float]) -> float:
    """How much later than a time of `first` its nearest of `second` is, where they come nearest; both ascend."""
    i = j = 0
    best = second[0] - first[0]
    while i < len(first) and j < len(second):
        gap = second[j] - first[i]
        if abs(gap) < abs(best):
            best = gap
        if gap > 0:
            i += 1
        else:
            j += 1
    return best


def _steady(gaps: Sequence[float]) -> float | None:
    """The typical gap, where those of most requests lie close to it; None where they do not."""
    ordered = sorted(gaps)
    cut = len(ordered) // 10
    return median(ordered) if ordered[len(ordered) - 1 - cut] - ordered[cut] <= SPREAD else None


def _names(group: Sequence[FileReport]) -> str:
    more = f" and {len(group) - 1} more" if len(group) > 1 else ""
    return f"{group[0].path}{more}"


def _words(group: Sequence[FileReport]) -> str:
    first, last = (datetime.fromtimestamp(time, UTC) for time in _span(group))
    return f"{first:%Y-%m-%d %H:%M:%S} to {last:%H:%M:%S}"


def _hours(seconds: float) -> str:
    minutes, rest = divmod(round(abs(seconds)), 60)
    text = f"{minutes // 60}:{minutes % 60:02d}"
    return f"{text}:{rest:02d} h" if rest else f"{text} h"


def _signed(seconds: float) -> str:
    minutes, rest = divmod(round(abs(seconds)), 60)
    text = f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{text}:{rest:02d}" if rest else text
