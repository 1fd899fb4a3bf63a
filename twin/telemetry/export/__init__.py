"""Formats in which a run leaves the twin, each a module that reads a telemetry folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twin.telemetry.export import loki, openmetrics, otlp, parquet, rcaeval, text
from twin.telemetry.folder import TelemetryFolder

FORMATS: dict[str, Callable[[TelemetryFolder, Path], None]] = {
    "rcaeval": rcaeval.write,
    "openmetrics": openmetrics.write,
    "loki": loki.write,
    "otlp": otlp.write,
    "parquet": parquet.write,
    "text": text.write,
}
"""By name: what writes a run into a folder. All stream: memory does not depend on the length of the run."""
