"""The log lines and spans of a case, and how many there were of each kind."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twin.telemetry.export.clock import UnixClock
from twin.telemetry.export.rcaeval.services import Services
from twin.telemetry.export.rcaeval.spool import Counts
from twin.telemetry.export.rcaeval.table import Order, new, write_table
from twin.telemetry.folder import TelemetryFolder
from twin.telemetry.records import Span

WINDOW = 5
"""Seconds of a row of the counts."""
LINE = ("time", "timestamp", "container_name", "message")
SPAN = (
    "time", "traceID", "spanID", "serviceName", "methodName", "operationName", "startTimeMillis", "startTime",
    "duration", "statusCode", "parentSpanID",
)  # fmt: skip


def write_logs(folder: TelemetryFolder, services: Services, out: Path, order: Order) -> None:
    """logs.csv and logts.csv: the lines of all services."""
    clock = UnixClock(folder.manifest["epoch"])
    counts: Counts[str] = Counts(WINDOW)
    with new(out / "logs.csv") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(LINE)
        for line in folder.each_line():
            service = services.by_component.get(line.component)
            if service is not None:
                moment = clock.nanoseconds(line.time)
                rows.writerow((clock.text(moment), moment, service, line.text))
                counts.add(moment, service)
    write_table(out / "logts.csv", counts.columns, order(counts.columns), counts)


class Spans:
    """traces.csv, written while the spans pass; then the counts of them."""

    def __init__(self, folder: TelemetryFolder, services: Services, file: Any) -> None:
        self._folder = folder
        self._services = services
        self._rows = csv.writer(file, lineterminator="\n")
        self._rows.writerow(SPAN)
        self._counts: Counts[tuple[str, bool]] = Counts(WINDOW)

    def __iter__(self) -> Iterator[Span]:
        clock = UnixClock(self._folder.manifest["epoch"])
        for span in self._folder.each_span():
            service = self._services.by_component.get(span.component)
            if service is not None:
                moment = clock.nanoseconds(span.start)
                micros, operation, took = moment // 1_000, span.operation, round(span.duration * 1e6)
                named = (clock.text(moment), span.trace, span.span, service, operation, operation)
                self._rows.writerow((*named, micros // 1_000, micros, took, span.status, span.parent))
                self._counts.add(moment, (f"{service}_{operation}", 200 <= span.status < 300))
            yield span

    def write_counts(self, out: Path, order: Order) -> None:
        """tracets_lat.csv (answered with 2xx) and tracets_err.csv (the rest); both have the columns of both."""
        places = {column: i for i, column in enumerate(self._counts.columns)}
        names = sorted({name for name, _ in places})
        chosen = order(names)
        for file, answered in (("tracets_lat.csv", True), ("tracets_err.csv", False)):
            at = [places.get((name, answered)) for name in names]
            rows = ((time, [0 if i is None else row[i] for i in at]) for time, row in self._counts)
            write_table(out / file, names, chosen, rows)
