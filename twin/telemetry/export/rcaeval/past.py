"""The last minute of the series that a case's columns are made of, and what a column and a pair of services are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from twin.telemetry.dialects import exported
from twin.telemetry.export.promql import Samples, histogram_quantile
from twin.telemetry.exposition import parted, written
from twin.telemetry.folder import Scrape, TelemetryFolder

ENGINE_LABELS = frozenset({"engine", "model_name"})
"""Labels that are the same for all of an engine's series."""


@dataclass(frozen=True, slots=True)
class Column:
    """`<service>_<metric>`, and its value at the scrape that was pushed last, NaN where it is absent."""

    name: str
    value: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Pair:
    """Requests from one service to another: the quantile of their durations now, ms; NaN where there were none."""

    source: str
    destination: str
    quantile: Callable[[float], float]


@dataclass(slots=True)
class Buckets:
    """The buckets of one histogram, by their upper bounds as printed."""

    name: str
    """Its family by the name that its exporter prints, labels in alphabetical order."""
    samples: dict[str, Samples] = field(default_factory=dict)

    def quantile(self, q: float, rate: Callable[[Samples], float]) -> float:
        """The q-quantile of what was observed, by that kind of rate of the buckets; NaN where nothing was."""
        if "+Inf" not in self.samples:
            return math.nan
        total = rate(self.samples["+Inf"])
        if not total > 0.0:
            return math.nan
        bounds = sorted((float(le), le) for le in self.samples)
        finite = [bound for bound, _ in bounds if bound < math.inf]
        return histogram_quantile(q, finite, [rate(self.samples[le]) for _, le in bounds])


@dataclass(slots=True)
class _Component:
    """What is kept of one component, and the names that its exporter has for it."""

    series: dict[str, Samples] = field(default_factory=dict)
    histograms: dict[str, Buckets] = field(default_factory=dict)
    seen: Iterable[str] = ()
    routes: list[tuple[str, Samples]] = field(default_factory=list)


class Past:
    """The series that were asked for. Push every scrape; then look at them."""

    def __init__(self, folder: TelemetryFolder) -> None:
        self._dialect = folder.manifest["dialect"]
        self._components: dict[str, _Component] = {}

    def series(self, component: str, name: str) -> Samples:
        """A series by its name in the twin; one that never has a sample where no exporter has it."""
        return self._of(component).series.setdefault(self._shown(name), Samples())

    def histogram(self, component: str, name: str) -> Buckets:
        """A histogram by the name of its family in the twin."""
        shown = self._shown(f"{name}_bucket").removesuffix("_bucket") if "{" not in name else plain(name)
        return self._of(component).histograms.setdefault(shown, Buckets(shown))

    def push(self, scrape: Scrape) -> None:
        """The next scrape."""
        for name, kept in self._components.items():
            values = scrape.values.get(name, {})
            if values.keys() != kept.seen:
                kept.seen = values.keys()
                _find(kept, values)
            for shown, samples in kept.routes:
                samples.push(scrape.time, values.get(shown))

    def _of(self, component: str) -> _Component:
        return self._components.setdefault(component, _Component())

    def _shown(self, name: str) -> str:
        found = exported(self._dialect, name)
        return plain(found[0]) if found is not None else ""


def plain(name: str) -> str:
    """An exported name without the labels that are the same for all of an engine's, the others in order."""
    bare, labels = parted(name)
    return written(bare, {label: labels[label] for label in sorted(labels.keys() - ENGINE_LABELS)})


def _find(kept: _Component, names: Iterable[str]) -> None:
    """Note under which name each series is exported now; what is not is pushed as absent."""
    found = {plain(name): name for name in names}
    if kept.histograms:
        for shown in found:
            bare, labels = parted(shown)
            bound = labels.pop("le", None)
            buckets = kept.histograms.get(written(bare.removesuffix("_bucket"), labels))
            if bound is not None and buckets is not None:
                buckets.samples.setdefault(bound, Samples())
    kept.routes = [(found.get(shown, ""), samples) for shown, samples in kept.series.items()]
    for buckets in kept.histograms.values():
        bare, labels = parted(buckets.name)
        for bound, samples in buckets.samples.items():
            shown = plain(written(f"{bare}_bucket", {**labels, "le": bound}))
            kept.routes.append((found.get(shown, ""), samples))
