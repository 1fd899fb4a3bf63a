"""`bench telemetry` where Prometheus is not, or does not do what it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.bench import prometheus, telemetry
from experiments.cli import app


def test_without_prometheus_its_rows_are_skipped_saying_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(app, ["bench", "telemetry", "--quick", "--json"])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) == 6
    why = "skipped: no promtool and no prometheus here; Debian's package prometheus has them"
    assert {(row["value"], row["holds"], row["anchor"]) for row in rows} == {(None, None, why)}


def test_a_prometheus_that_fails_misses_the_bar_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise prometheus.PrometheusError("prometheus ended with exit code 1: it said nothing")

    monkeypatch.setattr(prometheus, "missing", lambda: "")
    monkeypatch.setattr(prometheus, "round_trip", fails)
    monkeypatch.setattr(telemetry, "QUICK_SECONDS", 10.0)
    monkeypatch.setattr(telemetry, "RUNS", {"inference": "gpu-power-cap"})
    rows = list(telemetry.rows(quick=True))
    assert [row.holds for row in rows] == [False] * 3
    assert {row.anchor for row in rows} == {"prometheus ended with exit code 1: it said nothing"}
