"""Metrics from CSV: both shapes, packed or not, and what is wrong with its line."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from llm.moved import moved
from llm.reading.errors import ReadingError
from llm.reading.metrics import read_metrics

WIDE = "time,nova-api_cpu,mysql_threads\n10,1,\n5,0.5,7\n"
LONG = "t,metric,service,value\n5,cpu,nova-api,0.5\n5,threads,mysql,7\n10,cpu,nova-api,1\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", WIDE.encode()), ("a.csv.gz", gzip.compress(LONG.encode())), ("a.csv.xz", lzma.compress(WIDE.encode()))],
)
def test_either_shape_says_the_same(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    found = {
        (one.component, one.metric): (one.times.tolist(), one.values.tolist()) for one in read_metrics(tmp_path / name)
    }
    assert found == {("nova-api", "cpu"): ([5.0, 10.0], [0.5, 1.0]), ("mysql", "threads"): ([5.0], [7.0])}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a,b\n", "m.csv:1: no column 'time'"),
        ("time,a_b\n1,2\n2,x\n", "m.csv:3: 'x' is no number"),
        ("time,a_b\n1,2,3\n", "m.csv:2: 3 cells under 2 names"),
        ("time,a_b\n", "holds no samples; expected <component>_<metric> columns"),
        ("time,a_b\n2026-01-01T00:00:00Z,2\n", "m.csv:2: its time '2026-01-01T00:00:00Z' is not in Unix seconds"),
        ("time,a_b\n1767225600000,2\n", "m.csv:2: its time '1767225600000' .*; milliseconds and the like must be"),
        ("time,a_b\nnan,2\n", "m.csv:2: its time 'nan' is not in Unix seconds"),
        ("\udcff\udcfe", "not CSV"),
        ("", "no column 'time'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "m.csv").write_text(content, errors="surrogateescape")
    with pytest.raises(ReadingError, match=complaint):
        read_metrics(tmp_path / "m.csv")
    with pytest.raises(ReadingError, match=r"cannot read .*none\.csv"):
        read_metrics(tmp_path / "none.csv")


def test_what_leaves_its_range_has_moved_and_counters_are_rates(tmp_path: Path) -> None:
    rows = [f"{t},{t % 3},{2 * t if t < 60 else 120},{5}" for t in range(0, 100, 5)]
    (tmp_path / "m.csv").write_text("\n".join(["time,a_wave,b_served_total,c_same", *rows]) + "\n")
    found = moved(read_metrics(tmp_path / "m.csv"), (0.0, 60.0), (65.0, 95.0))
    assert [(one.component, one.metric, one.before, one.value) for one in found] == [("b", "served_total", 2.0, 0.0)]
