"""What a run's exporters showed is what a real Prometheus answers: every sample, of every type, and nothing more."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.bench import prometheus
from twin.scenario import Scenario
from twin.telemetry import folder
from twin.world import World

pytestmark = pytest.mark.skipif(bool(prometheus.missing()), reason=prometheus.missing() or "-")


@pytest.mark.parametrize(
    ("name", "changes", "types"),
    [
        ("replica-crash", ["spec.faults.crash.at=20s"], {"gauge", "counter", "histogram"}),
        (
            "node-power-loss",
            ["spec.faults.0.at=20s", "spec.telemetry.dialect=vllm-0.8.5", "spec.telemetry.scrape=2.5s"],
            {"gauge", "counter", "histogram"},
        ),
        ("rabbitmq-node-down", ["spec.faults.stop.at=20s"], {"gauge", "counter"}),
    ],
)
def test_every_exported_sample_is_the_one_that_prometheus_has(
    name: str, changes: list[str], types: set[str], tmp_path: Path
) -> None:
    world = World(Scenario.load(name, [*changes, "spec.horizon=70s"]), seed=1)
    world.run()
    folder.write(world, tmp_path / "run")
    found = prometheus.round_trip(folder.read(tmp_path / "run"), tmp_path / "prometheus")
    assert set(found.by_type) == types
    assert found.exported == sum(found.by_type.values()) > 5_000
    assert (found.raw, found.ranged, found.excess) == (found.exported, found.exported, 0)


def test_a_prometheus_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(prometheus.PrometheusError, match=r"ended with exit code 2: .*yaml"):
        prometheus.Prometheus(tmp_path, config="scrape: everything\n").__enter__()


def test_what_promtool_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "metrics.om").write_text("up 1 1\n")
    with pytest.raises(prometheus.PrometheusError, match="does not end with # EOF"):
        prometheus.backfill(tmp_path / "metrics.om", tmp_path / "storage")
