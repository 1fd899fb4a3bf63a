"""What one component's exporter shows of it, in the names of a dialect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twin.components import Component
from twin.telemetry.dialects import Dialect, constant_labels, exported, labelled
from twin.telemetry.exposition import family, series_of
from twin.telemetry.records import MetricType


@dataclass(frozen=True, slots=True)
class ExportedMetric:
    """A metric by its exported name. The series of a histogram are its name with `_sum`, `_count` and `_bucket`."""

    name: str
    type: str
    unit: str


def shown(dialect: Dialect, component: Component, series: str) -> tuple[str, float] | None:
    """The exported name of a series, with the labels that are the same for all of an engine's, and its factor.

    None where the dialect has no such series.
    """
    found = exported(dialect, series)
    if found is None or not series.startswith("vllm:"):
        return found
    return labelled(found[0], constant_labels(component)), found[1]


def described(dialect: Dialect, component: Component) -> Iterator[ExportedMetric]:
    """What the exporter says of its metrics; a histogram is one of them."""
    for metric in component.metrics:
        first = next(filter(None, (shown(dialect, component, series.name) for series in series_of([metric]))), None)
        if first is not None:
            name = family(first[0]) if metric.type is MetricType.HISTOGRAM else first[0]
            yield ExportedMetric(name, metric.type.value, metric.unit)
