"""`healtwin rca`: from a suite to scores and findings, on the command line."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.bench.rca import dataset as making
from experiments.bench.rca.dataset import Job
from experiments.cli import app

SUITE = """\
apiVersion: healtwin/v1
kind: Suite
metadata: {name: one}
spec:
  scenarios: [stress-chaos-gpu-ray-replicas-1]
  seeds: {from: 7, count: 1}
  split: validation
"""
SHORT = ("--set", "spec.horizon=130s", "--set", "spec.faults.0.at=90s", "--set", "spec.faults.0.duration=30s")


def invoke(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("rca")
    (place / "one.yaml").write_text(SUITE)
    said = invoke("rca", "dataset", str(place / "one.yaml"), "--out", str(place / "set"), *SHORT, "--workers", "1")
    assert f"1 cases: {place / 'set'}" in said
    return place / "set"


def test_bench_prints_scores_beside_chance_and_writes_a_page(dataset: Path, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "scores.html"
    said = invoke("rca", "bench", str(dataset), "--methods", "two-sided-baro", "--no-track", "--html", str(page))
    assert "rca bench one" in said and "all (1)" in said
    assert "two-sided-baro" in page.read_text() and "chance" in page.read_text()


def test_a_case_that_cannot_be_made_is_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(job: Job, scratch: Path, out: Path) -> None:
        out.mkdir()
        raise OSError("no space left")

    def one_by_one(jobs: list[Job], scratch: Path, workers: int) -> Iterator[object]:
        yield from ((job, making._draft(job, scratch)) for job in jobs)

    monkeypatch.setattr(making, "_lived_through", broken)
    monkeypatch.setattr(making, "_drafts", one_by_one)  # in this process
    (tmp_path / "one.yaml").write_text(SUITE)
    said = invoke("rca", "dataset", str(tmp_path / "one.yaml"), "--out", str(tmp_path / "set"), code=1)
    assert "0 cases:" in said and "1 of 1 cases are not in the data set" in said
    assert "failed: stress-chaos-gpu-ray-replicas-1, seed 7: OSError: no space left" in said
    assert {path.name for path in (tmp_path / "set").iterdir()} == {"cases.jsonl", "dataset.json"}


def test_findings_of_one_data_set_are_undecided(dataset: Path) -> None:
    said = invoke("rca", "findings", str(dataset), "--methods", "two-sided-nsigma")
    assert said.count("undecided") >= 5 and "holds" not in said
    assert "nothing is decided with fewer than 5" in said
    said = invoke("rca", "findings", str(dataset), str(dataset), "--methods", "two-sided-nsigma", code=2)
    assert f"{dataset} and {dataset} are the same cases: profile paper, --set-seed 0" in said


def test_a_broken_case_is_named_and_the_rest_goes_on(dataset: Path, tmp_path: Path) -> None:
    twice = Path(shutil.copytree(dataset, tmp_path / "set"))
    row = json.loads((twice / "cases.jsonl").read_text())
    other = f"{row['case'].rpartition('/')[0]}/2"
    shutil.copytree(twice / row["case"], twice / other)
    rows = [row, {**row, "case": other}]
    (twice / "cases.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    data = twice / other / "data.csv"
    data.write_text(data.read_text().rpartition("\n")[0][:-200])
    for command in (["bench", str(twice), "--no-track"], ["findings", str(twice)]):
        said = invoke("rca", *command, "--methods", "two-sided-baro")
        assert re.search(rf"left out: {other}: {data}:\d+: \d+ cells under \d+ names", said)
        assert "all (1)" in said
    (twice / row["case"] / "inject_time.txt").unlink()
    for command in (["bench", str(twice), "--no-track"], ["findings", str(twice)]):
        said = invoke("rca", *command, "--methods", "two-sided-baro", code=2)
        assert f"left out: {row['case']}: cannot read {twice / row['case'] / 'inject_time.txt'}: No such file" in said
        assert "can be read; make the data set" in said


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("dataset.json", "", ": not the manifest of a data set (Expecting value"),
        ("dataset.json", "{}", ": not the manifest of a data set (has no 'suite'); make the data set again"),
        ("cases.jsonl", "\udcff\n", ": line 1 is no JSON object; make the data set again"),
        ("cases.jsonl", '{"case": "a_b/1"}\n', ": its case 1 does not say case, fault, scenario, seed and tags"),
        ("cases.jsonl", "", " names no cases; make the data set again"),
        ("results.jsonl", "none\n", ": not results of `healtwin rca bench` (line 1 is no JSON object); name another"),
    ],
)
def test_a_data_set_that_is_not_whole_is_refused(
    dataset: Path, tmp_path: Path, file: str, content: str, complaint: str
) -> None:
    broken = Path(shutil.copytree(dataset, tmp_path / "set"))
    (broken / file).write_text(content, errors="surrogateescape")
    assert f"{broken / file}{complaint}" in invoke("rca", "bench", str(broken), "--no-track", code=2)


def test_what_is_wrong_is_one_line(dataset: Path, tmp_path: Path) -> None:
    assert "no method 'magic'" in invoke("rca", "bench", str(dataset), "--methods", "magic", "--no-track", code=2)
    assert "holds no cases" in invoke("rca", "bench", str(tmp_path), "--no-track", code=2)
    part = next(path for path in dataset.iterdir() if path.is_dir())
    assert f"{part} is a part of the data set {dataset}" in invoke("rca", "bench", str(part), "--no-track", code=2)
    said = invoke("rca", "bench", str(dataset), "--no-track", "--html", str(tmp_path), code=2)
    assert f"--html {tmp_path} is a folder; name a file in it" in said
    assert "is not empty" in invoke("rca", "dataset", "rca-llm", "--out", str(dataset.parent), code=2)
