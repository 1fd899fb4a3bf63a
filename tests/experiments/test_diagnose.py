"""`healtwin diagnose`: logs of the twin and of a real cloud, as text and as JSON, and what is wrong in a line."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from twin.scenario import Scenario
from twin.telemetry import folder
from twin.telemetry.export import text
from twin.world import World

EPOCH = 1_767_225_600
"""The first second of a run: 2026-01-01."""
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


def test_a_folder_without_logs_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    assert f"{tmp_path / 'none'}: no such folder" in invoke("--logs", str(tmp_path / "none"), code=2)
    assert f"{tmp_path} holds no log files; name the folder of nova-api.log" in invoke("--logs", str(tmp_path), code=2)
    (tmp_path / "nova-api.log").write_bytes(bytes(range(256)))
    (tmp_path / "nova-compute.log").touch()
    (tmp_path / "notes.txt").write_text("restarted it twice\n")
    said = invoke("--logs", str(tmp_path), code=2)
    assert "notes.txt (no line of a known format), nova-api.log (binary), nova-compute.log (empty)" in said


def test_a_metrics_file_of_another_run_is_refused(logs: Path, tmp_path: Path) -> None:
    def said(content: str) -> str:
        (tmp_path / "m.csv").write_text(content)
        return invoke("--logs", str(logs), "--metrics", str(tmp_path / "m.csv"), code=2)

    hours_later = EPOCH + 7200
    assert "(2026-01-01T02:00:00Z to 2026-01-01T02:00:05Z) is not of the time of the logs (2026-01-01T00:00" in said(
        f"time,nova-api_cpu\n{hours_later},1\n{hours_later + 5},2\n"
    )
    assert "is of ray-head, ray-replicas-0, none of which is in the logs (of cinder-scheduler," in said(
        f"time,ray-head_cpu,ray-replicas-0_cpu\n{EPOCH},1,2\n{EPOCH + 5},1,2\n"
    )


def test_logs_of_mixed_clocks_and_time_zones_are_refused_with_the_option_that_mends_it(
    logs: Path, tmp_path: Path
) -> None:
    for hours, name in ((2.0, "another zone"), (1 / 12, "a clock that is off")):
        place = Path(shutil.copytree(logs, tmp_path / name))
        for file in set((place / "compute-0").rglob("*.log")) - set(place.rglob("libvirt/**/*.log")):
            file.write_text(later(file.read_text(), hours))
        said = invoke("--logs", str(place), code=2)
        option = re.search(r"--timezone (compute-0/\*=\+0[02]:0[05])", said)
        assert option, said
        assert "2026-01-01T00:00:00Z to 2026-01-01T00:04:19Z" in invoke("--logs", str(place), "--timezone", option[1])


def later(lines: str, hours: float) -> str:
    """Lines by a clock that shows so much more on the same day."""

    def moved(stamp: re.Match[str]) -> str:
        shown = datetime.strptime(stamp[2], "%H:%M:%S") + timedelta(hours=hours)
        return f"{stamp[1]} {shown:%H:%M:%S}"

    return re.sub(r"(?m)^([\d-]{10}|\w{3} [ \d]\d) ([\d:]{8})", moved, lines)
