"""How long requests took, by service and by pair of caller and callee, from the spans that ended in the last minute.

A span names the span that called it, which as a rule ends, and is written, after it. `with_callers` therefore holds
spans back until so many others have come, and knows as many from before.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from twin.telemetry.export.promql import MINUTE
from twin.telemetry.records import Span

REACH = 20_000
"""Spans that may lie between a span and the one that called it, for the caller to be known."""


class Called(NamedTuple):
    """A span, and the component that called it; None where nobody did, empty where nobody knows."""

    span: Span
    caller: str | None


def with_callers(spans: Iterable[Span], reach: int = REACH) -> Iterator[Called]:
    """The spans in their order, each with its caller."""
    components: OrderedDict[str, str] = OrderedDict()
    held: deque[Span] = deque()

    def next_called() -> Called:
        span = held.popleft()
        return Called(span, components.get(span.parent, "") if span.parent else None)

    for span in spans:
        held.append(span)
        components[span.span] = span.component
        if len(held) > reach:
            yield next_called()
        if len(components) > 2 * reach:
            components.popitem(last=False)
    while held:
        yield next_called()


Key = str | tuple[str, str]


class Latencies:
    """Durations of the last minute. `advance` to a moment, then ask."""

    def __init__(
        self, spans: Iterable[Called], services: Mapping[str, str], outside: tuple[str, frozenset[str]]
    ) -> None:
        """`services` by component; `outside`: the gateway, and the services whose calls from outside pass it."""
        self._spans = iter(spans)
        self._services = services
        self._gateway, self._behind = outside
        self._next: Called | None = next(self._spans, None)
        self._ended: deque[tuple[float, float, bool, tuple[Key, ...]]] = deque()
        self._durations: dict[Key, deque[float]] = {}
        self._failed: dict[Key, int] = {}
        self._seconds = MINUTE
        self.pairs: dict[tuple[str, str], None] = {}
        """Every pair that was seen so far, in the order in which they came."""

    def advance(self, time: float) -> None:
        """Take in all spans that ended by `time`, and let go of those that ended a minute before."""
        while self._next is not None and self._next.span.start + self._next.span.duration <= time:
            self._take(self._next)
            self._next = next(self._spans, None)
        self._seconds = min(MINUTE, time)
        while self._ended and self._ended[0][0] <= time - MINUTE:
            _, _, failed, keys = self._ended.popleft()
            for key in keys:
                self._durations[key].popleft()
                self._failed[key] -= failed

    def drain(self) -> None:
        """Take in the rest."""
        self.advance(math.inf)

    def quantile(self, q: float, key: Key) -> float:
        """Milliseconds; NaN where no request ended."""
        durations = sorted(self._durations.get(key, ()))
        if not durations:
            return math.nan
        place = q * (len(durations) - 1)
        low = int(place)
        high = min(low + 1, len(durations) - 1)
        return 1000.0 * (durations[low] + (durations[high] - durations[low]) * (place - low))

    def workload(self, key: Key) -> float:
        """Requests a second; NaN for who never had one."""
        return len(self._durations[key]) / self._seconds if key in self._durations else math.nan

    def errors(self, key: Key) -> float:
        """Requests a second that failed (status 500 and up); NaN for who never had one."""
        return self._failed[key] / self._seconds if key in self._durations else math.nan

    def _take(self, called: Called) -> None:
        span, caller = called
        service = self._services.get(span.component)
        if service is None:
            return
        keys: list[Key] = [service]
        source = self._gateway if caller is None and service in self._behind else self._services.get(caller or "", "")
        if caller is None and source:
            keys.append(source)
        if source and source != service:
            keys.append((source, service))
            self.pairs.setdefault((source, service))
        failed = span.status >= 500
        self._ended.append((span.start + span.duration, span.duration, failed, tuple(keys)))
        for key in keys:
            self._durations.setdefault(key, deque()).append(span.duration)
            self._failed[key] = self._failed.get(key, 0) + failed
