"""Telemetry as it is recorded: cheap tuples now, text only for whoever reads it.

A log record is ``(time, component, template, args)``. The template is the component's own, and a free label for
tests; it never reaches an interpreter, which sees rendered lines only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Level(StrEnum):
    """Log levels, by the names the services print."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


LEVELS: tuple[Level, ...] = tuple(Level)


@dataclass(frozen=True, slots=True)
class LogTemplate:
    """One statement of a program's source that logs.

    `dialect` names the line format (a key of `twin.telemetry.lines.DIALECTS`), `origin` the logger or the source
    file that the format prints, `text` the message with positional ``{}`` fields. Dialects that print a context
    before the message (oslo.log: process id, request, instance; most others: process id) take it from the first args.
    """

    id: str
    dialect: str
    level: Level
    origin: str
    text: str


class LogRecord(NamedTuple):
    """A log statement that was reached. `time` in simulated seconds."""

    time: float
    component: str
    template: LogTemplate
    args: tuple[Any, ...]
    skew: float = 0.0
    """How far the clock of its machine is off, seconds: the printed time is `time + skew`."""


class LogLine(NamedTuple):
    """A rendered line: all that an interpreter sees of a log record."""

    time: float
    component: str
    level: str
    text: str


class MetricType(StrEnum):
    """Prometheus metric types. A histogram is exposed as its `_sum`, `_count` and buckets, each a counter."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Metric:
    """A series an exporter exposes for a component, by the exporter's own name."""

    name: str
    type: MetricType
    unit: str


def gauge(name: str, unit: str = "") -> Metric:
    """A gauge metric."""
    return Metric(name, MetricType.GAUGE, unit)


def counter(name: str, unit: str = "") -> Metric:
    """A counter metric."""
    return Metric(name, MetricType.COUNTER, unit)


class Span(NamedTuple):
    """One operation of a distributed trace. Start and duration in (simulated) seconds; status is an HTTP code."""

    trace: str
    span: str
    parent: str
    component: str
    operation: str
    start: float
    duration: float
    status: int


class Alarm(NamedTuple):
    """An alert rule that began to fire, and when it stopped (`None` while it fires). From scraped values only."""

    time: float
    component: str
    rule: str
    severity: str
    resolved: float | None
