"""Reading a telemetry folder back, without its truth."""

from __future__ import annotations

import csv
import json
import os
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from twin.telemetry.dialects import read_back
from twin.telemetry.exporters import ExportedMetric
from twin.telemetry.features import FEATURES, PROFILES, SHOWN
from twin.telemetry.folder.layout import FORMAT, FolderError
from twin.telemetry.records import Alarm, LogLine, Span
from twin.telemetry.window import Node, Topology, Window

_CONSTANT = re.compile(r'(?<=[{,])(?:engine|model_name)="[^"]*",|,?(?:engine|model_name)="[^"]*"(?=})')
"""Labels of vLLM's that are the same for all series of an engine."""
NEEDED = ("epoch", "end", "scrape", "scenario", "seed", "dialect", "profile", "interval", "warmup")
"""What every manifest says."""
FOREVER = 1e12
"""Seconds beyond which no time lies."""

T = TypeVar("T")

_COLUMN = {name: j for j, name in enumerate(FEATURES)}


class Scrape(NamedTuple):
    """What all exporters showed at one moment (simulated seconds): component -> series -> value, without the absent."""

    time: float
    values: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class TelemetryFolder:
    """An exported run, read back without its truth."""

    path: Path
    manifest: dict[str, Any]
    topology: Topology

    def each_line(self) -> Iterator[LogLine]:
        """All log lines, one after the other."""
        return _read_lines(self.path / "logs.jsonl", _log_line)

    def each_span(self) -> Iterator[Span]:
        """All spans, one after the other."""
        return _read_lines(self.path / "traces.jsonl", _span)

    def each_scrape(self) -> Iterator[Scrape]:
        """All scrapes, one after the other, with every series that was exported."""
        with ExitStack() as files:
            paths = sorted((self.path / "metrics").glob("*.csv"))
            tables = [_rows(path, files.enter_context(_open(path))) for path in paths]
            for rows in zip_longest(*tables):
                odd = next((i for i, row in enumerate(rows) if row is None or row[0] != (rows[0] or row)[0]), None)
                if odd is not None:
                    raise FolderError(f"{paths[odd]}: its scrapes are not those of the other components")
                yield Scrape(rows[0][0], {path.stem: values for path, (_, values) in zip(paths, rows, strict=True)})

    @cached_property
    def metrics(self) -> Mapping[str, tuple[ExportedMetric, ...]]:
        """What each component's exporter says of its metrics."""
        path = self.path / "metrics.json"
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
            return {component: tuple(ExportedMetric(**row) for row in metrics) for component, metrics in rows.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise FolderError(f"{path}: not what exporters say of their metrics: {error}") from None

    @cached_property
    def logs(self) -> list[LogLine]:
        """All log lines."""
        return list(self.each_line())

    @cached_property
    def spans(self) -> list[Span]:
        """All spans."""
        return list(self.each_span())

    @cached_property
    def alarms(self) -> list[Alarm]:
        """All alarms."""
        return list(_read_lines(self.path / "alarms.jsonl", lambda row: Alarm(**row)))

    @cached_property
    def _scrapes(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Scrape times [time] and values [component, feature, time], without metrics this version does not know."""
        shown = [name for name in FEATURES if name not in PROFILES[self.manifest["profile"]]]
        known = read_back(self.manifest["dialect"], shown)
        kinds = {node.name: node.kind for node in self.topology.components}
        times: NDArray[np.float64] | None = None
        values = np.empty((len(self.topology.components), len(FEATURES), 0), np.float32)
        for path in sorted((self.path / "metrics").glob("*.csv")):
            if path.stem not in self.topology.index:
                raise FolderError(f"{path}: no component of this topology is called {path.stem}")
            scraped, columns = _table(path, known, SHOWN.get(kinds[path.stem], frozenset()))
            if times is None:
                times = scraped
                values = np.full((*values.shape[:2], len(times)), np.nan, np.float32)
            elif not np.array_equal(times, scraped):
                raise FolderError(f"{path}: its scrapes are not those of the other components")
            for feature, column in columns.items():
                values[self.topology.index[path.stem], _COLUMN[feature]] = column
        return np.empty(0) if times is None else times, values

    def decision_times(self, interval: float | None = None) -> list[float]:
        """The control-interval grid from the end of the warm-up on (seconds)."""
        step = interval or float(self.manifest["interval"])
        start, end = float(self.manifest["warmup"]), float(self.manifest["end"])
        return [start + i * step for i in range(int((end - start) / step) + 1)]

    def window(self, start: float, end: float) -> Window:
        """The telemetry with start < time <= end, as the world's own `observe` gives it at time `end`."""
        times, values = self._scrapes
        inside = (times >= start) & (times <= end)

        def lines(since: float) -> list[LogLine]:
            first = bisect_right(self.logs, since, key=lambda line: line.time)
            return self.logs[first : bisect_right(self.logs, end, key=lambda line: line.time)]

        # An alarm that resolves after `end` still fires in the eyes of who looks at `end`.
        alarms = [a for a in self.alarms if a.time <= end and (a.resolved is None or a.resolved > start)]
        return Window(
            start=start,
            end=end,
            epoch=float(self.manifest["epoch"]),
            topology=self.topology,
            features=FEATURES,
            scrape_times=times[inside],
            metrics=values[:, :, inside],
            alarms=tuple(a if (a.resolved or 0.0) <= end else a._replace(resolved=None) for a in alarms),
            _render_logs=lambda: lines(start),
            _count_lines=lambda since: Counter((li.component, li.level) for li in lines(max(since, start))),
            _spans=lambda: [s for s in self.spans if start < s.start + s.duration <= end],
        )


def read(path: Path) -> TelemetryFolder:
    """Open a telemetry folder. Raises FolderError where it is none, or of another version of the layout."""
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        topology = json.loads((path / "topology.json").read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise FolderError(f"{path} has layout version {manifest['format']}; this version reads {FORMAT}")
        missing = [key for key in NEEDED if key not in manifest]
        if missing:
            raise FolderError(f"{path / 'manifest.json'}: it says nothing about {missing[0]}")
        return TelemetryFolder(
            path,
            manifest,
            Topology(
                topology["cluster"],
                tuple(Node(**node) for node in topology["components"]),
                tuple((a, b) for a, b in topology["edges"]),
            ),
        )
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise FolderError(f"{path} is not a telemetry folder written by `healtwin simulate`: {error}") from None


def _table(
    path: Path, known: dict[str, tuple[str, float]], shown: frozenset[str]
) -> tuple[NDArray[np.float64], dict[str, list[float]]]:
    """Times and the values of each known feature of one component's file, of those that its kind shows."""
    with _open(path) as file:
        head = next(csv.reader([file.readline()]), [])
        plain = [_CONSTANT.sub("", name).replace("{}", "") for name in head]
        wanted = [(i, *known[name]) for i, name in enumerate(plain) if name in known and known[name][0] in shown]
        times: list[float] = []
        columns: dict[str, list[float]] = {feature: [] for _, feature, _ in wanted}
        for number, text in enumerate(file, 2):
            cells = text.rstrip("\n").split(",")
            try:
                if len(cells) != len(head):
                    raise ValueError(f"{len(cells)} cells under {len(head)} names")
                times.append(float(cells[0]))
                for i, feature, factor in wanted:
                    columns[feature].append(float(cells[i]) * factor if cells[i] else np.nan)
            except ValueError as error:
                raise FolderError(f"{path}:{number}: {error}") from None
    return np.array(times), columns


def _rows(path: Path, file: Any) -> Iterator[tuple[float, dict[str, float]]]:
    """(time, values by series) of each scrape in one component's file, without the absent."""
    rows = csv.reader(file)
    try:
        names = next(rows, ["time"])[1:]
        for cells in rows:
            values = {name: float(cell) for name, cell in zip(names, cells[1:], strict=True) if cell}
            yield float(cells[0]), values
    except (ValueError, IndexError, csv.Error) as error:
        raise FolderError(f"{path}:{rows.line_num}: {error}") from None


def _read_lines(path: Path, made: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    """What is made of each line's object."""
    number = 0
    with _open(path) as file:
        try:
            for text in file:
                number += 1
                yield made(json.loads(text))
        except json.JSONDecodeError as error:
            raise FolderError(f"{path}:{number}: not JSON: {error.msg}") from None
        except UnicodeDecodeError:
            raise FolderError(f"{path}:{number + 1}: not UTF-8") from None
        except (TypeError, ValueError, KeyError) as error:
            raise FolderError(f"{path}:{number}: not what a run writes: {error}") from None


def _log_line(row: dict[str, Any]) -> LogLine:
    line = LogLine(**row)
    if not 0.0 <= line.time < FOREVER:
        raise ValueError(f"its time is {line.time}")
    return line


def _span(row: dict[str, Any]) -> Span:
    span = Span(**row)
    if not (0.0 <= span.start < FOREVER and 0.0 <= span.duration < FOREVER):
        raise ValueError(f"it starts at {span.start} and takes {span.duration}")
    return span


def _open(path: Path) -> Any:
    try:
        return path.open(encoding="utf-8", newline="" if path.suffix == ".csv" else None)
    except OSError as error:
        raise FolderError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from None
