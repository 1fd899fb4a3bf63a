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
SHARED = 5
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
    """Compare when two services first speak of the same requests."""
    seen: dict[str, dict[str, tuple[float, str]]] = defaultdict(dict)
    for entry in entries:
        request = entry.global_request or entry.request
        if request and entry.time is not None and entry.component not in seen[request]:
            seen[request][entry.component] = (entry.time, entry.file)
    apart: dict[tuple[str, str], list[float]] = defaultdict(list)
    files: dict[str, str] = {}
    for times in seen.values():
        if len(times) > 1:
            ordered = sorted(times.items())
            for i, (one, (at, file)) in enumerate(ordered):
                files.setdefault(one, file)
                for other, (then, _) in ordered[i + 1 :]:
                    apart[one, other].append(then - at)
    off: list[tuple[str, str, float]] = []
    for (one, other), differences in apart.items():
        ordered_differences = sorted(differences)
        cut = len(differences) // 10
        typical = median(ordered_differences)
        most = ordered_differences[len(differences) - 1 - cut] - ordered_differences[cut]
        if len(differences) >= SHARED and abs(typical) > OFF and most <= SPREAD:
            off.append((one, other, typical))
    if not off:
        return
    counts: dict[str, int] = defaultdict(int)
    for one, other, _ in off:
        counts[one] += 1
        counts[other] += 1
    one, other, typical = max(off, key=lambda pair: max(counts[pair[0]], counts[pair[1]]))
    culprit, typical = (other, typical) if counts[other] >= counts[one] else (one, -typical)
    zone = _quarters(typical)
    ahead = zone if zone and abs(typical - zone) <= OFF else round(typical)
    witness = one if culprit == other else other
    raise ReadingError(
        f"{files[culprit]} is {_hours(ahead)} {'ahead of' if ahead > 0 else 'behind'} {files[witness]} in what both "
        f"say of the same requests: their clocks or time zones differ. Say how far it is ahead of UTC, such as "
        f"--timezone {files[culprit]}={_signed(ahead)}"
    )


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
