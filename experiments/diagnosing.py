"""Real logs, read and diagnosed: what departs from an earlier part of the same logs, and who is at the root of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from experiments.errors import UserError
from llm.diagnosis import Diagnosis, Evidence
from llm.evidence import Said, told
from llm.moved import FAR, Moved, moved
from llm.reading.folder import LogFolder, read_folder
from llm.reading.inventory import inventory
from llm.reading.metrics import Series, read_metrics
from llm.reading.report import FileReport, printable
from llm.untrained import NONE, OF_ONE, WARNED, UntrainedInterpreter
from twin.telemetry.window import Topology, Window

REFERENCE = 1.0 / 3.0
"""Share of the logs that says what is usual, where nobody says when it broke."""
NAMED = 5
"""Root causes that are named."""
LEAST = 1.0
"""Seconds of a reference at least."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The diagnosis of one window of the logs; times in Unix seconds."""

    start: float
    end: float
    diagnosis: Diagnosis

    @property
    def failed(self) -> bool:
        """Whether the window shows a failure, more likely than not."""
        return self.diagnosis.fault_types[NONE] < 0.5

    @property
    def root_cause(self) -> list[str]:
        """The most likely components that anything speaks for, most likely first; nobody where nothing failed."""
        ranked = sorted(self.diagnosis.root_causes.items(), key=lambda item: (-item[1], item[0]))
        return [name for name, share in ranked[:NAMED] if share > 0.0] if self.failed else []

    @property
    def family(self) -> str:
        """The family of the fault; `none` where nothing failed."""
        types = {name: share for name, share in self.diagnosis.fault_types.items() if name != NONE}
        return max(types, key=lambda name: types[name]) if self.failed else NONE

    def as_json(self, name: str) -> dict[str, Any]:
        """One line of the output."""
        return {
            "id": f"{name}@{stamp(self.start)}",
            "failed": self.failed,
            "root_cause": self.root_cause,
            "unknown": round(self.diagnosis.unknown, 4),
            "fault_family": self.family,
            "evidence": [
                {"component": e.component, "text": e.text, "weight": round(e.weight, 4)}
                for e in self.diagnosis.evidence
            ],
        }


@dataclass(frozen=True)
class Read:
    """Logs, and metrics where there are any, ready to be diagnosed. Times are Unix seconds."""

    logs: LogFolder
    lines: tuple[Said, ...]
    topology: Topology
    pids: Mapping[str, str]
    metrics: tuple[Series, ...]

    @property
    def unread(self) -> list[FileReport]:
        """Files of which some lines were not read, those with the most first."""
        return sorted((r for r in self.logs.reports if r.unknown), key=lambda report: -report.unknown)


def share(reports: Sequence[FileReport]) -> float:
    """Lines read, of those that are not blank."""
    return sum(r.read for r in reports) / max(1, sum(r.lines - r.blank for r in reports))


def read(
    logs: Path,
    metrics: Path | None = None,
    zones: Mapping[str, float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Read:
    """Read everything. Raises ReadingError for what cannot be read, UserError for metrics of another run."""
    folder = read_folder(logs, zones, progress)
    if not folder.entries:
        raise UserError(
            f"{logs}: {share(folder.reports):.1%} of the lines were read, and none prints a time, so that there is no "
            "before and after to compare; name logs as oslo.log, nginx, vLLM, Ray, klog or the kernel write them"
        )
    lines = tuple(
        told(entry.time or 0.0, entry.component, entry.level, entry.message, entry.text)
        for entry in folder.entries
        if not entry.trace
    )
    owners: dict[str, set[str]] = {}
    for entry in folder.entries:
        if entry.pid:
            owners.setdefault(entry.pid, set()).add(entry.component)
    pids = {pid: next(iter(names)) for pid, names in owners.items() if len(names) == 1}
    series = tuple(read_metrics(metrics)) if metrics is not None else ()
    if series:
        first = min(float(one.times[0]) for one in series)
        last = max(float(one.times[-1]) for one in series)
        if not any(((folder.first <= one.times) & (one.times <= folder.last)).any() for one in series):
            raise UserError(
                f"{metrics} ({stamp(first)} to {stamp(last)}) is not of the time of the logs "
                f"({stamp(folder.first)} to {stamp(folder.last)}): is it another run's?"
            )
    topology = inventory(folder.kinds)
    measured = {one.component for one in series if one.component}
    spoke = {name for component in topology.index for name in (component, component.partition("@")[0])}
    if measured and not measured & spoke:
        raise UserError(
            f"{metrics} is of {_some(measured)}, none of which is in the logs (of {_some(folder.kinds)}): is it "
            "another run's? Its components need the names that the logs give them"
        )
    return Read(folder, lines, topology, pids, series)


def _some(names: Iterable[str], most: int = 4) -> str:
    ordered = sorted(names)
    rest = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(printable(name) for name in ordered[:most]) + rest


def moment(text: str, logs: LogFolder) -> float:
    """`--at`: Unix seconds, an ISO time (UTC where it says no zone), or HH:MM[:SS] of the logs' first day.

    Raises UserError where it is none, or not within the logs.
    """
    day = datetime.fromtimestamp(logs.first, UTC).date().isoformat()
    try:
        if re.fullmatch(r"\d{9,10}(\.\d{1,9})?", text):
            time = float(text)
        else:
            clock = re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", text) is not None
            parsed = datetime.fromisoformat(f"{day}T{text.zfill(8 if text.count(':') == 2 else 5)}" if clock else text)
            time = (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        known = f"Unix seconds, an ISO time such as {stamp(logs.first)}, or HH:MM"
        raise UserError(f"--at {text}: expected {known}") from None
    if not logs.first + LEAST <= time <= logs.last:
        raise UserError(f"--at {text}: the logs are from {stamp(logs.first)} to {stamp(logs.last)}")
    return time


def diagnose(given: Read, at: float | None, length: float) -> Iterator[Finding]:
    """The window of `length` seconds from `at` on, against all that was before; without it, every window after the
    first third, against that. Raises UserError where the logs are too short."""
    first, last = given.logs.first, given.logs.last
    began = first + REFERENCE * (last - first) if at is None else at
    if began - first < LEAST:
        raise UserError(
            f"{given.logs.root}: {last - first:.0f} s of logs are too short to tell what is usual; give those from "
            "before it broke as well"
        )
    origin = first - 1e-3
    lines = [line._replace(time=line.time - origin) for line in given.lines]
    interpreter = UntrainedInterpreter(lines, 0.0, began - origin, given.pids)
    start = began
    while start < last or start == began:
        end = min(start + length, max(last, start + LEAST))
        window = _window(given.topology, start - origin, end - origin, origin)
        inside = [line for line in lines if window.start < line.time <= window.end]
        shifts = moved(given.metrics, (first, began), (start, end))
        diagnosis = interpreter.read(window, inside, _votes(shifts, given.topology))
        yield Finding(start, end, _with_metrics(diagnosis, shifts))
        if at is not None:
            return
        start = end


def _window(topology: Topology, start: float, end: float, epoch: float) -> Window:
    nothing = np.empty((len(topology.components), 0, 0), np.float32)
    return Window(start, end, epoch, topology, (), np.empty(0), nothing, (), tuple, lambda since: Counter(), tuple)


def _votes(shifts: Sequence[Moved], topology: Topology) -> dict[str, float]:
    """What metrics add to a ranking: half a vote at most for whose metrics moved; that it failed is for logs to say."""
    found: dict[str, float] = {}
    for one in shifts:
        if one.component in topology.index:
            found[one.component] = max(found.get(one.component, 0.0), WARNED * min(1.0, one.widths / (10.0 * FAR)))
    return found


def _with_metrics(diagnosis: Diagnosis, shifts: Sequence[Moved]) -> Diagnosis:
    quoted = [
        Evidence(one.component, f"{printable(one.metric)}: {one.before:.4g} before, {one.value:.4g} now", 0.0)
        for one in shifts[:OF_ONE]
    ]
    return replace(diagnosis, evidence=(*diagnosis.evidence, *quoted))


def stamp(time: float) -> str:
    """UTC to the second."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"
