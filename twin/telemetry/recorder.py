"""The recorder: what the cluster's log files, exporters and tracers have written so far."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.telemetry.records import Alarm, LogRecord, LogTemplate, Span

_TIME = itemgetter(0)


class Recorder:
    """Append-only telemetry of one world, in the order of time."""

    def __init__(self) -> None:
        self.logs: list[LogRecord] = []
        self.spans: list[Span] = []
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

    def span(self, span: Span) -> None:
        """Record a finished span."""
        self.spans.append(span)

    def scrape(self, time: float, values: NDArray[np.float32], series: NDArray[np.float64]) -> None:
        """Record one scrape of all components."""
        self.scrape_times.append(time)
        self.scrapes.append(values)
        self.series.append(series)

    def logs_between(self, start: float, end: float, written: int | None = None) -> Sequence[LogRecord]:
        """Log records with start < time <= end, of the first `written` records where given."""
        last = bisect_right(self.logs, end, key=_TIME)
        return self.logs[bisect_right(self.logs, start, key=_TIME) : last if written is None else min(last, written)]

    def count_lines(self, start: float, end: float, written: int | None = None) -> Counter[tuple[str, str]]:
        """The records of `logs_between`, by (component, level)."""
        records = self.logs_between(start, end, written)
        return Counter((record.component, record.template.level.value) for record in records)

    def scrapes_between(self, start: float, end: float) -> slice:
        """The scrapes with start <= time <= end."""
        return slice(bisect_left(self.scrape_times, start), bisect_right(self.scrape_times, end))
