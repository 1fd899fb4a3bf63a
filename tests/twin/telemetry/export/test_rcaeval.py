"""A case in RCAEval's layout: all its files, its columns as Prometheus computes them, and no truth but in one place."""

from __future__ import annotations

import csv
import json
import math
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.bench import prometheus
from llm.ranking.case import read_case
from twin.scenario import Scenario
from twin.telemetry import folder
from twin.telemetry.export import openmetrics, rcaeval
from twin.telemetry.export.rcaeval.services import services_of
from twin.telemetry.folder import FolderError, Scrape, TelemetryFolder
from twin.telemetry.records import LogLine, Span
from twin.world import World

COUNTS = ("logts.csv", "tracets_lat.csv", "tracets_err.csv")
FILES = {
    "data.csv",
    "inject_time.txt",
    "logs.csv",
    "traces.csv",
    "mpg.csv",
    "latency_merged_90.csv",
    "truth.json",
    *COUNTS,
}
AT_60 = "spec.faults.0.at=60s"
RUNS = {
    "inference": (
        "stress-chaos-cpu-ray-replicas-1",
        ("spec.faults.0.at=60s", "spec.telemetry.profile=enriched"),
        150.0,
    ),
    "openstack": ("mysql-primary-down", (AT_60,), 130.0),
}
CAUSES = {"inference": "ray-replicas-1", "openstack": "mysql-0"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TelemetryFolder]:
    found = {}
    for kind, (name, changes, until) in RUNS.items():
        world = World(Scenario.load(name, list(changes)), seed=0)
        world.run(until=until)
        folder.write(world, tmp_path_factory.mktemp(kind) / "run")
        found[kind] = folder.read(tmp_path_factory.getbasetemp() / f"{kind}0" / "run")
    return found


@pytest.fixture(scope="module")
def cases(runs: dict[str, TelemetryFolder], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {kind: tmp_path_factory.mktemp("case") for kind in runs}
    for kind, out in found.items():
        rcaeval.write_case(runs[kind], out)
    return found


def table(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    return head, rows


@pytest.mark.parametrize("kind", RUNS)
def test_a_case_has_all_files_and_the_rankers_read_it(cases: dict[str, Path], kind: str) -> None:
    assert {path.name for path in cases[kind].iterdir()} == FILES
    case = read_case(cases[kind])
    assert CAUSES[kind] in case.components
    assert case.times[0] < case.inject_time < case.times[-1]
    assert not any("_" in component for component in case.components)
    assert len(case.logs) and len(case.spans) and len(case.edges)


@pytest.mark.parametrize("kind", RUNS)
def test_every_line_and_span_of_a_service_is_there_and_counted_once(
    cases: dict[str, Path], runs: dict[str, TelemetryFolder], kind: str
) -> None:
    members = services_of(runs[kind].topology).by_component
    _, lines = table(cases[kind] / "logs.csv")
    assert [row[3] for row in lines] == [line.text for line in runs[kind].each_line() if line.component in members]
    counted, rows = table(cases[kind] / "logts.csv")
    sums = {name: sum(int(row[i]) for row in rows) for i, name in enumerate(counted) if i}
    assert sums == dict(Counter(row[2] for row in lines))

    head, spans = table(cases[kind] / "traces.csv")
    assert len(spans) == sum(span.component in members for span in runs[kind].each_span())
    status, operation = head.index("statusCode"), head.index("operationName")
    for file, answered in (("tracets_lat.csv", True), ("tracets_err.csv", False)):
        counted, rows = table(cases[kind] / file)
        sums = {name: sum(int(row[i]) for row in rows) for i, name in enumerate(counted) if i}
        mine = [s for s in spans if (200 <= int(s[status]) < 300) == answered]
        told = Counter(f"{s[head.index('serviceName')]}_{s[operation]}" for s in mine)
        assert {name: count for name, count in sums.items() if count} == dict(told)


@pytest.mark.parametrize("kind", RUNS)
def test_the_truth_is_told_in_one_file(cases: dict[str, Path], kind: str) -> None:
    truth = json.loads((cases[kind] / "truth.json").read_text())
    assert truth["services"] == [CAUSES[kind]]
    (incident,) = truth["incidents"]
    assert math.floor(incident["injected"]) == truth["inject_time"]
    assert (cases[kind] / "inject_time.txt").read_text() == f"{truth['inject_time']}\n"
    assert incident["propagation"][0] == [CAUSES[kind]]
    for path in cases[kind].iterdir():
        if path.name != "truth.json":
            text = path.read_text()
            assert incident["reason"] not in text and truth["scenario"] not in text, path.name


def test_the_columns_are_those_of_the_study(cases: dict[str, Path]) -> None:
    head, rows = table(cases["inference"] / "data.csv")
    words = ("ctn_cpu", "ctn_network", "ctn_memory", "ctn_gpu", "latency-50", "latency-90")
    for service in ("nginx-proxy", "ray-head", "ray-replicas-0", "ray-replicas-1", "ray-replicas-2"):
        assert {f"{service}_{word}" for word in words} <= set(head)
    cpu = [(float(row[0]), float(row[head.index("ray-replicas-1_ctn_cpu")])) for row in rows if row[1]]
    injected = int((cases["inference"] / "inject_time.txt").read_text())
    before = max(value for time, value in cpu if time < injected)
    assert max(value for time, value in cpu if time >= injected) > before + 3.0


def test_each_profile_has_the_columns_of_the_one_before(runs: dict[str, TelemetryFolder], tmp_path: Path) -> None:
    found = []
    for profile in ("paper", "serving", "enriched"):
        rcaeval.write_case(runs["inference"], tmp_path / profile, profile)  # type: ignore[arg-type]
        found.append(set(table(tmp_path / profile / "data.csv")[0]))
    assert found[0] < found[1] < found[2]
    assert "ray-replicas-1_ttft" in found[1] - found[0]
    assert "ray-replicas-1_gpu-power" in found[2] - found[1]


def test_a_seed_moves_the_columns_and_nothing_else(runs: dict[str, TelemetryFolder], tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        rcaeval.write_case(runs["inference"], tmp_path / name, shuffle_seed=seed)
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    first, other = read_case(tmp_path / "a"), read_case(tmp_path / "c")
    assert first.columns != other.columns and sorted(first.columns) == sorted(other.columns)
    i, j = first.columns.index("ray-head_ctn_cpu"), other.columns.index("ray-head_ctn_cpu")
    assert first.values[:, i].tobytes() == other.values[:, j].tobytes()


class Longer(TelemetryFolder):
    """The same run so many times, one after the other."""

    times: int
    length = 150.0

    def each_line(self) -> Iterator[LogLine]:
        for i in range(self.times):
            yield from (line._replace(time=line.time + i * self.length) for line in super().each_line())

    def each_span(self) -> Iterator[Span]:
        for i in range(self.times):
            yield from (span._replace(start=span.start + i * self.length) for span in super().each_span())

    def each_scrape(self) -> Iterator[Scrape]:
        for i in range(self.times):
            yield from (Scrape(scrape.time + i * self.length, scrape.values) for scrape in super().each_scrape())


def test_a_run_many_times_as_long_needs_no_more_memory(runs: dict[str, TelemetryFolder], tmp_path: Path) -> None:
    run, peaks = runs["inference"], []
    for times in (2, 2, 8):
        longer = Longer(run.path, run.manifest, run.topology)
        object.__setattr__(longer, "times", times)
        tracemalloc.start()
        rcaeval.write_case(longer, tmp_path / str(times))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.3 * peaks[1]


def test_a_run_without_a_fault_is_no_case(tmp_path: Path) -> None:
    world = World(Scenario.load("inference-healthy"), seed=0)
    world.run(until=20.0)
    folder.write(world, tmp_path / "run")
    with pytest.raises(FolderError, match="no fault was injected in this run"):
        rcaeval.write_case(folder.read(tmp_path / "run"), tmp_path / "case")


@pytest.mark.skipif(bool(prometheus.missing()), reason=prometheus.missing() or "-")
def test_rates_and_quantiles_are_those_that_prometheus_computes(
    cases: dict[str, Path], runs: dict[str, TelemetryFolder], tmp_path: Path
) -> None:
    openmetrics.write(runs["inference"], tmp_path)
    prometheus.backfill(tmp_path / openmetrics.FILE, tmp_path / "storage")
    head, rows = table(cases["inference"] / "data.csv")
    _, merged = table(cases["inference"] / "latency_merged_90.csv")
    pair = table(cases["inference"] / "latency_merged_90.csv")[0].index("ray-head_ray-replicas-1")
    # Before Prometheus 3 a range had both its ends.
    minute = "1m" if prometheus.version() >= (3,) else "59999ms"
    with prometheus.Prometheus(tmp_path / "storage") as server:

        def asked(expression: str) -> dict[float, float]:
            (one,) = server.query_range(expression, float(rows[0][0]), float(rows[-1][0]), 5.0)
            return {time: float(value) for time, value in one["values"] if value != "NaN"}

        cpu = asked(f'rate(container_cpu_usage_seconds_total{{instance="ray-replicas-1"}}[{minute}])')
        slow = asked(
            "histogram_quantile(0.9, irate(istio_request_duration_milliseconds_bucket"
            f'{{source_app="ray-head",destination_app="ray-replicas-1"}}[{minute}]))'
        )
    column = head.index("ray-replicas-1_ctn_cpu")
    written = {float(row[0]): float(row[column]) for row in rows if row[column]}
    assert written.keys() == cpu.keys() and len(cpu) > 20
    assert written == pytest.approx(cpu, rel=2e-4)
    shown = {float(row[0]): float(row[pair]) for row in merged}
    assert len(slow) > 20 and {time: shown[time] for time in slow} == pytest.approx(slow, rel=1e-6)
