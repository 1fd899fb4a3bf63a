"""What Prometheus answers to `rate`, `irate` and `histogram_quantile`, on samples that come one scrape after the other.

Source: prometheus/prometheus, promql/functions.go (`extrapolatedRate`, `instantValue`) and promql/quantile.go
(`bucketQuantile`), version 3: the samples of a range [1m] at time t are those with t - 60 < time <= t.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

MINUTE = 60.0


class Samples:
    """One series over the last `seconds`, up to the scrape that was pushed last."""

    __slots__ = ("_seconds", "_times", "_values", "now", "value")

    def __init__(self, seconds: float = MINUTE) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque()
        self._values: deque[float] = deque()
        self.now = -math.inf
        """The time of the last scrape."""
        self.value = math.nan
        """What the last scrape found; NaN where it found nothing."""

    def push(self, time: float, value: float | None) -> None:
        """The next scrape: None where the series was absent."""
        self.now = time
        while self._times and self._times[0] <= time - self._seconds:
            self._times.popleft()
            self._values.popleft()
        if value is None:
            self.value = math.nan
        else:
            self.value = value
            self._times.append(time)
            self._values.append(value)

    def rate(self) -> float:
        """Increase a second over the range, NaN for fewer than two samples. What falls is taken for a counter's reset,
        of a gauge as well."""
        values, count = self._values, len(self._values)
        if count < 2:
            return math.nan
        first, last = values[0], values[-1]
        increase, before = last - first, first
        for value in values:
            if value < before:
                increase += before
            before = value
        began, ended = self._times[0], self._times[-1]
        sampled = ended - began
        between = sampled / (count - 1)
        to_start, to_end = began - (self.now - self._seconds), self.now - ended
        if to_start >= 1.1 * between:
            to_start = between / 2.0
        if increase > 0.0 and first >= 0.0:
            to_start = min(to_start, sampled * (first / increase))
        if to_end >= 1.1 * between:
            to_end = between / 2.0
        return increase * (sampled + to_start + to_end) / sampled / self._seconds

    def irate(self) -> float:
        """Increase a second between the last two samples of the range, NaN for fewer."""
        if len(self._values) < 2:
            return math.nan
        last, before = self._values[-1], self._values[-2]
        increase = last if last < before else last - before
        return increase / (self._times[-1] - self._times[-2])


def histogram_quantile(q: float, bounds: Sequence[float], rates: Sequence[float]) -> float:
    """The q-quantile of a histogram by the rates of its cumulative buckets, the last of which is that of +Inf.

    Linear within a bucket; NaN where nothing was observed.
    """
    total = rates[-1]
    if not total > 0.0:  # nor where it is not known
        return math.nan
    rank = q * total
    bucket = next((i for i, rate in enumerate(rates[:-1]) if rate >= rank), len(rates) - 1)
    if bucket == len(rates) - 1:
        return bounds[-1]
    start = bounds[bucket - 1] if bucket else 0.0
    below = rates[bucket - 1] if bucket else 0.0
    inside = rates[bucket] - below
    return start + (bounds[bucket] - start) * ((rank - below) / inside) if inside > 0.0 else start
