"""A folder of logs, read: its records in the order of time, its components, and what could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path, PurePath

from llm.reading.clocks import check, check_names, zone_of
from llm.reading.components import OTHER, kind_by, kind_of, most_voted, named
from llm.reading.envelopes import opened
from llm.reading.files import LOOKED_AT, Found, find_logs
from llm.reading.headers import LONGEST_LINE, find
from llm.reading.records import LogEntry, attributed, entries, own_name
from llm.reading.report import FileReport
from llm.reading.stamps import Clock, has_year
from llm.reading.text import lines

DAY = 86_400.0


@dataclass(frozen=True)
class LogFolder:
    """Logs of one system, read."""

    root: Path
    entries: tuple[LogEntry, ...]
    """Records with a time, in its order."""
    undated: tuple[LogEntry, ...]
    """Records of files, or beginnings of files, that print no time."""
    kinds: Mapping[str, str]
    """Component -> kind: of whoever wrote a line, and of files without one."""
    reports: tuple[FileReport, ...]
    found: Found

    @property
    def first(self) -> float:
        """The earliest time, Unix seconds. There is one if there are entries."""
        return self.entries[0].time or 0.0

    @property
    def last(self) -> float:
        """The latest time."""
        return self.entries[-1].time or 0.0


def read_folder(
    root: Path, told: Mapping[str, float] | None = None, progress: Callable[[int, int], None] | None = None
) -> LogFolder:
    """Read a folder of logs, or one file.

    `told` says what local time is ahead of UTC, by a pattern of file names (`clocks.zones`); UTC where it says nothing.
    `progress` is called with files read and files found. Raises ReadingError where there are no logs, a file cannot be
    read, a pattern is of no file, or the files' clocks differ.
    """
    told = told or {}
    found = find_logs(root)
    check_names([str(file) for file in (*found.logs, *found.empty)], told)
    names = _names([*found.logs, *found.empty])
    years = _years(found)
    everything: list[LogEntry] = []
    reports = []
    for number, file in enumerate(found.logs):
        if progress is not None:
            progress(number, len(found.logs))
        name, kind = names[file]
        report = FileReport(str(file), name)
        clock = Clock(years[file], zone_of(str(file), told) or 0.0)
        of_file = list(entries(lines(found.root / file), file, own_name(name, kind), clock, report))
        everything += attributed(of_file, name)
        reports.append(report)
    check(reports, everything, told)
    dated = sorted((entry for entry in everything if entry.time is not None), key=lambda entry: entry.time or 0.0)
    return LogFolder(
        root,
        tuple(dated),
        tuple(entry for entry in everything if entry.time is None),
        _kinds(everything, [names[file] for file in found.empty]),
        tuple(reports),
        found,
    )


def _names(files: Sequence[PurePath]) -> dict[PurePath, tuple[str, str]]:
    """Component and kind of each file; where two machines' folders hold the same file, the folder's name is added."""
    names = {file: named(file) for file in files}
    folders: dict[str, set[tuple[str, ...]]] = {}
    for file, (name, _) in names.items():
        folders.setdefault(name, set()).add(file.parts[:-1])
    qualified = {}
    for file, (name, kind) in names.items():
        others = folders[name] - {file.parts[:-1]}
        apart = next((part for part in file.parts[:-1] if any(part not in other for other in others)), "")
        qualified[file] = (f"{name}@{apart}" if apart else name, kind)
    return qualified


def _kinds(everything: Sequence[LogEntry], silent: Sequence[tuple[str, str]]) -> dict[str, str]:
    votes: dict[str, Counter[str]] = {}
    kinds = {}
    for entry in everything:
        if entry.component not in kinds:
            kinds[entry.component] = kind_of(entry.component)[0]
        if not kinds[entry.component]:
            kind = kind_by(entry.dialect, entry.logger)
            if kind:
                votes.setdefault(entry.component, Counter())[kind] += 1
    kinds |= {name: kind for name, kind in silent if kind and name not in kinds}
    return {name: kind or most_voted(votes.get(name, {})) or OTHER for name, kind in sorted(kinds.items())}


def _years(found: Found) -> dict[PurePath, int]:
    """The year of each file's first line: its own, else that which brings it nearest to files that print theirs."""
    stamps = {file: _first_stamp(found.root / file) for file in found.logs}
    dated = [
        seconds
        for stamp in stamps.values()
        if stamp and has_year(stamp) and (seconds := Clock(1970).seconds(stamp)) is not None
    ]
    years = {}
    for file, stamp in stamps.items():
        if not stamp or has_year(stamp):
            years[file] = 1970
            continue
        changed = (found.root / file).stat().st_mtime
        near = min(dated, key=lambda seconds: abs(seconds - changed), default=changed)
        around = datetime.fromtimestamp(near, UTC).year
        moments = {year: Clock(year).seconds(stamp) for year in range(around - 4, around + 2)}
        known = {year: moment for year, moment in moments.items() if moment is not None}
        if dated:
            years[file] = min(known, key=lambda year: min(abs(known[year] - other) for other in dated), default=around)
        else:  # Nothing was written after the file was last changed.
            years[file] = max((year for year, moment in known.items() if moment <= changed + DAY), default=around)
    return years


def _first_stamp(path: Path) -> str:
    for line in islice(lines(path), LOOKED_AT):
        text = line[:LONGEST_LINE]
        known = find(text)
        envelope = opened(text) if known is None else None
        if known is None and envelope is not None:
            known = find(text[envelope.length :])
        stamp = known[1].groupdict("").get("time", "") if known is not None else ""
        if stamp or (envelope is not None and envelope.time):
            return stamp or (envelope.time if envelope is not None else "")
    return ""
