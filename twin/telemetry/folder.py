"""A telemetry folder: what a run leaves on disk, and windows read back from it.

    scenario.yaml     the resolved scenario            topology.json   components and edges
    logs.jsonl        time, component, level, line     logs/*.log      the same lines, a file a component
    metrics.csv       time, component, metric, value   traces.jsonl    spans
    alarms.jsonl      alarms                           manifest.json   seed, span of time, sha256 of each file
    truth/            incidents, SLO by the second, actions: the oracle, never read by `read`

Same resolved scenario, seed, versions and CPU family: the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twin.scenario.load import to_yaml
from twin.telemetry.features import FEATURES
from twin.telemetry.records import Alarm, LogLine, Span
from twin.telemetry.window import Node, Topology, Window

if TYPE_CHECKING:
    from twin.world import World

FORMAT = 1
"""Version of the layout above."""


class FolderError(ValueError):
    """A telemetry folder that cannot be written or read; the message says where and what to do."""


def prepare(folder: Path, force: bool = False) -> None:
    """Make sure that `folder` can take a run: it does not exist, is empty, or `force` says to write into it anyway.

    Raises FolderError otherwise. Nothing that is there is deleted.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise FolderError(f"{folder} is not empty; name another folder, or use --force to overwrite what a run writes")
    folder.mkdir(parents=True, exist_ok=True)


def write(world: World, folder: Path) -> dict[str, str]:
    """Write everything recorded so far; returns the sha256 of each file by its relative name."""
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    (folder / "truth").mkdir(exist_ok=True)
    (folder / "scenario.yaml").write_text(to_yaml(world.scenario), encoding="utf-8")
    topology = {
        "cluster": world.topology.cluster,
        "components": [asdict(node) for node in world.topology.components],
        "edges": world.topology.edges,
    }
    _write_json(folder / "topology.json", topology)
    _write_logs(world, folder)
    _write_metrics(world, folder / "metrics.csv")
    _write_lines(folder / "traces.jsonl", (span._asdict() for span in world.recorder.spans))
    _write_lines(folder / "alarms.jsonl", (alarm._asdict() for alarm in world.recorder.alarms))
    _write_truth(world, folder / "truth")
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")
    hashes = {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    manifest = {
        "format": FORMAT,
        "scenario": world.scenario.metadata.name,
        "seed": world.seed,
        "epoch": world.epoch,
        "end": world.now,
        "scrape": world.spec.telemetry.scrape,
        "interval": world.spec.control.interval,
        "warmup": world.spec.control.warmup,
        "acceleration": world.spec.acceleration,
        "features": FEATURES,
        "sha256": hashes,
    }
    _write_json(folder / "manifest.json", manifest)
    return hashes


def _write_logs(world: World, folder: Path) -> None:
    files: dict[str, list[str]] = {}
    with (folder / "logs.jsonl").open("w", encoding="utf-8") as out:
        for line in world.log_lines(-1.0, world.now):
            out.write(json.dumps(line._asdict()) + "\n")
            files.setdefault(line.component, []).append(line.text)
    for component, lines in files.items():
        (folder / "logs" / f"{component}.log").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_metrics(world: World, path: Path) -> None:
    names = [node.name for node in world.topology.components]
    with path.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(("time", "component", "metric", "value"))
        for time, values in zip(world.recorder.scrape_times, world.recorder.scrapes, strict=True):
            for i, j in zip(*np.nonzero(~np.isnan(values)), strict=True):
                rows.writerow((time, names[i], FEATURES[j], repr(float(values[i, j]))))


def _write_truth(world: World, folder: Path) -> None:
    incidents = []
    for incident in world.truth.incidents.values():
        fields = {k: v for k, v in asdict(incident).items() if k != "open_conditions"}
        layers = sorted({condition.layer.value for _, condition in incident.open_conditions})
        incidents.append({**fields, "open_layers": layers})
    _write_json(folder / "incidents.json", incidents)
    with (folder / "slo.csv").open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(("second", "loss", "violated"))
        for second, (loss, violated) in enumerate(zip(world.slo.loss, world.slo.violated, strict=True), 1):
            rows.writerow((second, loss, int(violated)))
    actions = [
        {
            **asdict(t.action),
            "started": t.started,
            "finished": t.finished,
            "legal": t.legal,
            "relieved": len(t.relieved),
        }
        for t in world.tickets
    ]
    _write_json(folder / "actions.json", actions)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")


@dataclass(frozen=True)
class TelemetryFolder:
    """An exported run, read back without its truth."""

    path: Path
    manifest: dict[str, Any]
    topology: Topology

    @cached_property
    def logs(self) -> list[LogLine]:
        """All log lines."""
        return [LogLine(**row) for row in _read_lines(self.path / "logs.jsonl")]

    @cached_property
    def spans(self) -> list[Span]:
        """All spans."""
        return [Span(**row) for row in _read_lines(self.path / "traces.jsonl")]

    @cached_property
    def alarms(self) -> list[Alarm]:
        """All alarms."""
        return [Alarm(**row) for row in _read_lines(self.path / "alarms.jsonl")]

    @cached_property
    def _scrapes(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Scrape times [time] and values [component, feature, time], without metrics this version does not know."""
        columns = {name: j for j, name in enumerate(FEATURES)}
        by_time: dict[float, NDArray[np.float32]] = {}
        shape = (len(self.topology.components), len(FEATURES))
        path = self.path / "metrics.csv"
        with _open(path) as file:
            for row in csv.DictReader(file):
                try:
                    time, i = float(row["time"]), self.topology.index[row["component"]]
                    values = by_time.setdefault(time, np.full(shape, np.nan, np.float32))
                    if row["metric"] in columns:
                        values[i, columns[row["metric"]]] = float(row["value"])
                except (KeyError, ValueError, TypeError):
                    raise FolderError(f"{path}: not a sample of this topology: {dict(row)}") from None
        times = np.array(sorted(by_time))
        values = np.stack([by_time[t] for t in times], axis=2) if len(times) else np.empty((*shape, 0), np.float32)
        return times, values

    def decision_times(self, interval: float | None = None) -> list[float]:
        """The control-interval grid from the end of the warm-up on (seconds)."""
        step = interval or float(self.manifest["interval"])
        start, end = float(self.manifest["warmup"]), float(self.manifest["end"])
        return [start + i * step for i in range(int((end - start) / step) + 1)]

    def window(self, start: float, end: float) -> Window:
        """The telemetry with start < time <= end, as the world's own `observe` gives it at time `end`."""
        times, values = self._scrapes
        inside = (times >= start) & (times <= end)

        def lines(since: float) -> list[LogLine]:
            first = bisect_right(self.logs, since, key=lambda line: line.time)
            return self.logs[first : bisect_right(self.logs, end, key=lambda line: line.time)]

        # An alarm that resolves after `end` still fires in the eyes of who looks at `end`.
        alarms = [a for a in self.alarms if a.time <= end and (a.resolved is None or a.resolved > start)]
        return Window(
            start=start,
            end=end,
            epoch=float(self.manifest["epoch"]),
            topology=self.topology,
            features=FEATURES,
            scrape_times=times[inside],
            metrics=values[:, :, inside],
            alarms=tuple(a if (a.resolved or 0.0) <= end else a._replace(resolved=None) for a in alarms),
            _render_logs=lambda: lines(start),
            _count_lines=lambda since: Counter((li.component, li.level) for li in lines(max(since, start))),
            _spans=lambda: [s for s in self.spans if start < s.start + s.duration <= end],
        )


def read(path: Path) -> TelemetryFolder:
    """Open a telemetry folder. Raises FolderError where it is none, or of another version of the layout."""
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        topology = json.loads((path / "topology.json").read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise FolderError(f"{path} has layout version {manifest['format']}; this version reads {FORMAT}")
        return TelemetryFolder(
            path,
            manifest,
            Topology(
                topology["cluster"],
                tuple(Node(**node) for node in topology["components"]),
                tuple((a, b) for a, b in topology["edges"]),
            ),
        )
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise FolderError(f"{path} is not a telemetry folder written by `healtwin simulate`: {error}") from None


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with _open(path) as file:
        for number, text in enumerate(file, 1):
            try:
                yield json.loads(text)
            except json.JSONDecodeError as error:
                raise FolderError(f"{path}:{number}: not JSON: {error.msg}") from None


def _open(path: Path) -> Any:
    try:
        return path.open(encoding="utf-8", newline="" if path.suffix == ".csv" else None)
    except OSError as error:
        raise FolderError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from None
