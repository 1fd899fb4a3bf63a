"""The benchmark of the LLM twin measures what it says; its bars are judged where it runs in full."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from experiments.bench import inference, telemetry_of_gpu
from experiments.bench.rows import all_hold, at_least, skipped
from experiments.commands import bench
from experiments.errors import UserError


def test_a_skipped_row_holds_no_bar_and_says_why() -> None:
    row = skipped("the Azure hour", "needs --data DIR")
    assert row.value is None
    assert row.holds is None
    assert "needs --data" in row.anchor
    assert all_hold([row, at_least("speed", 2.0, "x", 1.0)])
    assert not all_hold([row, at_least("speed", 0.5, "x", 1.0)])


@pytest.mark.parametrize("data", [None, Path("/nowhere")])
def test_without_the_trace_the_hour_is_skipped(data: Path | None) -> None:
    (row,) = inference._azure(data)
    assert row.value is None
    assert ("--data" if data is None else "/nowhere") in row.anchor


def test_both_modes_of_the_engine_take_the_same_steps() -> None:
    per_step = inference.engine_steps("512/256", 4, skip_ahead=False, seconds=0.01)
    ahead = inference.engine_steps("512/256", 4, skip_ahead=True, seconds=0.01)
    assert ahead > per_step > 0


def test_the_testbed_is_the_study_case() -> None:
    spec = inference.testbed().resolve(1).spec
    assert (spec.cluster.preset, spec.horizon, spec.telemetry.mode) == ("rca-llm", 405.0, "scraped")
    assert (spec.workload.arrivals.constant, spec.workload.prompt, spec.workload.output) == (5.0, 512, 256)
    assert inference.testbed("off").resolve(1).spec.telemetry.mode == "off"


def test_a_streamed_run_tells_its_peak_and_its_size() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:  # other tests' memory is not its own
        measured = alone.submit(inference.streamed, 330.0).result()
    assert 20.0 < measured["peak"] < 1024.0
    assert measured["disk"] > 0.5
    assert measured["cpu"] > 0.0


def test_a_data_folder_that_is_not_there_is_said_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "rows", lambda *_: pytest.fail("measured"))
    with pytest.raises(UserError, match="--data /nowhere: no such folder"):
        bench.inference(data=Path("/nowhere"))


def test_a_data_folder_without_gpu_samples_skips_their_rows(tmp_path: Path) -> None:
    (row,) = telemetry_of_gpu.rows(tmp_path)
    assert row.value is None
    assert str(telemetry_of_gpu.FOLDER) in row.anchor
