"""Explaining away: a service's symptom is its callee's doing where the callee has the symptom too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

DEEPEST = 16
"""Calls that trouble is followed down at most."""


def passed_down(
    moving: Mapping[str, float], attracting: Mapping[str, float], edges: Iterable[tuple[str, str]], half: float
) -> dict[str, float]:
    """What of the `moving` scores stands where, after each service has handed its on to what it depends on.

    A random walker that stands at a service goes on with probability a / (a + half), where a is the largest
    `attracting` score of what it depends on, to each in proportion to it; else it stays.
    """
    below: dict[str, dict[str, float]] = defaultdict(dict)
    for one, other in edges:
        if attracting.get(other, 0.0) > 0.0 and one != other:
            below[one][other] = attracting[other]
    standing: dict[str, float] = defaultdict(float)
    walking = dict(moving)
    for _ in range(DEEPEST):
        following: dict[str, float] = defaultdict(float)
        for service, score in walking.items():
            most = max(below[service].values(), default=0.0)
            leaves = score * most / (most + half)
            standing[service] += score - leaves
            total = sum(below[service].values())
            for other, weight in below[service].items():
                following[other] += leaves * weight / total
        walking = following
    for service, score in walking.items():
        standing[service] += score
    return dict(standing)


def missing_from_callers(scores: Mapping[str, float], edges: Iterable[tuple[str, str]]) -> dict[str, float]:
    """What is left of losses that a caller does not have as well: who is not asked has nothing to say. Whom nobody
    calls is asked by users, and what they leave is no fault of his."""
    callers = defaultdict(list)
    for caller, callee in edges:
        callers[callee].append(caller)
    return {
        service: max(0.0, score - max(scores.get(caller, 0.0) for caller in callers[service]))
        for service, score in scores.items()
        if callers[service]
    }
