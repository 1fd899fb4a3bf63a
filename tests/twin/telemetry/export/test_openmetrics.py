"""OpenMetrics text: families in one piece, names as the exporters have them, absence as absence, little memory."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from twin.scenario import Scenario
from twin.telemetry import folder
from twin.telemetry.export import openmetrics
from twin.telemetry.folder import Scrape, TelemetryFolder
from twin.telemetry.window import Node, Topology
from twin.world import World

EPOCH = 1_767_225_600


@pytest.fixture(scope="module", params=["inference-healthy", "openstack-healthy"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[TelemetryFolder, list[str]]:
    """A run and its lines of OpenMetrics text."""
    path: Path = tmp_path_factory.mktemp("run")
    world = World(Scenario.load(request.param), seed=1)
    world.run(until=20.0)
    folder.write(world, path)
    telemetry = folder.read(path)
    openmetrics.write(telemetry, path / "export")
    return telemetry, (path / "export" / openmetrics.FILE).read_text().splitlines()


class Made(TelemetryFolder):
    """A folder with scrapes made up: of one component `c`, whose metrics are given as (name, type, unit)."""

    def __init__(self, path: Path, metrics: list[tuple[str, str, str]], scrapes: list[dict[str, float]]) -> None:
        topology = Topology("inference", (Node("c", "kind", None),), ())
        super().__init__(path, {"epoch": EPOCH}, topology)
        described = [{"name": name, "type": kind, "unit": unit} for name, kind, unit in metrics]
        (path / "metrics.json").write_text(json.dumps({"c": described}))
        object.__setattr__(self, "made", scrapes)

    def each_scrape(self) -> Iterator[Scrape]:
        for number, values in enumerate(self.made, 1):  # type: ignore[attr-defined]
            yield Scrape(5.0 * number, {"c": values})

    def text(self) -> str:
        openmetrics.write(self, self.path / "out")
        return (self.path / "out" / openmetrics.FILE).read_text()


def test_a_family_says_what_it_is_and_stands_in_one_piece(run: tuple[TelemetryFolder, list[str]]) -> None:
    _, lines = run
    assert lines[-1] == "# EOF"
    described = [line.split(" ")[2] for line in lines[:-1] if line.startswith("# TYPE")]
    assert len(described) == len(set(described)) > 50
    named = [line.partition("{")[0] for line in lines if not line.startswith("#")]
    pieces = Counter(name for name, _ in groupby(named) if not name.endswith(("_sum", "_count", "_bucket")))
    assert set(pieces.values()) == {1}


def test_the_reference_parser_of_openmetrics_reads_every_scrape(run: tuple[TelemetryFolder, list[str]]) -> None:
    """A scrape at a time: its check for repeated samples takes the later points of a histogram for them."""
    parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="prometheus-client is not installed")
    telemetry, lines = run
    for scrape in telemetry.each_scrape():
        stamp = f" {EPOCH + scrape.time:.0f}"
        page = "\n".join(line for line in lines if line.startswith("#") or line.endswith(stamp)) + "\n"
        found = sum(len(family.samples) for family in parser.text_string_to_metric_families(page))
        answered = [values for values in scrape.values.values() if values]
        assert found == sum(map(len, answered)) + len(answered)


def test_counters_keep_their_names_and_those_without_total_are_of_unknown_type(tmp_path: Path) -> None:
    metrics = [
        ('cpu_seconds_total{mode="user"}', "counter", "s"),
        ("ENERGY_CONSUMPTION_TOTAL", "counter", "mJ"),
        ("inflight_total", "gauge", "requests"),
    ]
    made = Made(tmp_path, metrics, [{name: 1.5 for name, _, _ in metrics}])
    assert made.text() == (
        "# TYPE ENERGY_CONSUMPTION_TOTAL unknown\n"
        "# HELP ENERGY_CONSUMPTION_TOTAL A counter, in mJ; its name has no _total.\n"
        'ENERGY_CONSUMPTION_TOTAL{instance="c",job="kind"} 1.5 1767225605\n'
        "# TYPE cpu_seconds counter\n"
        "# UNIT cpu_seconds seconds\n"
        "# HELP cpu_seconds A counter, in seconds.\n"
        'cpu_seconds_total{instance="c",job="kind",mode="user"} 1.5 1767225605\n'
        "# TYPE inflight_total gauge\n"
        "# HELP inflight_total A gauge, in requests.\n"
        'inflight_total{instance="c",job="kind"} 1.5 1767225605\n'
        "# TYPE up gauge\n"
        "# HELP up Whether the exporter answered the scrape.\n"
        'up{instance="c",job="kind"} 1 1767225605\n'
        "# EOF\n"
    )


def test_the_parts_of_a_histogram_stand_together_at_each_time(tmp_path: Path) -> None:
    point = {
        "wait_ms_sum": 7.0,
        "wait_ms_count": 2.0,
        'wait_ms_bucket{le="5.0"}': 1.0,
        'wait_ms_bucket{le="+Inf"}': 2.0,
    }
    made = Made(tmp_path, [("wait_ms", "histogram", "ms")], [point, point])
    points = [
        f"""\
wait_ms_sum{{instance="c",job="kind"}} 7 {time}
wait_ms_count{{instance="c",job="kind"}} 2 {time}
wait_ms_bucket{{instance="c",job="kind",le="5.0"}} 1 {time}
wait_ms_bucket{{instance="c",job="kind",le="+Inf"}} 2 {time}
"""
        for time in (1767225605, 1767225610)
    ]
    head = "# TYPE wait_ms histogram\n# UNIT wait_ms ms\n# HELP wait_ms A histogram, in ms.\n"
    assert made.text().endswith(head + "".join(points) + "# EOF\n")


def test_what_is_absent_has_no_sample_and_up_says_since_when(tmp_path: Path) -> None:
    made = Made(tmp_path, [("load", "gauge", "")], [{}, {"load": 1.0}, {}, {"load": 2.0}])
    samples = [line for line in made.text().splitlines() if not line.startswith("#")]
    target = '{instance="c",job="kind"}'
    assert samples == [
        f"load{target} 1 1767225610",
        f"load{target} 2 1767225620",
        f"up{target} 1 1767225610",
        f"up{target} 0 1767225615",
        f"up{target} 1 1767225620",
    ]


def test_a_run_many_times_as_long_needs_no_more_memory(tmp_path: Path) -> None:
    def peak(blocks: int) -> int:
        path = tmp_path / str(blocks)
        path.mkdir()
        row = {f"series_{i}": float(i) for i in range(20)}
        made = Made(path, [], [row] * (blocks * openmetrics.BLOCK))
        tracemalloc.start()
        openmetrics.write(made, path)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(6) < 1.1 * peak(2)
