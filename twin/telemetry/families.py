"""Metric families: the series of many exporters, sorted into what stands together on a metrics page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from twin.telemetry.exporters import ExportedMetric
from twin.telemetry.exposition import family, parted, written


@dataclass(frozen=True, slots=True)
class Member:
    """One series of a metric: its place among those given, and its name and labels as they are printed."""

    position: int
    printed: str


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics of one name. Its `type` and `unit` are what the exporter of the first of them says."""

    name: str
    type: str
    unit: str
    metrics: dict[str, list[Member]] = field(default_factory=dict)
    """By name and labels; a metric is one series, or all of a histogram's."""


def families(
    series: Iterable[tuple[str, str]],
    described: Mapping[str, Iterable[ExportedMetric]],
    labels: Mapping[str, Mapping[str, str]],
) -> list[Family]:
    """The families, by name, of series given as (component, series).

    `described` is what each component's exporter says of its metrics; a series that it does not describe is a gauge.
    `labels` are put before each component's own labels.
    """
    known = {component: {metric.name: metric for metric in metrics} for component, metrics in described.items()}
    found: dict[str, Family] = {}
    for position, (component, name) in enumerate(series):
        metrics = known.get(component, {})
        metric = metrics.get(name) or metrics.get(family(name)) or ExportedMetric(name, "gauge", "")
        base, own = parted(metric.name)
        bare, all_own = parted(name)
        member = Member(position, written(bare, {**labels[component], **all_own}))
        one = found.setdefault(base, Family(base, metric.type, metric.unit))
        one.metrics.setdefault(written(base, {**labels[component], **own}), []).append(member)
    return sorted(found.values(), key=lambda one: one.name)


def target_labels(instance: str, job: str) -> dict[str, str]:
    """The labels that say which exporter a series is from: a component is an instance, its kind the job."""
    return {"instance": instance, "job": job}
