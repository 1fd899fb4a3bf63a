"""Peers: services that do the same work, and so tell a fault of one of them from a change that came to them all.

A crowd of users, a release, a slow gateway move every replica; a broken replica moves alone, or most. What a service
deviates beyond its peers is its own (Kasick, Tan, Gandhi and Narasimhan, "Black-Box Problem Diagnosis in Parallel File
Systems", FAST 2010: peers are compared, for an absolute bar would need a model of the load).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import median

import numpy as np
from numpy.typing import NDArray

_NUMBER = re.compile(r"\d{1,9}(?=\D{0,40}$)")
"""The last number of a name, which tells one replica from another: `engine-2`, `agent@host-1`."""


def peers(services: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The peers of each service, itself left out: those whose names differ in the last number only."""
    groups: dict[str, list[str]] = defaultdict(list)
    for service in services:
        groups[_NUMBER.sub("#", service)].append(service)
    return {one: tuple(other for other in group if other != one) for group in groups.values() for one in group}


def beyond(own: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is left of deviations [...] that those of the peers [..., P] do not share: never more than `own`, nor of
    another sign."""
    if not others.shape[-1]:
        return own
    left = own - np.median(others, axis=-1)
    kept: NDArray[np.float64] = np.where(left * own > 0, np.sign(own) * np.minimum(np.abs(own), np.abs(left)), 0.0)
    return kept


def scores_beyond(scores: Mapping[str, float], of: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """The same of one score a service, none of them negative. `of`: the `peers` that could have one."""
    common = {one: median([scores.get(other, 0.0) for other in of[one]]) for one in scores if of.get(one)}
    return {one: max(0.0, score - common.get(one, 0.0)) for one, score in scores.items()}
