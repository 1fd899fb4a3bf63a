"""What metrics say: how far a service's columns left their usual range since the injection, in either direction.

As BARO's scorer does (Pham, Ha and Zhang, FSE 2024), a column is measured against what it was before the injection by
order statistics; here over time, early departures counting more than late ones, for what comes late is a consequence;
beyond what its peers do; and with what has vanished, which no scorer of values sees.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from numpy.typing import NDArray

from llm.ranking.case import Case
from llm.ranking.peers import beyond, peers

USUAL = 0.95
"""Quantile of the distances from the median before the injection that bounds the usual range."""
LEVEL, FARTHEST = 0.02, 0.05
"""The usual range is at least so much of the level, and of the farthest departure: a column that never moved before is
`1 / FARTHEST` ranges away at most, instead of infinitely many."""
PATIENCE = 90.0
"""Seconds after which a departure counts for 1/e: a little more than the minute over which rates are taken."""
FEWEST = 5
"""Rows before the injection that tell what is usual."""
ABSENT = 10.0
"""Ranges that a service counts as away while its columns are absent and usually are not."""
SYMPTOMS = ("latency", "error", "workload")
"""Columns about what others ask of a service, by RCAEval's names: symptoms, which may have come from elsewhere."""
STRANGERS = 2
"""Services that are no peers tell what is common to a metric only where there are so many of them."""
HOST = "node"
"""Columns about the machine under a service, which it shares."""


def deviations(case: Case) -> tuple[dict[str, float], dict[str, float]]:
    """How far each service's own columns departed, and its symptoms: the farthest column's mean distance beyond the
    usual range, in usual ranges."""
    after = case.times >= case.inject_time
    away, absent = departures(case.values, after)
    weight = np.exp(-(case.times[after] - case.inject_time) / PATIENCE)
    weight /= weight.sum()
    of = peers(case.components)
    place = {column: i for i, column in enumerate(case.columns)}
    sharing = _sharing(case)
    far, vanished = np.abs(away).max(axis=0) > 1.0, absent.max(axis=0) > 0.0
    own: dict[str, float] = defaultdict(float)
    symptoms: dict[str, float] = defaultdict(float)
    gone: dict[str, list[float]] = defaultdict(list)

    def others(service: str, metric: str) -> list[int]:
        """Columns that tell what is common to those of a metric."""
        alike = [other for other in of.get(service, ()) or case.components if other != service]
        found = [place[name] for other in alike if (name := f"{other}_{metric}") in place]
        return found if of.get(service) or len(found) >= STRANGERS else []

    for i, column in enumerate(case.columns):
        service, _, metric = column.partition("_")
        symptom = metric.startswith(SYMPTOMS)
        score = 0.0
        if far[i]:  # else nothing is left of it
            left = np.maximum(np.abs(beyond(away[:, i], away[:, others(service, metric)])) - 1.0, 0.0)
            score = float(weight @ left) / (sharing[service] if metric.startswith(HOST) else 1)
        kind = symptoms if symptom else own
        kind[service] = max(kind[service], score)
        if not symptom:
            lost = float(weight @ beyond(absent[:, i], absent[:, others(service, metric)])) if vanished[i] else 0.0
            gone[service].append(lost)
    for service, shares in gone.items():
        own[service] += ABSENT * float(np.mean(shares))
    return dict(own), dict(symptoms)


def departures(
    values: NDArray[np.float64], after: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[T', C] of the rows since the injection: signed distances from the median before it, in usual ranges; and 1 where
    a column is absent that mostly is not. `values` [T, C], NaN absent; `after` [T]."""
    before, since = values[~after], values[after]
    told = np.isfinite(before).sum(axis=0) >= FEWEST
    before, since = np.where(told, before, 0.0), np.where(told, since, 0.0)
    middle = _quantile(before, 0.5)
    distance = np.where(np.isfinite(since), since - middle, 0.0)
    usual = _quantile(np.abs(before - middle), USUAL)
    farthest = np.maximum(np.abs(distance).max(axis=0), np.nanmax(np.abs(before - middle), axis=0))
    width = np.maximum(np.maximum(usual, LEVEL * np.abs(middle)), FARTHEST * farthest)
    away = distance / np.where(width > 0.0, width, 1.0)
    mostly = np.isfinite(before).mean(axis=0)
    return away, np.where(np.isfinite(since), 0.0, mostly)


def _quantile(values: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """[C] of what is there of values [T, C], linear between two; numpy's own takes each column by itself."""
    ordered = np.sort(values, axis=0)  # NaN last
    at = share * (np.isfinite(values).sum(axis=0) - 1)
    low, high = (np.take_along_axis(ordered, round_(at).astype(np.intp)[None], 0)[0] for round_ in (np.floor, np.ceil))
    quantile: NDArray[np.float64] = low + (high - low) * (at - np.floor(at))
    return quantile


def _sharing(case: Case) -> Counter[str]:
    """How many services are on the machine of each."""
    on = dict(edge for edge in case.edges if edge[1] not in case.components)
    together = Counter(on.values())
    return Counter({service: together[on[service]] if service in on else 1 for service in case.components})
