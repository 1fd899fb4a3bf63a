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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from twin.telemetry.exposition import number
from twin.telemetry.families import Family, Member, families, target_labels
from twin.telemetry.folder import Scrape, TelemetryFolder

FILE = "metrics.om"
"""What is written into the folder."""
BLOCK = 256
"""Scrapes that are turned at a time."""

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
            labels = {node.name: target_labels(node.name, node.kind) for node in folder.topology.components}
            for one in families(turned.series, folder.metrics, labels):
                file.write(described(one))
                for members in one.metrics.values():
                    file.writelines(turned.samples(members))
            file.write("# EOF\n")


def described(family: Family) -> str:
    """The lines that describe a family.

    OpenMetrics has no counter whose name does not end in `_total`, as many exporters have: its type is unknown then,
    and the help says what it is. The name is never changed.
    """
    name, type_ = family.name, family.type
    unit = UNITS.get(family.unit, family.unit)
    told = f"A {family.type}{f', in {unit}' if unit else ''}"
    if name == UP:
        told = "Whether the exporter answered the scrape"
    elif type_ == "counter":
        name = family.name.removesuffix("_total")
        if name == family.name:
            type_, told = "unknown", f"{told}; its name has no _total"
    lines = [f"# TYPE {name} {type_}"]
    if re.fullmatch(r"\w+", unit) and name.endswith(f"_{unit}"):  # no other unit may be declared
        lines.append(f"# UNIT {name} {unit}")
    return "".join(f"{line}\n" for line in (*lines, f"# HELP {name} {told}."))


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
                        lines.append(f"{name} {number(value)} {stamp}\n")
            yield "".join(lines)

    def _row(self, offset: int, row: int) -> NDArray[np.float64]:
        self._spool.seek(offset + row * BLOCK * 8)
        return np.frombuffer(self._spool.read(BLOCK * 8), np.float64)


def _stamp(unix: float) -> str:
    """Seconds to the millisecond, which is what Prometheus keeps."""
    return f"{unix:.3f}".removesuffix(".000")
