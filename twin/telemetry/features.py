"""The feature axis: all metrics of all component kinds in one fixed order, so that one network reads both clusters."""

from __future__ import annotations

import numpy as np

from twin import inference, openstack
from twin.components import Component
from twin.telemetry.records import Metric, MetricType

KINDS: dict[str, type[Component]] = {kind.kind: kind for kind in (*inference.KINDS, *openstack.KINDS)}
"""Component kinds of both clusters; the position is the kind's number in observations."""

METRICS: dict[str, Metric] = {metric.name: metric for kind in KINDS.values() for metric in kind.metrics}
FEATURES: tuple[str, ...] = tuple(METRICS)
"""Metric names: the feature axis of scrapes and observations."""

IS_COUNTER = np.array([metric.type is MetricType.COUNTER for metric in METRICS.values()])
"""[feature] which features are counters, to be read as rates."""

COLUMNS: dict[str, np.ndarray] = {
    name: np.array([FEATURES.index(metric.name) for metric in kind.metrics], dtype=np.intp)
    for name, kind in KINDS.items()
}
"""Per kind: the feature columns of its metrics, in the order of `Component.sample`."""
