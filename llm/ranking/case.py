"""One case of root-cause analysis as its folder holds it, in the layout of RCAEval (github.com/phamquiluan/RCAEval).

    data.csv          `time` (Unix seconds) and `<service>_<metric>` columns; empty or not finite where absent
    inject_time.txt   Unix seconds
    logs.csv          `timestamp` (ns), `container_name`, `message`
    traces.csv        `spanID`, `parentSpanID`, `serviceName`, `startTime` and `duration` (us), `statusCode`
    mpg.csv           `source`, `destination`: service to service, service to host

Only the first two must be there. What the root cause was (`truth.json`, or the folder's name) is never read here.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

METRICS = ("data.csv", "simple_metrics.csv")
"""Names of the table of metrics; the second is what RCAEval's data sets call a smaller one."""
INJECTED, LOGS, TRACES, GRAPH = "inject_time.txt", "logs.csv", "traces.csv", "mpg.csv"
HOSTS_AND_PODS = ("_node_", "_pod_")
"""Columns about a service's machine or pod: the study of arXiv 2603.02057 drops them before the analysis."""
LONGEST_CELL = 2**24
"""Characters of one cell of a table at most; the csv module's own limit of 2**17 is less than a long stack trace."""


class CaseError(ValueError):
    """A case that cannot be read; the message names the file, the line and what is wrong."""


class Line(NamedTuple):
    """One log line. `time` in Unix seconds."""

    time: float
    service: str
    text: str


@dataclass(frozen=True, eq=False)
class Spans:
    """Spans as columns of one length N, in the order of the file."""

    services: tuple[str, ...]
    """Names of the services that have spans."""
    service: NDArray[np.intp]
    """[N] whose span it is: an index of `services`."""
    parent: NDArray[np.intp]
    """[N] the span that called it: an index of the spans, -1 where there is none in the case."""
    start: NDArray[np.float64]
    """[N] Unix seconds."""
    duration: NDArray[np.float64]
    """[N] seconds."""
    failed: NDArray[np.bool_]
    """[N] whether it answered with an error."""

    def __len__(self) -> int:
        return len(self.service)


@dataclass(frozen=True, eq=False)
class Case:
    """What a ranker is given."""

    folder: Path
    inject_time: float
    """Unix seconds."""
    times: NDArray[np.float64]
    """[T] Unix seconds of the rows of metrics."""
    columns: tuple[str, ...]
    """[C] `<service>_<metric>`, in the order of the file."""
    values: NDArray[np.float64]
    """[T, C], NaN where absent."""
    logs: tuple[Line, ...]
    """In the order of time."""
    spans: Spans
    edges: tuple[tuple[str, str], ...]
    """Who depends on whom: service to service it calls, service to the host it runs on."""
    components: tuple[str, ...]
    """The candidates, by name: every service that has a metric, a log line or a span. Hosts are none."""

    def shuffled(self, seed: int) -> Case:
        """The same case with its columns in another order."""
        order = np.random.default_rng(seed).permutation(len(self.columns))
        return replace(self, columns=tuple(self.columns[i] for i in order), values=self.values[:, order])


def service_of(column: str) -> str:
    """The service that a column is about: what stands before the first underscore."""
    return column.partition("_")[0]


def read_case(folder: Path) -> Case:
    """Read a case. Raises CaseError where a file is missing, or holds something else than it should."""
    path = next((folder / name for name in METRICS if (folder / name).is_file()), None)
    if path is None:
        raise CaseError(f"{folder}: holds no {METRICS[0]}; a case has it and {INJECTED}")
    times, columns, values = _metrics(path)
    inject_time = _inject_time(folder / INJECTED)
    if not np.any(times < inject_time) or not np.any(times >= inject_time):
        span = f"{times[0]:.0f} to {times[-1]:.0f} s"
        raise CaseError(f"{path}: its rows ({span}) do not lie around the injection ({inject_time:.0f} s)")
    logs = _logs(folder / LOGS)
    spans = _spans(folder / TRACES)
    names = {*map(service_of, columns), *(line.service for line in logs), *spans.services}
    return Case(
        folder, inject_time, times, columns, values, logs, spans, _edges(folder / GRAPH), tuple(sorted(names - {""}))
    )


def _metrics(path: Path) -> tuple[NDArray[np.float64], tuple[str, ...], NDArray[np.float64]]:
    """Times, columns and values of the table of metrics, rows in the order of time."""
    table = list(_rows(path))
    head = table[0][1] if table else []
    if "time" not in head or len(table) < 2:
        raise CaseError(f"{path}: expected a table with a column 'time'")
    if len(set(head)) < len(head):
        raise CaseError(f"{path}:1: two columns have one name")
    times, columns, series = np.empty(0), [], []
    for name, *cells in zip(*(row for _, row in table), strict=True):
        numbers = [_number(cell) for cell in cells]
        broken = next((i for i, number in enumerate(numbers, 1) if number is None), None)
        if name == "time" and (broken or "" in cells):
            raise CaseError(f"{path}:{table[broken or cells.index('') + 1][0]}: its time is no number")
        if broken and any(number is not None for cell, number in zip(cells, numbers, strict=True) if cell):
            raise CaseError(f"{path}:{table[broken][0]}: {name} '{cells[broken - 1][:40]}' is no number")
        if name == "time":
            times = np.array(numbers, np.float64)
        elif name and not broken:  # a column of text, such as `<service>_pod_name`, is no metric
            columns.append(name)
            series.append(np.array(numbers, np.float64))
    if not columns:
        raise CaseError(f"{path}: holds no metrics")
    order = np.argsort(times, kind="stable")
    values = np.stack(series, axis=1)[order]
    values[~np.isfinite(values)] = np.nan
    return times[order], tuple(columns), values


def _inject_time(path: Path) -> float:
    with _open(path) as file:
        text = file.readline().strip()
    number = _number(text)
    if number is None or not np.isfinite(number):
        raise CaseError(f"{path}: '{text[:40]}' is no Unix time in seconds")
    return number


def _logs(path: Path) -> tuple[Line, ...]:
    lines = [
        Line(_count(path, number, "timestamp", when) / 1e9, service, text)
        for number, (when, service, text) in _picked(path, ("timestamp", "container_name", "message"))
    ]
    return tuple(sorted(lines, key=lambda line: line.time))


def _spans(path: Path) -> Spans:
    names: dict[str, int] = {}
    index: dict[str, int] = {}
    parents: list[str] = []
    table: list[tuple[int, float, float, bool]] = []
    needed = ("spanID", "parentSpanID", "serviceName", "startTime", "duration", "statusCode")
    for number, (span, parent, service, start, duration, status) in _picked(path, needed):
        index[span] = len(table)
        parents.append(parent)
        began, took = _count(path, number, "startTime", start) / 1e6, _count(path, number, "duration", duration) / 1e6
        table.append((names.setdefault(service, len(names)), began, took, _has_failed(status)))
    return Spans(
        tuple(names),
        np.array([row[0] for row in table], np.intp),
        np.array([index.get(parent, -1) for parent in parents], np.intp),
        np.array([row[1] for row in table], np.float64),
        np.array([row[2] for row in table], np.float64),
        np.array([row[3] for row in table], np.bool_),
    )


def _has_failed(status: str) -> bool:
    """Whether a status says so: HTTP's from 400 on, gRPC's (1 to 16), or the word itself."""
    code = _number(status)
    return status.lower() == "error" if code is None else code >= 400 or 1 <= code <= 16


def _edges(path: Path) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted({(source, destination) for _, (source, destination) in _picked(path, ("source", "destination"))})
    )


def _picked(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Some columns of a table, row by row, with the numbers of their lines; nothing where there is no such file."""
    if not path.exists():
        return
    rows = _rows(path)
    _, head = next(rows, (1, []))
    missing = [name for name in needed if name not in head]
    if missing:
        raise CaseError(f"{path}:1: has no column '{missing[0]}'")
    places = [head.index(name) for name in needed]
    for number, row in rows:
        yield number, [row[i] for i in places]


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table, its head among them, with the numbers of the lines where they end."""
    with _open(path) as file:
        rows = csv.reader(file)
        width = 0
        try:
            for row in rows:
                width = width or len(row)
                if len(row) != width:
                    raise CaseError(f"{path}:{rows.line_num}: {len(row)} cells under {width} names")
                yield rows.line_num, row
        except csv.Error as error:
            raise CaseError(f"{path}:{rows.line_num}: {error}") from None


def _number(cell: str) -> float | None:
    """What a cell says: NaN where it is empty, None where it is no number."""
    try:
        return float(cell or "nan")
    except ValueError:
        return None


def _count(path: Path, number: int, column: str, cell: str) -> float:
    value = _number(cell)
    if value is None or not np.isfinite(value):
        raise CaseError(f"{path}:{number}: {column} '{cell[:40]}' is no number")
    return value


def _open(path: Path) -> Any:
    csv.field_size_limit(LONGEST_CELL)
    try:
        return path.open(encoding="utf-8", errors="replace", newline="")
    except OSError as error:
        raise CaseError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from None
