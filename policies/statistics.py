"""Paired comparisons: the mean of differences on the same luck, with a 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its confidence interval."""

    mean: float
    low: float
    high: float
    count: int


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean and Student's t interval. With fewer than two values the interval is unbounded.

    Raises ValueError for no values.
    """
    count = len(values)
    if count == 0:
        raise ValueError("no values to average")
    mean = float(np.mean(values))
    if count < 2:
        return Interval(mean, -math.inf, math.inf, count)
    half = student_quantile(0.5 + level / 2.0, count - 1) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, count)


def clustered_interval(values: Sequence[float], clusters: Sequence[Hashable], level: float = 0.95) -> Interval:
    """Mean of all values, and Student's t interval where only the clusters that they belong to are independent.

    The variance is the cluster-robust one of a mean (Liang and Zeger, Biometrika 1986): with clusters of one size it
    is that of the clusters' means. `count` is the number of clusters; with fewer than two the interval is unbounded.
    Raises ValueError for no values.
    """
    deviations: dict[Hashable, float] = {}
    mean = mean_interval(values).mean
    for value, cluster in zip(values, clusters, strict=True):
        deviations[cluster] = deviations.get(cluster, 0.0) + value - mean
    count = len(deviations)
    if count < 2:
        return Interval(mean, -math.inf, math.inf, count)
    variance = sum(d * d for d in deviations.values()) * count / (count - 1) / len(values) ** 2
    half = student_quantile(0.5 + level / 2.0, count - 1) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half, count)


def paired_difference(ours: Sequence[float], theirs: Sequence[float], level: float = 0.95) -> Interval:
    """Mean of ours - theirs, pair by pair, with its t interval.

    The interval is exact for normal differences and good for skewed ones from about 30 pairs on (DESIGN asks for 30).
    Raises ValueError where the two are not of one length.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"pairs need two values each: {len(ours)} here, {len(theirs)} there")
    return mean_interval([a - b for a, b in zip(ours, theirs, strict=True)], level)


def student_cdf(t: float, degrees: int) -> float:
    """P(T <= t) for Student's t with whole degrees of freedom: the finite series 26.7.3 and 26.7.4 of Abramowitz and
    Stegun, Handbook of Mathematical Functions."""
    theta = math.atan2(abs(t), math.sqrt(degrees))
    sine, cosine = math.sin(theta), math.cos(theta)
    if degrees % 2:
        term = total = cosine if degrees > 1 else 0.0
        for k in range(3, degrees - 1, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        inside = 2.0 / math.pi * (theta + sine * total)
    else:
        term = total = 1.0
        for k in range(2, degrees - 1, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        inside = sine * total
    return 0.5 + math.copysign(inside, t) / 2.0


def student_quantile(p: float, degrees: int) -> float:
    """The p-quantile of Student's t, by bisection."""
    if not 0.0 < p < 1.0 or degrees < 1:
        raise ValueError(f"no {p}-quantile of Student's t with {degrees} degrees of freedom")
    if p < 0.5:
        return -student_quantile(1.0 - p, degrees)
    high = 1.0
    while student_cdf(high, degrees) < p:
        high *= 2.0
    low = 0.0
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if student_cdf(middle, degrees) < p else (low, middle)
    return (low + high) / 2.0
