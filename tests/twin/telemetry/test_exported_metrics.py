"""What a folder says of its metrics: types, labels, and every series of every scrape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.scenario import Scenario
from twin.telemetry import folder
from twin.telemetry.exposition import family, parted, written
from twin.telemetry.folder import TelemetryFolder
from twin.world import World

LABELS = st.dictionaries(
    st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(st.characters(exclude_characters='"\\\n')), max_size=4
)


@pytest.fixture(scope="module", params=["inference-healthy", "openstack-healthy"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[World, TelemetryFolder]:
    path: Path = tmp_path_factory.mktemp("run")
    world = World(Scenario.load(request.param, ["spec.horizon=90s"]), seed=1)
    world.run(until=90.0)
    folder.write(world, path)
    return world, folder.read(path)


@given(LABELS)
def test_a_series_is_parted_into_name_and_labels_and_written_again(labels: dict[str, str]) -> None:
    assert parted(written("up", labels)) == ("up", labels)


@pytest.mark.parametrize(
    ("series", "histogram"),
    [
        ("seconds_sum", "seconds"),
        ('seconds_count{model="a,b"}', 'seconds{model="a,b"}'),
        ('seconds_bucket{model="a,b",le="0.5"}', 'seconds{model="a,b"}'),
        ('seconds_bucket{le="+Inf"}', "seconds"),
    ],
)
def test_the_series_of_a_histogram_know_their_family(series: str, histogram: str) -> None:
    assert family(series) == histogram


def test_every_exported_series_has_a_type(run) -> None:
    _, telemetry = run
    for scrape in telemetry.each_scrape():
        for component, values in scrape.values.items():
            types = {metric.name: metric.type for metric in telemetry.metrics[component]}
            untyped = [name for name in values if name not in types and types.get(family(name)) != "histogram"]
            assert untyped == []


def test_the_scrapes_of_a_folder_are_those_of_the_world(run) -> None:
    world, telemetry = run
    scrapes = list(telemetry.each_scrape())
    assert [scrape.time for scrape in scrapes] == world.recorder.scrape_times
    for scrape, series in zip(scrapes, world.recorder.series, strict=True):
        shown = sum(len(values) for values in scrape.values.values())
        assert 0 < shown <= np.isfinite(series).sum()
