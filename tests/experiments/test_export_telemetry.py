"""`healtwin export-telemetry` and `simulate --export`: a folder a format, and what is wrong in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app

SHORT = ("--set", "spec.horizon=100s", "--set", "spec.faults.0.at=20s", "--no-track", "--seed", "0")


def invoke(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    invoke("simulate", "gpu-power-cap", "--out", str(out), *SHORT, "--export", "rcaeval,loki")
    return out


def test_a_run_and_a_later_export_of_it_are_the_same(run: Path, tmp_path: Path) -> None:
    invoke("export-telemetry", str(run), "--format", "loki, rcaeval,text", "--out", str(tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"rcaeval", "loki", "text"}
    for name in ("rcaeval/data.csv", "rcaeval/truth.json", "loki/push.jsonl"):
        assert (run / "export" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_what_is_wrong_is_said_before_anything_is_written(run: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    said = invoke("export-telemetry", str(run), "--format", "loki,elastic", "--out", out, code=2)
    assert "no format 'elastic'; there are rcaeval, openmetrics, loki, otlp, parquet, text" in said
    assert "no format 'x'" in invoke("simulate", "gpu-power-cap", *SHORT, "--out", out, "--export", "x", code=2)
    assert not (tmp_path / "out").exists()
    said = invoke("export-telemetry", str(tmp_path), "--format", "loki", "--out", out, code=2)
    assert "is not a telemetry folder written by `healtwin simulate`" in said
    (tmp_path / "out" / "loki").mkdir(parents=True)
    (tmp_path / "out" / "loki" / "mine").touch()
    assert "is not empty" in invoke("export-telemetry", str(run), "--format", "loki", "--out", out, code=2)
    invoke("export-telemetry", str(run), "--format", "loki", "--out", out, "--force")


def test_a_run_without_a_fault_is_no_case(tmp_path: Path) -> None:
    short = ("--set", "spec.horizon=70s", "--no-track", "--out", str(tmp_path / "run"), "--export", "rcaeval")
    assert "no fault was injected in this run" in invoke("simulate", "inference-healthy", *short, code=2)
