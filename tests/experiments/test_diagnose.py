"""`healtwin diagnose`: logs of the twin and of a real cloud, as text and as JSON, and what is wrong in a line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from twin.scenario import Scenario
from twin.telemetry import folder
from twin.telemetry.export import text
from twin.world import World

REAL = Path(__file__).parents[3] / "shared" / "data" / "openstack-real"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the recordings of a real cloud are not here")


def invoke(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["diagnose", *arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Log files of a cloud whose first database dies at 178 s."""
    place = tmp_path_factory.mktemp("cloud")
    world = World(Scenario.load("mysql-primary-down"), seed=0)
    world.run(until=260.0)
    folder.write(world, place / "run")
    text.write(folder.read(place / "run"), place / "logs")
    return place / "logs"


def test_the_log_files_of_a_run_are_read_and_diagnosed(logs: Path) -> None:
    said = invoke("--logs", str(logs), "--at", "00:02:58", "--json")
    found = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    assert set(found) == {"id", "failed", "root_cause", "unknown", "fault_family", "evidence"}
    assert found["id"] == "logs@2026-01-01T00:02:58Z" and found["failed"]
    assert found["root_cause"][0].startswith("mysql")
    assert "100.0% of the lines read" in said


def test_before_the_fault_nothing_failed(logs: Path) -> None:
    assert "nothing failed, as far as the logs say" in invoke("--logs", str(logs), "--at", "00:01:50")


@needs_real
def test_both_faults_of_a_real_cloud_are_found() -> None:
    said = invoke("--logs", str(REAL), "--metrics", str(REAL / "metrics.csv.xz"), "--json")
    found = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    causes = [one["root_cause"][0] for one in found if one["failed"]]
    assert causes[0] == "nova-compute-1"  # killed at 00:14:34, missed by nova a minute later
    assert causes[1] == "mariadb"  # stopped at 00:16:54
    assert any("mariadb: procs: 1 before, 0 now" in line for line in invoke("--logs", str(REAL), "--at", "00:16:54",
        "--metrics", str(REAL / "metrics.csv.xz")).splitlines())  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ("--at", "tomorrow"),
            "--at tomorrow: expected Unix seconds, an ISO time such as 2026-01-01T00:00:00Z",
        ),
        (("--at", "23:59"), "--at 23:59: the logs are from 2026-01-01T00:00:00Z to 2026-01-01T00:0"),
        (("--timezone", "x"), "--timezone x: give +02:00 for all files"),
        (("--metrics", "none.csv"), "cannot read none.csv: No such file or directory"),
    ],
)
def test_what_is_wrong_is_one_line(logs: Path, arguments: tuple[str, ...], complaint: str) -> None:
    assert complaint in invoke("--logs", str(logs), *arguments, code=2)


def test_metrics_of_another_time_and_folders_without_logs_are_refused(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("time,a_b\n1,2\n")
    said = invoke("--logs", str(logs), "--metrics", str(tmp_path / "m.csv"), code=2)
    assert "is not of the time of the logs" in said
    assert "holds no log files" in invoke("--logs", str(tmp_path / ".." / tmp_path.name), code=2)
