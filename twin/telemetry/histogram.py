"""A Prometheus histogram."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from twin.telemetry.records import Metric


class Histogram:
    """Counts observations by bucket; `bounds` are upper bounds, inclusive, without +Inf."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    @classmethod
    def of(cls, metric: Metric) -> Histogram:
        """An empty histogram with the buckets of a metric."""
        return cls(metric.buckets)

    def observe(self, value: float, times: int = 1) -> None:
        """Count `value`, `times` times."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def observe_each(self, values: Iterable[float]) -> None:
        """Count many values, as `observe` would one after the other."""
        bounds, counts, total = self.bounds, self.counts, self.sum
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            total += value
        self.sum = total

    @property
    def count(self) -> int:
        """Number of observations."""
        return sum(self.counts)

    def values(self) -> list[float]:
        """Sum, count, and the cumulative count of every bucket up to +Inf: the series of its metric, in order."""
        cumulative = list(accumulate(self.counts))
        return [self.sum, cumulative[-1], *cumulative]
