"""A run as Parquet tables, with times as UTC timestamps.

    logs.parquet      time, component, level, message
    traces.parquet    time, trace, span, parent, component, operation, duration_s, status
    metrics.parquet   time, component, series, value: a row a sample, nothing where it was absent
    alarms.parquet    time, resolved, component, rule, severity
    truth.parquet     fault, kind, family, targets, injected, first_impact, cleared, cleared_by: the oracle, only here

Needs pyarrow, which `pip install 'healtwin[rca]'` brings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from twin.telemetry.export.clock import UnixClock
from twin.telemetry.folder import FolderError, TelemetryFolder

ROWS = 65_536
"""Rows of a row group, the most that is in memory at once."""

TIME, TEXT, REAL, INTEGER, TEXTS = "time", "text", "real", "integer", "texts"
Columns = dict[str, str]
LOGS: Columns = {"time": TIME, "component": TEXT, "level": TEXT, "message": TEXT}
TRACES: Columns = {
    "time": TIME, "trace": TEXT, "span": TEXT, "parent": TEXT, "component": TEXT, "operation": TEXT, "duration_s": REAL,
    "status": INTEGER,
}  # fmt: skip
METRICS: Columns = {"time": TIME, "component": TEXT, "series": TEXT, "value": REAL}
ALARMS: Columns = {"time": TIME, "resolved": TIME, "component": TEXT, "rule": TEXT, "severity": TEXT}
TRUTH: Columns = {
    "fault": TEXT, "kind": TEXT, "family": TEXT, "targets": TEXTS, "injected": TIME, "first_impact": TIME,
    "cleared": TIME, "cleared_by": TEXT,
}  # fmt: skip

Row = tuple[Any, ...]


def write(folder: TelemetryFolder, out: Path) -> None:
    """Write all tables. Raises FolderError where the folder cannot be read, or pyarrow is missing."""
    out.mkdir(parents=True, exist_ok=True)
    clock = UnixClock(folder.manifest["epoch"])

    def moment(seconds: float | None) -> int | None:
        return None if seconds is None else clock.nanoseconds(seconds)

    _write(
        out / "logs.parquet", LOGS, ((moment(li.time), li.component, li.level, li.text) for li in folder.each_line())
    )
    _write(
        out / "traces.parquet",
        TRACES,
        (
            (moment(s.start), s.trace, s.span, s.parent, s.component, s.operation, s.duration, s.status)
            for s in folder.each_span()
        ),
    )
    _write(
        out / "metrics.parquet",
        METRICS,
        (
            (moment(scrape.time), component, series, value)
            for scrape in folder.each_scrape()
            for component, shown in scrape.values.items()
            for series, value in shown.items()
        ),
    )
    _write(
        out / "alarms.parquet",
        ALARMS,
        ((moment(a.time), moment(a.resolved), a.component, a.rule, a.severity) for a in folder.alarms),
    )
    _write(out / "truth.parquet", TRUTH, _truth(folder, moment))


def _truth(folder: TelemetryFolder, moment: Any) -> Iterator[Row]:
    path = folder.path / "truth" / "incidents.json"
    try:
        for row in json.loads(path.read_text(encoding="utf-8")):
            times = {name: moment(row[name]) for name in ("injected", "first_impact", "cleared")}
            yield tuple({**row, **times}[name] for name in TRUTH)
    except OSError as error:
        raise FolderError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise FolderError(f"{path}: not what a run writes: {error}") from None


def _write(path: Path, columns: Columns, rows: Iterable[Row]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise FolderError("Parquet needs pyarrow: pip install 'healtwin[rca]'") from None
    types = {
        TIME: pa.timestamp("ns", tz="UTC"),
        TEXT: pa.string(),
        REAL: pa.float64(),
        INTEGER: pa.int64(),
        TEXTS: pa.list_(pa.string()),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    rest = iter(rows)
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        while batch := list(islice(rest, ROWS)):
            arrays = [
                pa.array(cells, type=field.type) for cells, field in zip(zip(*batch, strict=True), schema, strict=True)
            ]
            file.write_table(pa.Table.from_arrays(arrays, schema=schema))
