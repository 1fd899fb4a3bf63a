"""Metrics of real systems from CSV, in either of two shapes.

    time,nova-api_cpu,mysql_threads          a row a moment, a column a series: <component>_<metric>
    time,metric,component,value              a row a sample

`time` (or `t`, `timestamp`) is in Unix seconds, `component` may be called `service` or `instance`. Empty is absent.
"""

from __future__ import annotations

import csv
import gzip
import lzma
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from llm.reading.errors import ReadingError
from llm.reading.report import printable

TIME, COMPONENT = ("time", "t", "timestamp"), ("component", "service", "instance")
LATEST = 1e11
"""Unix seconds that no time reaches; what is larger is in another unit."""
MOST = 50_000
"""Series that are told apart at most."""


@dataclass(frozen=True, eq=False)
class Series:
    """One metric of one component; times [N] ascend, Unix seconds."""

    component: str
    metric: str
    times: NDArray[np.float64]
    values: NDArray[np.float64]


def read_metrics(path: Path) -> list[Series]:
    """The series of a file, plain, .gz or .xz. Raises ReadingError with the line that is wrong."""
    found: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    for component, metric, time, value in _samples(path):
        times, values = found.setdefault((component, metric), ([], []))
        times.append(time)
        values.append(value)
        if len(found) > MOST:
            raise ReadingError(f"{path}: holds more than {MOST} series; name those that matter")
    if not found:
        raise ReadingError(
            f"{path}: holds no samples; expected <component>_<metric> columns beside time, or metric and value ones"
        )
    series = []
    for (component, metric), (times, values) in found.items():
        order = np.argsort(times, kind="stable")
        series.append(Series(component, metric, np.array(times)[order], np.array(values)[order]))
    return series


def _samples(path: Path) -> Iterator[tuple[str, str, float, float]]:
    """(component, metric, time, value), row by row."""
    try:
        with _open(path) as file:
            rows = csv.reader(file)
            head = [name.strip() for name in next(rows, [])]
            time = next((head.index(name) for name in TIME if name in head), None)
            if time is None:
                raise ReadingError(f"{path}:1: no column 'time'; expected it and <component>_<metric> ones")
            who = next((head.index(name) for name in COMPONENT if name in head), None)
            shape = (who, head.index("metric"), head.index("value")) if {"metric", "value"} <= set(head) else None
            for row in rows:
                if len(row) != len(head):
                    raise ReadingError(f"{path}:{rows.line_num}: {len(row)} cells under {len(head)} names")
                moment = _moment(path, rows.line_num, row[time])
                if shape is not None:
                    if row[shape[2]]:
                        value = _number(path, rows.line_num, row[shape[2]])
                        yield row[shape[0]] if shape[0] is not None else "", row[shape[1]], moment, value
                    continue
                for i, cell in enumerate(row):
                    component, _, metric = head[i].partition("_")
                    if i != time and cell and metric:
                        yield component, metric, moment, _number(path, rows.line_num, cell)
    except (OSError, EOFError, lzma.LZMAError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise ReadingError(f"cannot read {path}: {why}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReadingError(f"{path}: not CSV ({error}); is it the file of metrics?") from None


def _moment(path: Path, line: int, cell: str) -> float:
    try:
        time = float(cell)
    except ValueError:
        time = math.nan
    if not 0 <= time < LATEST:
        hint = "; milliseconds and the like must be divided" if LATEST <= time < math.inf else ""
        raise ReadingError(f"{path}:{line}: its time '{printable(cell)[:40]}' is not in Unix seconds{hint}")
    return time


def _number(path: Path, line: int, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise ReadingError(f"{path}:{line}: '{printable(cell)[:40]}' is no number") from None
    return value


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")
