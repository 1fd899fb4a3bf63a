"""`bench telemetry`: what of a run reaches the tools that people use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments.bench import alerts, prometheus
from experiments.bench.rows import Row, at_least, skipped
from twin.scenario import Scenario
from twin.scenario.alert_rules import default_file
from twin.telemetry import folder
from twin.world import World

RUNS = {"inference": "gpu-power-cap", "openstack": "rabbitmq-node-down"}
"""A run of each cluster with a fault, so that something falls silent or changes."""
QUICK_SECONDS = 120.0


def rows(quick: bool) -> Iterator[Row]:
    """The rows of the benchmark, as they are measured."""
    for kind, name in RUNS.items():
        yield from _round_trip(kind, name, quick)


def _round_trip(kind: str, name: str, quick: bool) -> Iterator[Row]:
    raw, ranged = f"{kind}: samples in Prometheus as exported", f"{kind}: samples that query_range answers as exported"
    ruled = f"{kind}: moments at which an alert rule holds, by the twin and by Prometheus"
    if prometheus.missing():
        yield from (skipped(row, prometheus.missing()) for row in (raw, ranged, ruled))
        return
    with TemporaryDirectory() as scratch:
        world = World(Scenario.load(name))
        world.run(until=QUICK_SECONDS if quick else None)
        folder.write(world, Path(scratch, "run"))
        run = folder.read(Path(scratch, "run"))
        try:
            found = prometheus.round_trip(run, Path(scratch, "prometheus"))
            agreed = alerts.agreement(world, run, default_file(), Path(scratch, "alerts"))
        except (prometheus.PrometheusError, OSError) as error:  # it is here, and does not do what it should
            yield from (Row(row, None, "", anchor=str(error), holds=False) for row in (raw, ranged, ruled))
            return
    types = ", ".join(f"{count:,} of {kind}s" for kind, count in sorted(found.by_type.items()))
    told = f"{name}, {world.now:g} s: {found.exported:,} exported ({types})"
    yield at_least(raw, found.raw - found.excess, "samples", found.exported, told)
    yield at_least(ranged, found.ranged - found.excess, "samples", found.exported, told)
    if agreed.held:
        yield at_least(ruled, agreed.alike, "moments", agreed.held, f"{agreed.held:,} by either")
    else:
        yield skipped(ruled, f"no rule holds within {world.now:g} s")
