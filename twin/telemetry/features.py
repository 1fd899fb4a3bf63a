"""The feature axis: what policies may see of all component kinds, in one fixed order, so that one network reads both
clusters. What an exporter exposes beyond that is in `twin.telemetry.exposition`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from twin import inference, openstack
from twin.components import Component
from twin.telemetry.exposition import series_of
from twin.telemetry.records import Profile

KINDS: dict[str, type[Component]] = {kind.kind: kind for kind in (*inference.KINDS, *openstack.KINDS)}
"""Component kinds of both clusters; the position is the kind's number in observations."""

SHOWN: dict[str, frozenset[str]] = {
    name: frozenset(s.name for s in series_of(kind.metrics) if s.profile is not None) for name, kind in KINDS.items()
}
"""By kind: the features that its exporter has. Others may have a series of the same name that is exported only."""

_SERIES = {s.name: s for kind in KINDS.values() for s in series_of(kind.metrics) if s.profile is not None}
FEATURES: tuple[str, ...] = tuple(_SERIES)
"""Series names: the feature axis of scrapes and observations."""

IS_COUNTER = np.array([series.counter for series in _SERIES.values()])
"""[feature] which features are counters, to be read as rates."""

_RANK = {profile: rank for rank, profile in enumerate(get_args(Profile))}
PROFILES: dict[str, tuple[str, ...]] = {
    profile: tuple(s.name for s in _SERIES.values() if s.profile is not None and _RANK[s.profile] > rank)
    for profile, rank in _RANK.items()
}
"""What each telemetry profile leaves out."""


def hidden(profile: str, absent: Iterable[str] = ()) -> NDArray[np.intp]:
    """The feature columns that are not scraped under a profile, nor where exporters do not have the series `absent`."""
    names = {*PROFILES[profile], *absent}
    return np.array([j for j, name in enumerate(FEATURES) if name in names], dtype=np.intp)
