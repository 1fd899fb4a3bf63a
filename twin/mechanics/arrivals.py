"""When requests arrive: rates that change over time, and the mix of clients behind a service.

A process of any rate is one of rate 1 in *operational time* (expected arrivals so far), mapped back through the
inverse of the cumulated rate: another profile moves the same arrivals, it does not draw others.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

HOUR_FACTORS = (
    0.82, 0.70, 0.75, 0.70, 0.71, 0.73, 0.76, 0.87, 1.00, 1.13, 1.10, 1.07,
    1.04, 1.05, 1.04, 1.03, 1.07, 1.06, 0.99, 1.21, 1.43, 1.38, 1.25, 1.04,
)  # fmt: skip
"""Rate of each hour over the mean rate of the day (ServeGen m-small, Apache-2.0; hours from the trace's origin)."""

DAY = 86_400.0


class RateProfile:
    """An arrival rate over time: linear between points, constant after the last one, or repeated every `period`.

    `points` are (seconds, per second) in order, the first at 0; two points at one time are a step.
    """

    def __init__(self, points: Sequence[tuple[float, float]], period: float | None = None) -> None:
        self._points = list(points)
        self._period = period
        if period is not None:
            self._points.append((period, self._points[-1][1]))
        self._times = [t for t, _ in self._points]
        self._cumulated = [0.0]
        for (t0, r0), (t1, r1) in pairwise(self._points):
            self._cumulated.append(self._cumulated[-1] + (t1 - t0) * (r0 + r1) / 2.0)

    def rate(self, time: float) -> float:
        """Arrivals a second at a time; at a step, the rate after it."""
        if self._period is not None:
            time %= self._period
        i = bisect_right(self._times, time) - 1
        t0, r0 = self._points[i]
        if i + 1 == len(self._points):
            return r0
        t1, r1 = self._points[i + 1]
        return r0 + (r1 - r0) * (time - t0) / (t1 - t0)

    def reached(self, expected: float) -> float:
        """The time at which that many arrivals are expected to have come; infinite where they never are."""
        base = 0.0
        if self._period is not None:
            cycles = math.floor(expected / self._cumulated[-1])
            base, expected = cycles * self._period, expected - cycles * self._cumulated[-1]
        i = min(bisect_right(self._cumulated, expected), len(self._points)) - 1
        t0, r0 = self._points[i]
        rest = expected - self._cumulated[i]
        if i + 1 == len(self._points):
            return base + t0 + (rest / r0 if r0 > 0 else math.inf if rest > 0 else 0.0)
        t1, r1 = self._points[i + 1]
        slope = (r1 - r0) / (t1 - t0)
        root = r0 + math.sqrt(max(0.0, r0 * r0 + 2.0 * slope * rest))
        return base + t0 + (2.0 * rest / root if root > 0 else 0.0)


def diurnal(rate: float, start_hour: float) -> RateProfile:
    """The measured day: steps of an hour, of that mean rate, beginning `start_hour` hours into the day."""
    mean = sum(HOUR_FACTORS) / len(HOUR_FACTORS)
    offset = start_hour % 24.0
    points: list[tuple[float, float]] = []
    hour = math.floor(offset)
    time = 0.0
    while time < DAY:
        factor = rate * HOUR_FACTORS[hour % 24] / mean
        end = min(DAY, (hour + 1 - offset) * 3600.0)
        points += [(time, factor), (end, factor)]
        time, hour = end, hour + 1
    return RateProfile(points[:-1], period=DAY)


@dataclass(frozen=True, slots=True)
class ClientShape:
    """One client of a mix: its share of all arrivals, and how bursty its own are."""

    share: float
    cv: float
    """Coefficient of variation of its inter-arrival times."""
    weibull: bool
    """Whether they are Weibull distributed; gamma otherwise."""


MEASURED_CLIENTS = (
    (0.2988, 1.12), (0.2190, 5.74), (0.1072, 1.49), (0.0881, 8.09), (0.0568, 1.23), (0.0532, 1.24), (0.0418, 1.26),
    (0.0349, 1.90), (0.0161, 1.07), (0.0123, 1.24), (0.0111, 1.10), (0.0108, 1.04), (0.0108, 1.19), (0.0065, 6.55),
    (0.0057, 3.06), (0.0054, 1.28), (0.0054, 2.46), (0.0026, 1.29), (0.0024, 5.76), (0.0021, 19.84), (0.0016, 1.19),
)  # fmt: skip
"""Share of the load and rate-weighted inter-arrival CV of the 21 heaviest of ServeGen m-small's 43 clients, which hold
99.3 % of it (computed from its windows of 600 s over 14 days; Apache-2.0)."""


def client_mix(clients: int) -> tuple[ClientShape, ...]:
    """Clients of a service, the heaviest first, after ServeGen m-small.

    With another number of clients than measured, shares are interpolated over the rank (geometrically) and each takes
    the CV of the nearest rank. Three in ten are Weibull, the others gamma (measured: 30 % of windows).
    """
    last = len(MEASURED_CLIENTS) - 1
    ranks = [last * i / (clients - 1) if clients > 1 else 0.0 for i in range(clients)]
    weights = []
    for rank in ranks:
        low = min(int(rank), last - 1)
        one, two = MEASURED_CLIENTS[low][0], MEASURED_CLIENTS[low + 1][0]
        weights.append(one * (two / one) ** (rank - low))
    total = sum(weights)
    return tuple(
        ClientShape(weight / total, MEASURED_CLIENTS[round(rank)][1], i % 10 in (2, 5, 8))
        for i, (rank, weight) in enumerate(zip(ranks, weights, strict=True))
    )
