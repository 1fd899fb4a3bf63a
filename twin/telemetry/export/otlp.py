"""The spans and log lines of a run as OTLP/JSON: `traces.jsonl` and `logs.jsonl`, a TracesData or LogsData a line.

The OpenTelemetry collector's `otlpjsonfile` receiver reads both; each line is also the body of a request to
`/v1/traces` or `/v1/logs`. A component is a resource, with `service.name` and `host.name`.

Formats: https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/, opentelemetry-proto 1.x (ids in hexadecimal,
64-bit integers as text, enumerations as numbers).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from twin.telemetry.export.clock import UnixClock
from twin.telemetry.export.machines import machines
from twin.telemetry.folder import TelemetryFolder
from twin.telemetry.records import LogLine, Span

TRACES, LOGS = "traces.jsonl", "logs.jsonl"
BATCH = 1000
"""Spans or lines of a line of a file."""
SCOPE = {"name": "healtwin"}

SERVER = 2
"""SPAN_KIND_SERVER."""
ERROR = 2
"""STATUS_CODE_ERROR: for a server, from 500 on."""
SEVERITIES = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}
"""SeverityNumber of each level."""

T = TypeVar("T", LogLine, Span)


def write(folder: TelemetryFolder, out: Path) -> None:
    """Write both files. Raises FolderError where the folder cannot be read."""
    out.mkdir(parents=True, exist_ok=True)
    clock = UnixClock(folder.manifest["epoch"])
    resources = {name: _resource(name, host) for name, host in machines(folder.topology).items()}
    with (out / TRACES).open("w", encoding="utf-8", newline="") as file:
        for spans in _batches(folder.each_span()):
            file.write(_data("resourceSpans", "scopeSpans", "spans", spans, resources, lambda span: _span(span, clock)))
    with (out / LOGS).open("w", encoding="utf-8", newline="") as file:
        for lines in _batches(folder.each_line()):
            file.write(_data("resourceLogs", "scopeLogs", "logRecords", lines, resources, lambda li: _line(li, clock)))


def _batches(records: Iterable[T]) -> Iterator[dict[str, list[T]]]:
    """So many records at a time, by component."""
    rest = iter(records)
    while batch := list(islice(rest, BATCH)):
        found: dict[str, list[T]] = {}
        for record in batch:
            found.setdefault(record.component, []).append(record)
        yield found


def _data(outer: str, inner: str, word: str, batch: Mapping[str, list[T]], resources: Any, made: Any) -> str:
    told = [
        {
            "resource": resources.get(component) or _resource(component, ""),
            inner: [{"scope": SCOPE, word: [made(record) for record in records]}],
        }
        for component, records in batch.items()
    ]
    return json.dumps({outer: told}) + "\n"


def _resource(component: str, host: str) -> dict[str, Any]:
    return {
        "attributes": _attributes(
            {"service.name": component, "host.name": host} if host else {"service.name": component}
        )
    }


def _span(span: Span, clock: UnixClock) -> dict[str, Any]:
    start = clock.nanoseconds(span.start)
    told: dict[str, Any] = {
        "traceId": span.trace,
        "spanId": span.span,
        "parentSpanId": span.parent,
        "name": span.operation,
        "kind": SERVER,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + round(span.duration * 1e9)),
        "attributes": _attributes({"http.response.status_code": span.status, **(span.attributes or {})}),
        "status": {"code": ERROR} if span.status >= 500 else {},
    }
    return told


def _line(line: LogLine, clock: UnixClock) -> dict[str, Any]:
    moment = str(clock.nanoseconds(line.time))
    return {
        "timeUnixNano": moment,
        "observedTimeUnixNano": moment,
        "severityNumber": SEVERITIES.get(line.level, 0),
        "severityText": line.level,
        "body": {"stringValue": line.text},
    }


def _attributes(values: Mapping[str, str | int | float]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: str | int | float) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"doubleValue": value}
