"""Lengths of LLM requests: quantile functions from a uniform in [0, 1) to tokens.

Measured: Azure LLM inference trace 2023, conversation (CC-BY-4.0), as inverse cumulative distributions, linear between
points; prompt and output are drawn independently (Spearman 0.07). Its lengths are not lognormal.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

from twin.mechanics.distributions import normal

AZURE_2023_PROBABILITY = (
    0, 0.01, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50,
    0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 0.99, 0.999, 1,
)  # fmt: skip
AZURE_2023_PROMPT = (
    2, 29, 181, 207, 372, 387, 396, 403, 414, 703, 984, 1020,
    1045, 1071, 1097, 1130, 1189, 1315, 1876, 2734, 4083, 4142, 6179, 14050,
)  # fmt: skip
AZURE_2023_OUTPUT = (
    7, 16, 41, 54, 67, 77, 85, 91, 96, 103, 113, 129,
    151, 177, 217, 384, 395, 400, 411, 424, 451, 601, 954, 1000,
)  # fmt: skip

Quantile = Callable[[float], int]
"""From a uniform in [0, 1) to at least one token."""


def quantile(probability: float, values: tuple[int, ...]) -> int:
    """The value at a probability in [0, 1), interpolated on the grid."""
    i = min(bisect_right(AZURE_2023_PROBABILITY, probability), len(values) - 1)
    low, high = AZURE_2023_PROBABILITY[i - 1], AZURE_2023_PROBABILITY[i]
    share = (probability - low) / (high - low)
    return max(1, round(values[i - 1] + share * (values[i] - values[i - 1])))


def fixed(tokens: int) -> Quantile:
    """Always the same length."""
    return lambda _: tokens


def between(low: int, high: int) -> Quantile:
    """Every length from low to high, each as likely."""
    return lambda uniform: low + int(uniform * (high - low + 1))


def lognormal(median: float, sigma: float) -> Quantile:
    """Lengths whose natural logarithm is normal with that standard deviation."""
    return lambda uniform: max(1, round(median * math.exp(sigma * normal(uniform))))


def mixture(parts: Sequence[tuple[float, Quantile]]) -> Quantile:
    """One of several, by weight: the uniform chooses the part, and what is left of it the length."""
    total = sum(weight for weight, _ in parts)

    def choose(uniform: float) -> int:
        rest = uniform * total
        for weight, part in parts[:-1]:
            if rest < weight:
                return part(rest / weight)
            rest -= weight
        weight, part = parts[-1]
        return part(min(rest / weight, 1.0 - 2.0**-53))

    return choose
