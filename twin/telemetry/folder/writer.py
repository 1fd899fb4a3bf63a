"""Writing a telemetry folder while the world lives, so that a long run needs no more memory than a short one."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twin.scenario.load import to_yaml
from twin.telemetry.exporters import described, shown
from twin.telemetry.features import FEATURES
from twin.telemetry.folder.layout import FORMAT
from twin.telemetry.folder.series import Table
from twin.telemetry.lines import render
from twin.telemetry.records import Span

if TYPE_CHECKING:
    from twin.world import World

KEPT_SECONDS = 900.0
"""What a streaming writer leaves in the recorder, simulated seconds: more than any window that is asked for."""


class Writer:
    """Writes one world's telemetry in as many parts as one likes; the bytes are the same however many they are.

    Call `write` now and then and `close` once, at the end. With `forgets`, the recorder loses what has been written
    and is older than `KEPT_SECONDS`.
    """

    def __init__(self, world: World, folder: Path, forgets: bool = False) -> None:
        self.world = world
        self.folder = folder
        self._forgets = forgets
        self._begun: dict[str, Path] = {}
        """The files of this run, by name relative to the folder."""
        self._lines = self._spans = self._scrapes = 0
        tables = (
            Table([shown(world.dialect, component, name) for name in names], offset)
            for component, names, offset in zip(
                world.components.values(), world.exposition.names, world.exposition.offsets, strict=True
            )
        )
        self._tables = {
            name: table for name, table in zip(world.exposition.components, tables, strict=True) if table.names
        }
        for part in ("logs", "metrics", "truth"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for name in ("logs.jsonl", "traces.jsonl"):
            self._append(name, "")

    def write(self) -> None:
        """Write what has been recorded since the last call."""
        self._write_logs()
        self._write_spans()
        self._write_metrics()
        if self._forgets:
            kept = max(KEPT_SECONDS, 3.0 * self.world.spec.telemetry.scrape)
            self.world.recorder.forget(before=self.world.now - kept)

    def close(self) -> dict[str, str]:
        """Write the rest and what is known only at the end; returns the sha256 of each file by its relative name."""
        self.write()
        world = self.world
        self._append("scenario.yaml", to_yaml(world.scenario))
        topology = {
            "cluster": world.topology.cluster,
            "components": [asdict(node) for node in world.topology.components],
            "edges": world.topology.edges,
        }
        self._append("topology.json", _json(topology))
        metrics = {
            c.name: [asdict(metric) for metric in described(world.dialect, c)]
            for c in world.components.values()
            if c.metrics
        }
        self._append("metrics.json", _json(metrics))
        # Alarms wait for the end: an alarm that fires is written with the moment at which it stops.
        self._append("alarms.jsonl", _json_lines(alarm._asdict() for alarm in world.recorder.alarms))
        self._write_truth()
        hashes = {name: _sha256(path) for name, path in sorted(self._begun.items())}
        manifest = {
            "format": FORMAT,
            "scenario": world.scenario.metadata.name,
            "seed": world.seed,
            "epoch": world.epoch,
            "end": world.now,
            "scrape": world.spec.telemetry.scrape,
            "profile": world.spec.telemetry.profile,
            "dialect": world.dialect,
            "interval": world.spec.control.interval,
            "warmup": world.spec.control.warmup,
            "acceleration": world.spec.acceleration,
            "features": FEATURES,
            "sha256": hashes,
        }
        self._append("manifest.json", _json(manifest))
        return hashes

    def _append(self, name: str, text: str) -> None:
        """Add to a file of this run; the first time, whatever it held before is gone."""
        path = self._begun.get(name)
        if path is None:
            path = self._begun[name] = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        elif text:
            with path.open("a", encoding="utf-8", newline="") as file:
                file.write(text)

    def _write_logs(self) -> None:
        world, recorder = self.world, self.world.recorder
        everything = io.StringIO()
        files: dict[str, list[str]] = {}
        for record in recorder.logs_since(self._lines):
            line = render(record, world.epoch, world.dialect)
            everything.write(json.dumps(line._asdict()) + "\n")
            files.setdefault(line.component, []).append(line.text + "\n")
        self._lines = recorder.logged
        self._append("logs.jsonl", everything.getvalue())
        for component, lines in files.items():
            self._append(f"logs/{component}.log", "".join(lines))

    def _write_spans(self) -> None:
        recorder = self.world.recorder
        self._append("traces.jsonl", _json_lines(map(_span, recorder.spans_since(self._spans))))
        self._spans = recorder.traced

    def _write_metrics(self) -> None:
        recorder = self.world.recorder
        times, series = recorder.scrapes_since(self._scrapes)
        if not times:
            return
        for component, table in self._tables.items():
            head = table.head() if self._scrapes == 0 else ""
            self._append(f"metrics/{component}.csv", head + table.rows(times, series))
        self._scrapes = recorder.scraped

    def _write_truth(self) -> None:
        world = self.world
        incidents = []
        for incident in world.truth.incidents.values():
            fields = {k: v for k, v in asdict(incident).items() if k != "open_conditions"}
            layers = sorted({condition.layer.value for _, condition in incident.open_conditions})
            incidents.append({**fields, "open_layers": layers})
        self._append("truth/incidents.json", _json(incidents))
        self._append("truth/benign.json", _json([asdict(event) for event in world.truth.benign]))
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(("second", "loss", "violated"))
        for second, (loss, violated) in enumerate(zip(world.slo.loss, world.slo.violated, strict=True), 1):
            rows.writerow((second, loss, int(violated)))
        self._append("truth/slo.csv", text.getvalue())
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
        self._append("truth/actions.json", _json(actions))


def write(world: World, folder: Path) -> dict[str, str]:
    """Write everything recorded so far; returns the sha256 of each file by its relative name."""
    return Writer(world, folder).close()


def _span(span: Span) -> dict[str, Any]:
    row = span._asdict()
    if span.attributes is None:
        del row["attributes"]
    return row


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"


def _json_lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
