"""Metrics that left their usual range: how many of its widths the farthest value of a window lies from the middle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm.reading.metrics import Series

FAR = 10.0
"""Widths of the usual range (quartile to quartile) beyond which a metric counts as moved."""
FEWEST = 5
"""Samples that tell what is usual."""
AT_LEAST = 0.02
"""Width of the usual range of what hardly varies, as a share of its middle."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A metric that moved."""

    component: str
    metric: str
    before: float
    """Its median in the reference; of a counter, by the second."""
    value: float
    """Its farthest value in the window."""
    widths: float


def moved(series: Iterable[Series], usual: tuple[float, float], window: tuple[float, float]) -> list[Moved]:
    """The metrics that moved in (start, end] of the window against that of the reference, the farthest first."""
    found = []
    for one in series:
        times, values = _rates(one) if _counts(one.values) else (one.times, one.values)
        before, since = _within(times, values, usual), _within(times, values, window)
        if len(before) < FEWEST or not len(since):
            continue
        low, middle, high = np.quantile(before, (0.25, 0.5, 0.75))
        width = max(float(high - low), AT_LEAST * abs(float(middle)), 1e-9)
        value = float(since[np.argmax(np.abs(since - middle))])
        widths = abs(value - float(middle)) / width
        if widths > FAR:
            found.append(Moved(one.component, one.metric, float(middle), value, widths))
    return sorted(found, key=lambda one: -one.widths)


def _within(times: NDArray[np.float64], values: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.float64]:
    there: NDArray[np.float64] = values[(times > span[0]) & (times <= span[1]) & np.isfinite(values)]
    return there


def _counts(values: NDArray[np.float64]) -> bool:
    """Whether it only rises, but for resets, and rises often: a counter."""
    steps = np.diff(values)
    return len(steps) >= FEWEST and bool((steps >= 0).mean() > 0.97) and bool((steps > 0).mean() > 0.5)


def _rates(one: Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    steps, elapsed = np.diff(one.values), np.diff(one.times)
    going_on = (elapsed > 0) & (steps >= 0)
    return one.times[1:][going_on], steps[going_on] / elapsed[going_on]
