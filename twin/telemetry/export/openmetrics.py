"""The metrics of a run as OpenMetrics 1.0 text, for `promtool tsdb create-blocks-from openmetrics`.

Every sample keeps the name that its exporter gave it, with the labels `instance` (component) and `job` (kind) that a
scrape would add, and `up` of every component once it has answered. What was absent has no sample.

OpenMetrics wants a metric's samples in one place, a folder has them scrape by scrape: they are turned on disk, in
blocks of `BLOCK` scrapes, so that a long run needs no more memory than a short one.

Format: https://prometheus.io/docs/specs/om/open_metrics_spec/ (1.0.0).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from twin.telemetry.exposition import family as histogram_of
from twin.telemetry.exposition import parted, written
from twin.telemetry.folder import ExportedMetric, Scrape, TelemetryFolder

FILE = "metrics.om"
"""What is written into the folder."""
BLOCK = 256
"""Scrapes that are turned at a time."""

Type = Literal["counter", "gauge", "histogram", "unknown"]

UNITS = {"s": "seconds", "%": "percent"}
"""Units that metric names spell out."""

UP = "up"


def write(folder: TelemetryFolder, out: Path) -> None:
    """Write `out`/metrics.om. Raises FolderError where the folder cannot be read."""
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".turning-", dir=out) as scratch, (Path(scratch) / "blocks").open("w+b") as spool:
        turned = _Turned(spool, float(folder.manifest["epoch"]))
        turned.take(folder.each_scrape())
        with (out / FILE).open("w", encoding="utf-8", newline="") as file:
            for one in families(folder, turned.series):
                file.write(one.head())
                for members in one.metrics.values():
                    file.writelines(turned.samples(members))
            file.write("# EOF\n")


# --- which series belong together ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Member:
    """One series of a metric: its place in the order of first appearance, and its name and labels as printed."""

    position: int
    printed: str


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family: metrics of one name and type, each with its series (a histogram's are several)."""

    name: str
    type: Type
    unit: str
    help: str
    metrics: dict[str, list[Member]] = field(default_factory=dict)

    def head(self) -> str:
        """The lines that describe the family."""
        lines = [f"# TYPE {self.name} {self.type}", f"# HELP {self.name} {self.help}"]
        if self.unit:
            lines.insert(1, f"# UNIT {self.name} {self.unit}")
        return "".join(f"{line}\n" for line in lines)


def families(folder: TelemetryFolder, series: Iterable[tuple[str, str]]) -> list[Family]:
    """The families, by name, of series given as (component, series) in the order of their positions."""
    kinds = {node.name: node.kind for node in folder.topology.components}
    types = {name: {metric.name: metric for metric in metrics} for name, metrics in folder.metrics.items()}
    found: dict[str, Family] = {}
    for position, (component, name) in enumerate(series):
        metric = _metric(types.get(component, {}), name)
        base, own = parted(metric.name)
        labels = {"instance": component, "job": kinds[component], **own}
        one = _family(base, metric)
        bare, all_of_it = parted(name)
        member = Member(position, written(bare, {**labels, **all_of_it}))
        found.setdefault(one.name, one).metrics.setdefault(written(base, labels), []).append(member)
    return sorted(found.values(), key=lambda one: one.name)


def _metric(known: dict[str, ExportedMetric], series: str) -> ExportedMetric:
    """The metric that a series is of; one that the folder does not describe is a gauge of its own (`up`)."""
    return known.get(series) or known.get(histogram_of(series)) or ExportedMetric(series, "gauge", "")


def _family(base: str, metric: ExportedMetric) -> Family:
    """The family of a metric, without its series.

    OpenMetrics has no counter whose name does not end in `_total`, as many exporters have: its type is unknown then,
    and the help says what it is. The name is never changed.
    """
    name, kind = base, metric.type
    if base == UP:
        return Family(UP, "gauge", "", "Whether the exporter answered the scrape.")
    told = f"A {kind}{f', in {_unit(metric.unit)}' if metric.unit else ''}"
    if kind == "counter":
        name = base.removesuffix("_total")
        if name == base:
            return Family(base, "unknown", _suffix(base, metric.unit), f"{told}; its name has no _total.")
        return Family(name, "counter", _suffix(name, metric.unit), f"{told}.")
    return Family(base, "histogram" if kind == "histogram" else "gauge", _suffix(base, metric.unit), f"{told}.")


def _unit(unit: str) -> str:
    return UNITS.get(unit, unit)


def _suffix(name: str, unit: str) -> str:
    """The unit where the name ends in it: others are not to be declared."""
    spelt = _unit(unit)
    return spelt if re.fullmatch(r"\w+", spelt) and name.endswith(f"_{spelt}") else ""


# --- scrape by scrape in, series by series out -----------------------------------------------------------------------


class _Turned:
    """Samples by series. A block in the spool is [1 + series known by then, BLOCK] float64: times, then values."""

    def __init__(self, spool: BinaryIO, epoch: float) -> None:
        self._spool = spool
        self._epoch = epoch
        self._positions: dict[tuple[str, str], int] = {}
        self._blocks: list[tuple[int, int]] = []
        """Each block's offset in bytes, and its rows."""

    @property
    def series(self) -> Iterable[tuple[str, str]]:
        """(component, series) in the order of positions."""
        return self._positions

    def take(self, scrapes: Iterable[Scrape]) -> None:
        """Spool every scrape."""
        rows: list[tuple[float, dict[int, float]]] = []
        seen: set[str] = set()
        for scrape in scrapes:
            values: dict[int, float] = {}
            for component, shown in scrape.values.items():
                if shown:
                    seen.add(component)
                if component in seen:
                    values[self._position(component, UP)] = float(bool(shown))
                for name, value in shown.items():
                    values[self._position(component, name)] = value
            rows.append((scrape.time, values))
            if len(rows) == BLOCK:
                self._spool_block(rows)
                rows.clear()
        if rows:
            self._spool_block(rows)

    def _position(self, component: str, series: str) -> int:
        return self._positions.setdefault((component, series), len(self._positions))

    def _spool_block(self, rows: list[tuple[float, dict[int, float]]]) -> None:
        block = np.full((1 + len(self._positions), BLOCK), np.nan)
        for column, (time, values) in enumerate(rows):
            block[0, column] = time
            block[1 + np.fromiter(values, np.intp, len(values)), column] = list(values.values())
        self._blocks.append((self._spool.tell(), len(block)))
        self._spool.write(block.tobytes())

    def samples(self, members: list[Member]) -> Iterator[str]:
        """The lines of one metric in the order of time, in portions."""
        for offset, rows in self._blocks:
            times = self._row(offset, 0)
            present = [m for m in members if 1 + m.position < rows]
            values = [self._row(offset, 1 + m.position).tolist() for m in present]
            printed = [m.printed for m in present]
            lines = []
            for column, time in enumerate(times.tolist()):
                if time != time:
                    break
                stamp = _stamp(self._epoch + time)
                for name, row in zip(printed, values, strict=True):
                    value = row[column]
                    if value == value:
                        lines.append(f"{name} {repr(value).removesuffix('.0')} {stamp}\n")
            yield "".join(lines)

    def _row(self, offset: int, row: int) -> NDArray[np.float64]:
        self._spool.seek(offset + row * BLOCK * 8)
        return np.frombuffer(self._spool.read(BLOCK * 8), np.float64)


def _stamp(unix: float) -> str:
    """Seconds to the millisecond, which is what Prometheus keeps."""
    return f"{unix:.3f}".removesuffix(".000")
