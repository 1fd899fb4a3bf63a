"""Whether the clocks of several files agree: what local time is, which year, and what to do where they do not fit.

A file says its time zone or it does not (oslo.log prints local time). Two signs of files in different zones: groups of
files that do not overlap in time and would if one clock were a number of quarter hours off, and requests that are seen
that much apart in two services. A constant difference of minutes between two services' lines of the same requests is
a clock that is off: a service's, or that of a machine with all the services on it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import PurePath
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
EVERY = "*"
"""The pattern of what is said of all files: that is of those that print no time zone."""
OFF = 120.0
"""Seconds that two clocks must differ by to be called different."""
SPREAD = 60.0
"""Seconds within which the differences of most requests must lie: slow requests differ by more and more."""

_ZONE = re.compile(
    r"(?:(?P<file>[^=]{1,200})=)?(?P<sign>[+-])(?P<hours>\d{2,4}):(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d))?$"
)


def zones(given: Sequence[str]) -> dict[str, float]:
    """Seconds ahead of UTC by a pattern of file names, from `[FILE=]+HH:MM`. Raises ReadingError."""
    found = {}
    for text in given:
        part = _ZONE.match(text)
        if part is None:
            raise ReadingError(f"--timezone {text}: give +02:00 for all files, or FILE=+02:00 for those of a name")
        seconds = int(part["hours"]) * 3600.0 + int(part["minutes"]) * 60.0 + int(part["seconds"] or 0)
        found[part["file"] or EVERY] = -seconds if part["sign"] == "-" else seconds
    return found


def zone_of(path: str, told: Mapping[str, float]) -> float | None:
    """What was said of a file's clock, by the longest pattern that its path or name matches; None where nothing was."""
    fitting = [pattern for pattern in told if _fits(path, pattern)]
    return told[max(fitting, key=len)] if fitting else None


def check_names(paths: Sequence[str], told: Mapping[str, float]) -> None:
    """Raise ReadingError where something was said of a file that is not there."""
    for pattern, zone in told.items():
        if pattern != EVERY and not any(_fits(path, pattern) for path in paths):
            there = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
            raise ReadingError(f"--timezone {pattern}={_signed(zone)}: no log file is called so; there are {there}")


def _fits(path: str, pattern: str) -> bool:
    # A name may hold what a pattern takes for its own.
    return any(text == pattern or fnmatch(text, pattern) for text in (path, path.rpartition("/")[2]))


def check(reports: Sequence[FileReport], entries: Iterable[LogEntry], told: Mapping[str, float]) -> None:
    """Raise ReadingError where files were written by different clocks or in different time zones.

    A file whose clock was told of by name is believed to stand where it does.
    """
    _check_spans([report for report in reports if report.first is not None], told)
    _check_requests(entries, {report.path: report.local for report in reports}, told)


def _check_spans(reports: Sequence[FileReport], told: Mapping[str, float]) -> None:
    groups = _groups(reports)
    if len(groups) < 2:
        return
    main = max(groups, key=len)
    known = {report.component for report in main}
    by_name = {pattern: zone for pattern, zone in told.items() if pattern != EVERY}
    for group in groups:
        sure = any(zone_of(report.path, by_name) is not None for report in group)
        # Another day's log of the same service is a rotated file.
        if group is main or sure or any(report.component in known for report in group):
            continue
        shift = _shift(_span(group), _span(main))
        prints = [not all(report.local for report in side) for side in (group, main)]
        if shift is None or all(prints):
            continue
        mine = [report.path for report in group if report.local] or [report.path for report in group]
        here = _pattern(mine, {report.path for report in reports if report.local} - set(mine))
        now = zone_of(mine[0], told) or 0.0
        # Who prints a zone is right, and the others lack theirs.
        theirs = f"{_signed(told.get(EVERY, 0.0) + shift)}, or {here}"
        say = theirs if prints[0] else f"{here}={_signed(now - shift)}, or "
        raise ReadingError(
            f"{_names(group)} ({_words(group)}) and {_names(main)} ({_words(main)}) do not overlap in time, and "
            f"would if their clocks were {_hours(shift)} apart. Say which time zone a file without one is in, such "
            f"as --timezone {say}={_signed(now)} if its times are right"
        )


def _pattern(files: Sequence[str], others: Iterable[str]) -> str:
    """What names files and none of the others: their folder, or the first of them where it holds others as well."""
    folders = [str(folder) for folder in PurePath(files[0]).parents if str(folder) != "."]
    there = list(others)
    for folder in folders:
        if all(file.startswith(f"{folder}/") for file in files):
            alone = not any(file.startswith(f"{folder}/") for file in there)
            return f"{folder}/*" if alone and len(files) > 1 else files[0]
    return files[0]


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


def _check_requests(entries: Iterable[LogEntry], local: Mapping[str, bool], told: Mapping[str, float]) -> None:
    """Compare when services speak of the same requests.

    Services that agree share a clock. A clock is off where it is so against every other that its requests lead
    through, all the time: what goes wrong in the middle of a log is a fault, to be diagnosed.
    """
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    files: dict[str, str] = {}
    for entry in entries:
        request = entry.global_request or entry.request
        if request and entry.time is not None:
            seen[request][entry.component].append(entry.time)
            files.setdefault(entry.component, entry.file)
    gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
    for times in seen.values():
        ordered = sorted((component, sorted(said)) for component, said in times.items())
        for i, (one, first) in enumerate(ordered):
            for other, second in ordered[i + 1 :]:
                gaps[one, other].append(nearest(first, second))
    steady = {pair: _steady(found) for pair, found in gaps.items() if len(found) >= SHARED}
    apart = {pair: gap for pair, gap in steady.items() if gap is not None and abs(gap) > OFF}
    clocks = _joined(sorted(files), (pair for pair in steady if pair not in apart))
    against = {
        clock: sorted(
            (one, other, gap if one in clock else -gap)
            for (one, other), gap in apart.items()
            if (one in clock) != (other in clock)
        )
        for clock in clocks
    }
    off = [clock for clock in clocks if against[clock]]
    if not off:
        return

    def blame(clock: frozenset[str]) -> tuple[int, int]:
        witnesses = len({name for one, other, _ in against[clock] for name in (one, other)} - clock)
        return witnesses - len(clock), witnesses

    # Of two with as many witnesses either may be wrong: the first in the alphabet is named.
    culprit = max(off, key=blame)
    one, other, later = against[culprit][0]
    mine, witness = (one, other) if one in culprit else (other, one)
    zone = _quarters(-later)
    ahead = zone if zone and abs(-later - zone) <= OFF else round(-later)
    its = sorted({files[name] for name in culprit} - {files[mine]})
    pattern = _pattern([files[mine], *its], [files[name] for name in files if name not in culprit])
    now = zone_of(files[mine], told) or 0.0
    mend = (
        f"Say how far it is ahead of UTC, such as --timezone {pattern}={_signed(now + ahead)}"
        if local.get(files[mine], True)
        else "It prints its time zone, so that nothing can be said of it: take it out of the folder, or mend its times"
    )
    raise ReadingError(
        f"{files[mine]} is {_hours(ahead)} {'ahead of' if ahead > 0 else 'behind'} {files[witness]} in what both "
        f"say of the same requests: their clocks or time zones differ. {mend}"
    )


def _joined(names: Iterable[str], pairs: Iterable[tuple[str, str]]) -> list[frozenset[str]]:
    """The names in groups, in which the pairs are together."""
    groups = {name: frozenset({name}) for name in names}
    for one, other in pairs:
        both = groups[one] | groups[other]
        groups |= dict.fromkeys(both, both)
    return sorted(set(groups.values()), key=min)


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
