"""Metrics pages of a running world, as its exporters would serve them: Prometheus' text format, version 0.0.4.

A page shows the newest scrape that the twin itself has made, for looking at a component more often would change what it
counts (invariant: the past does not depend on the observer). It is as old as the scrape interval at most.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text-based format).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.telemetry.exporters import described, shown
from twin.telemetry.exposition import number
from twin.telemetry.families import Family, families, target_labels

if TYPE_CHECKING:
    from twin.world import World

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Target(NamedTuple):
    """An exporter that has answered at least once: a component and its kind."""

    instance: str
    job: str


class _Exporter(NamedTuple):
    kind: str
    first: int
    last: int
    families: list[Family]


class Pages:
    """The pages of one world. `show` is called by who runs it; the rest by any thread, at any time."""

    def __init__(self, world: World) -> None:
        self._world = world
        layout = world.exposition
        everything: list[tuple[str, str]] = []
        positions: list[int] = []
        factors: list[float] = []
        self._exporters: dict[str, _Exporter] = {}
        metrics = {c.name: tuple(described(world.dialect, c)) for c in world.components.values()}
        for component, names, offset in zip(world.components.values(), layout.names, layout.offsets, strict=True):
            own: list[tuple[str, str]] = []
            for place, name in enumerate(names, offset):
                column = shown(world.dialect, component, name)
                if column is not None:
                    own.append((component.name, column[0]))
                    positions.append(place)
                    factors.append(column[1])
            if own:
                page = families(own, metrics, {component.name: {}})
                first = len(everything)
                self._exporters[component.name] = _Exporter(component.kind, first, first + len(own), page)
                everything += own
        self._positions, self._factors = np.array(positions, np.intp), np.array(factors)
        labels = {name: target_labels(name, exporter.kind) for name, exporter in self._exporters.items()}
        self._everything = families(everything, metrics, labels)
        self._values: NDArray[np.float64] = np.full(len(everything), np.nan)
        self._targets: tuple[Target, ...] = ()

    def show(self) -> None:
        """From now on, show the newest scrape of the world."""
        if not self._world.recorder.series:
            return
        self._values = self._world.recorder.series[-1][self._positions] * self._factors
        known = {target.instance for target in self._targets}
        self._targets += tuple(
            Target(name, exporter.kind)
            for name, exporter in self._exporters.items()
            if name not in known and _answers(self._values[exporter.first : exporter.last])
        )

    @property
    def components(self) -> Sequence[str]:
        """Components that have an exporter."""
        return tuple(self._exporters)

    @property
    def targets(self) -> tuple[Target, ...]:
        """What service discovery would find; hardware in stock is not found before it is put to use."""
        return self._targets

    def page(self, component: str) -> str | None:
        """What a component's exporter shows; None where it does not answer. Raises KeyError where there is none."""
        exporter = self._exporters[component]
        values = self._values[exporter.first : exporter.last]
        return "".join(_lines(exporter.families, values.tolist())) if _answers(values) else None

    def everything(self) -> str:
        """What all exporters that answer show, with the labels `instance` and `job`."""
        return "".join(_lines(self._everything, self._values.tolist()))


def _answers(values: NDArray[np.float64]) -> bool:
    return not bool(np.isnan(values).all())


def _lines(page: Iterable[Family], values: list[float]) -> Iterable[str]:
    for family in page:
        lines = [
            f"{member.printed} {number(values[member.position])}\n"
            for members in family.metrics.values()
            for member in members
            if values[member.position] == values[member.position]
        ]
        if lines:
            yield f"# TYPE {family.name} {family.type}\n"
            yield from lines
