"""What the exporters of one cluster expose: every series of every component, in one flat order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.telemetry.records import Metric, MetricType, Profile


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a metrics page: a gauge or counter, or one of a histogram's."""

    name: str
    counter: bool
    profile: Profile | None


def series_of(metrics: Iterable[Metric]) -> Iterator[Series]:
    """The series of metrics, in the order of `Component.sample`."""
    for metric in metrics:
        if metric.type is not MetricType.HISTOGRAM:
            yield Series(metric.name, metric.type is MetricType.COUNTER, metric.profile)
            continue
        name, brace, labels = metric.name.partition("{")
        labels = labels.rstrip("}")
        yield Series(f"{name}_sum{brace}{labels}{'}' if brace else ''}", True, metric.profile)
        yield Series(f"{name}_count{brace}{labels}{'}' if brace else ''}", True, metric.profile)
        for bound in (*metric.buckets, np.inf):
            le = "+Inf" if bound == np.inf else repr(float(bound))
            yield Series(f'{name}_bucket{{{labels}{"," if labels else ""}le="{le}"}}', True, None)


_ESCAPE = re.compile(r'\\([\\"n])')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def parted(series: str) -> tuple[str, dict[str, str]]:
    """A series' name and its labels, whose values stay escaped as they are printed."""
    name, _, labels = series.partition("{")
    return name, dict(_LABEL.findall(labels))


def unescaped(value: str) -> str:
    """A label's value as it was before it was printed."""
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], value)


def written(name: str, labels: Mapping[str, str]) -> str:
    """A name with labels as a metrics page prints them; `parted` takes it apart again."""
    inside = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{inside}}}" if inside else name


def number(value: float) -> str:
    """The shortest text that reads back as the same float, whole numbers without a point."""
    return repr(value).removesuffix(".0")


def family(series: str) -> str:
    """The histogram that a series is part of: without `_sum`, `_count` or `_bucket`, and without the bucket's bound."""
    name, labels = parted(series)
    for part in ("_sum", "_count", "_bucket"):
        name = name.removesuffix(part)
    return written(name, {label: value for label, value in labels.items() if label != "le"})


@dataclass(frozen=True)
class Exposition:
    """The flat order of one cluster's series. `names[i]` are those of component i, from `offsets[i]` on."""

    components: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    offsets: tuple[int, ...]
    size: int
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    positions: NDArray[np.intp]
    """[k] the flat series at `positions` are the features at (`rows`, `columns`)."""


def exposition(components: Iterable[tuple[str, Iterable[Metric]]], features: tuple[str, ...]) -> Exposition:
    """Lay out the series of components given as (name, metrics); `features` is the feature axis."""
    column = {name: j for j, name in enumerate(features)}
    owners, names, offsets = [], [], []
    rows, columns, positions = [], [], []
    size = 0
    for row, (owner, metrics) in enumerate(components):
        series = list(series_of(metrics))
        owners.append(owner)
        names.append(tuple(s.name for s in series))
        offsets.append(size)
        for i, one in enumerate(series):
            if one.profile is not None:
                rows.append(row)
                columns.append(column[one.name])
                positions.append(size + i)
        size += len(series)
    return Exposition(
        tuple(owners),
        tuple(names),
        tuple(offsets),
        size,
        np.array(rows, np.intp),
        np.array(columns, np.intp),
        np.array(positions, np.intp),
    )
