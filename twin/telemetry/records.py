"""Telemetry as it is recorded: cheap tuples now, text only for whoever reads it.

A log record is ``(time, component, template, args)``. The template is the component's own, and a free label for
tests; it never reaches an interpreter, which sees rendered lines only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from twin.streams import Stream


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
    HISTOGRAM = "histogram"


Profile = Literal["paper", "serving", "enriched"]
"""How much of the telemetry policies and interpreters are given, from little to much; each holds the one before.

`paper` is what the methods of arXiv 2603.02057 were given: utilisation, memory, traffic and latency; `serving` adds
what the engine says of itself; `enriched` clocks, power and throttling."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that an exporter exposes for a component, by the exporter's own name; fixed labels are in the name.

    `profile` is the smallest profile that shows it to policies; None where it is exported only. `buckets` are the upper
    bounds of a histogram without +Inf.
    """

    name: str
    type: MetricType
    unit: str
    profile: Profile | None = "paper"
    buckets: tuple[float, ...] = ()


def gauge(name: str, unit: str = "", profile: Profile | None = "paper") -> Metric:
    """A gauge metric."""
    return Metric(name, MetricType.GAUGE, unit, profile)


def counter(name: str, unit: str = "", profile: Profile | None = "paper") -> Metric:
    """A counter metric."""
    return Metric(name, MetricType.COUNTER, unit, profile)


def histogram(name: str, buckets: Sequence[float], unit: str = "", profile: Profile | None = None) -> Metric:
    """A histogram metric. Its profile is that of its sum and count; the buckets are exported only."""
    return Metric(name, MetricType.HISTOGRAM, unit, profile, tuple(buckets))


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
    attributes: Mapping[str, str | int | float] | None = None
    """What the program says of the operation, where it says anything."""


Hop = tuple[int, str, str, str, str, float, float, int, Mapping[str, str | int | float] | None]
"""A span as it is recorded for one request of many: (number of the request, role, role of the parent or empty,
component, operation, start, duration, status, attributes). A plain tuple, for there are several a request."""


def span_of(hop: Hop, ids: Stream) -> Span:
    """The span of a hop. Its ids, of W3C trace context's lengths, follow from the request's number and the roles."""
    request, role, caller, component, operation, start, duration, status, attributes = hop
    trace, span = ids.hexadecimal(32, request), ids.hexadecimal(16, request, role)
    parent = ids.hexadecimal(16, request, caller) if caller else ""
    return Span(trace, span, parent, component, operation, start, duration, status, attributes)


class Alarm(NamedTuple):
    """An alert rule that began to fire, and when it stopped (`None` while it fires). From scraped values only."""

    time: float
    component: str
    rule: str
    severity: str
    resolved: float | None
