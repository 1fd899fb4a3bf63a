"""A telemetry folder: what a run leaves on disk, and windows read back from it.

    scenario.yaml     the resolved scenario            topology.json   components and edges
    logs.jsonl        time, component, level, line     logs/*.log      the same lines, a file a component
    metrics/*.csv     a file a component: a row a scrape, a column a series by its exported name, empty where absent
    metrics.json      type and unit of each component's metrics, by their exported names
    traces.jsonl      spans                            alarms.jsonl    alarms
    manifest.json     seed, span of time, sha256 of each file
    truth/            incidents, SLO by the second, actions: the oracle, never read by `read`

Same resolved scenario, seed, versions and CPU family: the same bytes.
"""

from __future__ import annotations

from twin.telemetry.exporters import ExportedMetric
from twin.telemetry.folder.layout import FORMAT, FolderError, prepare
from twin.telemetry.folder.reader import Scrape, TelemetryFolder, read
from twin.telemetry.folder.writer import Writer, write

__all__ = ["FORMAT", "ExportedMetric", "FolderError", "Scrape", "TelemetryFolder", "Writer", "prepare", "read", "write"]
