"""The feature axis: all metrics of all component kinds in one fixed order, so that one network reads both clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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

COLUMNS: dict[str, NDArray[np.intp]] = {
    name: np.array([FEATURES.index(metric.name) for metric in kind.metrics], dtype=np.intp)
    for name, kind in KINDS.items()
}
"""Per kind: the feature columns of its metrics, in the order of `Component.sample`."""

_ENRICHED = ("DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_POWER_VIOLATION")
_SERVING = (
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:num_preemptions_total",
    "vllm:time_to_first_token_seconds_sum",
    "vllm:time_to_first_token_seconds_count",
    "ray_serve_deployment_queued_queries",
)
PROFILES: dict[str, tuple[str, ...]] = {"enriched": (), "serving": _ENRICHED, "paper": (*_SERVING, *_ENRICHED)}
"""What each telemetry profile leaves out. `paper` is what the methods of arXiv 2603.02057 were given: utilisation,
memory, traffic and latency; `serving` adds what the engine says of itself; `enriched` clocks, power and throttling."""


def hidden(profile: str) -> NDArray[np.intp]:
    """The feature columns that are not scraped under a profile."""
    return np.array([FEATURES.index(name) for name in PROFILES[profile]], dtype=np.intp)
