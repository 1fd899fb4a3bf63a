"""The largest deviation of any of a service's metrics: BARO's and NSigma's score, in both directions.

As in RCAEval, a metric is scaled by what it was before the injection, and its most extreme value after it is its score.
Both published methods take the largest *positive* value, so that a metric that falls (clocks, tokens/s, power) is
invisible to them; here it is the largest magnitude.

Pham, Ha and Zhang, "BARO: Robust Root Cause Analysis for Microservices via Multivariate Bayesian Online Change Point
Detection", FSE 2024 (its RobustScorer: median and inter-quartile range). NSigma: mean and standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from llm.ranking.case import HOSTS_AND_PODS, Case, service_of
from llm.ranking.order import ranked

Scaling = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Values before the injection [T, C] -> centre [C] and spread [C]."""


def baro(case: Case) -> list[str]:
    """Median and inter-quartile range."""
    return _ranked(case, _robust)


def nsigma(case: Case) -> list[str]:
    """Mean and standard deviation."""
    return _ranked(case, _standard)


def _robust(before: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, middle, high = np.quantile(before, (0.25, 0.5, 0.75), axis=0)
    return middle, high - low


def _standard(before: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return before.mean(axis=0), before.std(axis=0)


def _ranked(case: Case, scaling: Scaling) -> list[str]:
    values = filled(case.values)
    after = case.times >= case.inject_time
    before, since = values[~after], values[after]
    used = _varies(before) & _varies(since)
    used &= [not any(part in column for part in HOSTS_AND_PODS) for column in case.columns]
    centre, spread = scaling(before[:, used])
    # What hardly varies is not scaled, by scikit-learn's scalers neither, which both methods use.
    spread = np.where(spread > 10 * np.finfo(np.float64).eps, spread, 1.0)
    scores: dict[str, float] = {}
    for i, score in zip(np.flatnonzero(used), np.abs((since[:, used] - centre) / spread).max(axis=0), strict=True):
        service = service_of(case.columns[i])
        scores[service] = max(scores.get(service, 0.0), float(score))
    return ranked(case, scores)


def _varies(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[C] whether a metric has two values: those that have one, before or after, are left out, as in RCAEval."""
    varies: NDArray[np.bool_] = np.any(values != values[0], axis=0)
    return varies


def filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T, C] with the last value there was in place of an absent one, and zero before the first: as in RCAEval."""
    there = np.isfinite(values)
    rows = np.where(there, np.arange(len(values))[:, None], -1)
    last = np.maximum.accumulate(rows, axis=0)
    return np.where(last >= 0, np.take_along_axis(values, np.maximum(last, 0), axis=0), 0.0)
