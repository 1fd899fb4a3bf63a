"""The recorder: what the cluster's log files, exporters and tracers have written so far."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.streams import Stream
from twin.telemetry.records import Alarm, Hop, LogRecord, LogTemplate, Span, span_of

_TIME = itemgetter(0)


class Recorder:
    """Append-only telemetry of one world, in the order of time. What is old may be forgotten, once it is on disk."""

    def __init__(self, ids: Stream | None = None) -> None:
        self._ids = ids or Stream(0)
        """Where trace ids are drawn from."""
        self._forgotten_logs = self._forgotten_spans = self._forgotten_scrapes = 0
        self.logs: list[LogRecord] = []
        self._spans: list[Span | Hop] = []
        self.alarms: list[Alarm] = []
        self.scrape_times: list[float] = []
        """When each scrape happened, seconds."""
        self.scrapes: list[NDArray[np.float32]] = []
        """One array [component, feature] a scrape; NaN where the exporter did not answer or has no such metric."""
        self.series: list[NDArray[np.float64]] = []
        """One array [series] a scrape, in the order of the world's `exposition`: everything the exporters expose."""

    def log(self, time: float, component: str, template: LogTemplate, args: tuple[Any, ...], skew: float = 0.0) -> None:
        """Record that a log statement was reached, on a machine whose clock is off by `skew` seconds."""
        self.logs.append(LogRecord(time, component, template, args, skew))

    def span(self, span: Span | Hop) -> None:
        """Record a finished span."""
        self._spans.append(span)

    def scrape(self, time: float, values: NDArray[np.float32], series: NDArray[np.float64]) -> None:
        """Record one scrape of all components."""
        self.scrape_times.append(time)
        self.scrapes.append(values)
        self.series.append(series)

    def logs_between(self, start: float, end: float, written: int | None = None) -> Sequence[LogRecord]:
        """Log records with start < time <= end, of the first `written` records ever where given."""
        last = bisect_right(self.logs, end, key=_TIME)
        if written is not None:
            last = min(last, max(0, written - self._forgotten_logs))
        return self.logs[bisect_right(self.logs, start, key=_TIME) : last]

    def count_lines(self, start: float, end: float, written: int | None = None) -> Counter[tuple[str, str]]:
        """The records of `logs_between`, by (component, level)."""
        records = self.logs_between(start, end, written)
        return Counter((record.component, record.template.level.value) for record in records)

    @property
    def spans(self) -> list[Span]:
        """All spans, in the order in which they were recorded."""
        return self._rendered(self._spans)

    def spans_between(self, start: float, end: float) -> list[Span]:
        """Spans that ended with start < time <= end."""
        return self._rendered(s for s in self._spans if start < _ended(s) <= end)

    def _rendered(self, spans: Iterable[Span | Hop]) -> list[Span]:
        return [span if isinstance(span, Span) else span_of(span, self._ids) for span in spans]

    def scrapes_between(self, start: float, end: float) -> slice:
        """The scrapes with start <= time <= end."""
        return slice(bisect_left(self.scrape_times, start), bisect_right(self.scrape_times, end))

    # --- for who writes it down -------------------------------------------------------------------------------

    @property
    def logged(self) -> int:
        """Log records so far, with those forgotten; `traced` and `scraped` are spans and scrapes."""
        return self._forgotten_logs + len(self.logs)

    @property
    def traced(self) -> int:
        """Spans so far, with those forgotten."""
        return self._forgotten_spans + len(self._spans)

    @property
    def scraped(self) -> int:
        """Scrapes so far, with those forgotten."""
        return self._forgotten_scrapes + len(self.scrape_times)

    def logs_since(self, count: int) -> Sequence[LogRecord]:
        """All log records but the first `count`. Raises ValueError where some of them have been forgotten."""
        return self.logs[_kept(count, self._forgotten_logs) :]

    def spans_since(self, count: int) -> Sequence[Span]:
        """All spans but the first `count`. Raises ValueError where some of them have been forgotten."""
        return self._rendered(self._spans[_kept(count, self._forgotten_spans) :])

    def scrapes_since(self, count: int) -> tuple[Sequence[float], Sequence[NDArray[np.float64]]]:
        """Times and series of all scrapes but the first `count`. Raises ValueError where some have been forgotten."""
        first = _kept(count, self._forgotten_scrapes)
        return self.scrape_times[first:], self.series[first:]

    def forget(self, before: float) -> None:
        """Let go of log records, spans and scrapes older than second `before`. Alarms stay: they are few."""
        logs = bisect_left(self.logs, before, key=_TIME)
        scrapes = bisect_left(self.scrape_times, before)
        spans = next((i for i, s in enumerate(self._spans) if _ended(s) >= before), len(self._spans))
        del self.logs[:logs], self._spans[:spans]
        del self.scrape_times[:scrapes], self.scrapes[:scrapes], self.series[:scrapes]
        self._forgotten_logs += logs
        self._forgotten_spans += spans
        self._forgotten_scrapes += scrapes


class Muted(Recorder):
    """Keeps nothing: `telemetry: off`."""

    def log(self, time: float, component: str, template: LogTemplate, args: tuple[Any, ...], skew: float = 0.0) -> None:
        """Nobody writes it down."""

    def span(self, span: Span | Hop) -> None:
        """Nobody writes it down."""

    def scrape(self, time: float, values: NDArray[np.float32], series: NDArray[np.float64]) -> None:
        """Nobody writes it down."""


def _ended(span: Span | Hop) -> float:
    """When an operation ended; spans and hops have start and duration at the same places."""
    return span[5] + span[6]


def _kept(count: int, forgotten: int) -> int:
    if count < forgotten:
        raise ValueError(f"the first {forgotten} records are forgotten; asked for those from {count} on")
    return count - forgotten
