"""A waypoint of the service mesh: the proxy between pods that measures each request.

In Istio's ambient mode requests between pods pass an Envoy proxy of the namespace, whose histograms know both ends.
What stays within a pod does not pass it. Here the pod that is called exposes what was measured on the way to it; the
counts are the proxy's and outlive that pod's process.
"""

from __future__ import annotations

from twin.telemetry.histogram import Histogram
from twin.telemetry.records import Metric, histogram

BUCKETS_MS = (
    0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0,
    1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 1.8e6, 3.6e6,
)  # fmt: skip
"""Envoy's buckets (source/common/stats/histogram_impl.cc), which Istio leaves as they are."""


class Waypoint:
    """Durations of the requests from one app to another, whatever became of them."""

    def __init__(self, source: str, destination: str) -> None:
        labels = f'destination_app="{destination}",reporter="waypoint",source_app="{source}"'
        self.metric: Metric = histogram(f"istio_request_duration_milliseconds{{{labels}}}", BUCKETS_MS, "ms")
        self._durations = Histogram(BUCKETS_MS)

    def observe(self, seconds: float) -> None:
        """A request has ended."""
        self._durations.observe(1000.0 * seconds)

    def values(self) -> list[float]:
        """The series of `metric`."""
        return self._durations.values()
