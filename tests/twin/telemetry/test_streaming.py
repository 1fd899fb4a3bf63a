"""A telemetry folder written in parts: the same bytes, the same windows, and a recorder that stays small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin.scenario import Scenario
from twin.telemetry import folder
from twin.telemetry.folder.series import Table
from twin.telemetry.folder.writer import KEPT_SECONDS
from twin.telemetry.recorder import Recorder
from twin.telemetry.records import Level, LogTemplate, Span
from twin.world import World

HORIZON = KEPT_SECONDS + 300.0


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path, dict[str, str]]:
    """A world that was written every 45 s and forgot what was old."""
    path = tmp_path_factory.mktemp("streamed")
    world = World(Scenario.load("inference-healthy", [f"spec.horizon={HORIZON}s"]), seed=3)
    writer = folder.Writer(world, path, forgets=True)
    while world.now < HORIZON:
        world.run(until=min(HORIZON, world.now + 45.0))
        writer.write()
    return world, path, writer.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path, dict[str, str]]:
    """The same world, written at its end."""
    path = tmp_path_factory.mktemp("whole")
    world = World(Scenario.load("inference-healthy", [f"spec.horizon={HORIZON}s"]), seed=3)
    world.run(until=HORIZON)
    return world, path, folder.write(world, path)


def test_the_bytes_do_not_depend_on_when_they_were_written(streamed, whole) -> None:
    assert streamed[2] == whole[2]
    assert {name.split("/")[0] for name in whole[2]} >= {"logs", "metrics", "traces.jsonl", "alarms.jsonl", "truth"}


def test_a_streaming_world_keeps_only_its_last_quarter_of_an_hour(streamed, whole) -> None:
    world = streamed[0]
    assert min(record.time for record in world.recorder.logs) >= HORIZON - KEPT_SECONDS
    assert len(world.recorder.scrapes) == len(world.recorder.series) == KEPT_SECONDS / 5 + 1
    assert world.recorder.logged == whole[0].recorder.logged > len(world.recorder.logs)
    assert world.recorder.traced == whole[0].recorder.traced > len(world.recorder.spans)


def test_windows_are_the_same_from_the_world_and_from_either_folder(streamed, whole) -> None:
    seen = whole[0].observe(60.0)
    assert len(seen.scrape_times) == 13
    assert len(seen.logs) > 10
    assert seen == streamed[0].observe(60.0)
    for path in (streamed[1], whole[1]):
        assert folder.read(path).window(HORIZON - 60.0, HORIZON) == seen


def test_a_window_rendered_late_shows_what_it_showed_when_it_was_made() -> None:
    world = World(Scenario.load("inference-healthy"), seed=3)
    world.run(until=100.0)
    early, late = world.observe(20.0), world.observe(20.0)
    lines = list(early.logs)
    world.recorder.forget(before=70.0)
    world.run(until=130.0)
    assert lines
    assert list(late.logs) == lines


def test_an_older_layout_and_a_torn_table_are_refused(whole, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    folder.write(whole[0], copy)
    table = copy / "metrics" / "nginx-proxy.csv"
    table.write_text(table.read_text().replace("\n10,", "\n10;", 1))
    with pytest.raises(folder.FolderError, match=r"nginx-proxy.csv:3: \d+ cells under"):
        folder.read(copy).window(0.0, 60.0)
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 3', '"format": 1'))
    with pytest.raises(folder.FolderError, match="layout version 1; this version reads 3"):
        folder.read(copy)


def test_a_run_that_overwrites_leaves_nothing_of_the_one_before_in_its_files(whole, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for name in ("logs.jsonl", "logs/nginx-proxy.log", "mine.txt"):
        (tmp_path / name).write_text("of before\n")
    assert folder.write(whole[0], tmp_path) == whole[2]
    assert (tmp_path / "mine.txt").read_text() == "of before\n"


def test_a_table_prints_numbers_that_read_back_and_leaves_absent_ones_empty() -> None:
    table = Table([("a", 1.0), None, ('b{le="0.1"}', 0.5)], offset=1)
    values = [np.array([9.0, 3.0, 8.0, 0.1]), np.array([9.0, 3.0, 8.0, np.nan]), np.array([9.0, 1 / 3, 8.0, 4.0])]
    assert table.head() == 'time,a,"b{le=""0.1""}"\n'
    assert table.rows([5.0, 10.5], values[:2]) == "5,3,0.05\n10.5,3,\n"
    assert table.rows([15.0], values[2:]) == f"15,{1 / 3!r},2\n"


def test_a_recorder_forgets_what_is_old_and_says_so_when_asked_for_it() -> None:
    recorder = Recorder()
    template = LogTemplate("t", "ray", Level.INFO, "x.py:1", "said {}")
    for second in range(10):
        recorder.log(float(second), "c", template, (1, second))
        recorder.span(Span("t", "s", "", "c", "op", second - 0.5, 0.5, 200))
        recorder.scrape(float(second), np.zeros((1, 1), np.float32), np.zeros(2))
    recorder.forget(before=6.0)
    assert [record.time for record in recorder.logs] == [6.0, 7.0, 8.0, 9.0]
    assert (recorder.logged, recorder.traced, recorder.scraped) == (10, 10, 10)
    assert [record.time for record in recorder.logs_since(8)] == [8.0, 9.0]
    assert [span.start for span in recorder.spans_since(9)] == [8.5]
    assert recorder.scrapes_since(7)[0] == [7.0, 8.0, 9.0]
    assert [record.time for record in recorder.logs_between(6.0, 9.0, written=9)] == [7.0, 8.0]
    with pytest.raises(ValueError, match="first 6 records are forgotten"):
        recorder.logs_since(5)
