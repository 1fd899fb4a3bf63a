"""Distances between what two clouds showed: of frequencies, of distributions, of sets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from math import log2
from typing import Any


def quantile(values: Sequence[float], share: float) -> float:
    """The quantile of a sample, linear between its order statistics. Raises ValueError for an empty one."""
    if not values:
        raise ValueError("no quantile of nothing")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def jensen_shannon(one: Mapping[Any, float], other: Mapping[Any, float]) -> float:
    """The Jensen-Shannon divergence of two counts in bits: 0 where the shares are the same, 1 where nothing is common.

    Raises ValueError where one of them is empty.
    """
    totals = sum(one.values()), sum(other.values())
    if min(totals) <= 0:
        raise ValueError("no divergence from nothing")
    bits = 0.0
    for key in one.keys() | other.keys():
        shares = one.get(key, 0) / totals[0], other.get(key, 0) / totals[1]
        mean = sum(shares) / 2
        bits += sum(share * log2(share / mean) / 2 for share in shares if share)
    return bits


def kolmogorov_smirnov(one: Sequence[float], other: Sequence[float]) -> float:
    """The largest difference of two empirical distribution functions."""
    first, second = sorted(one), sorted(other)
    return max(
        abs(bisect_right(first, value) / len(first) - bisect_right(second, value) / len(second))
        for value in (*first, *second)
    )


def jaccard(one: Collection[Any], other: Collection[Any]) -> float:
    """What two sets have in common, of all that is in them; 1 for two empty ones."""
    union = set(one) | set(other)
    return len(set(one) & set(other)) / len(union) if union else 1.0
