"""Step times against published tables and a real server's run, and the commands that show them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.bench import physics
from experiments.bench.kernel_tables import SxmTables, has_tables
from experiments.bench.replay import Served, Settings, read_run, replay
from experiments.cli import app
from experiments.errors import UserError
from twin.scenario import hardware

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_tables = pytest.mark.skipif(not has_tables(DATA), reason="the published kernel tables are not there")
needs_run = pytest.mark.skipif(not (DATA / physics.RUN).is_dir(), reason="the server's run is not there")


def invoke(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


@needs_tables
def test_steps_of_the_70b_model_are_within_8_per_cent_of_tables_that_nothing_was_fitted_on():
    judged = [(gpu, found) for gpu, found, judged in physics.judgements(DATA) if judged]
    assert len(judged) == 6
    for gpu, found in judged:
        assert found.error <= physics.BAR, (gpu, found)


@needs_tables
def test_what_ships_is_what_the_tables_of_the_8b_model_give():
    for fit in physics.fits(DATA):
        assert (fit.shipped_memory, fit.shipped_compute) == pytest.approx((fit.memory, fit.compute), abs=0.011), fit


@needs_tables
def test_tables_are_composed_as_the_published_figures_were():
    model = hardware.model("llama-3.1-8b")
    prefill = [cell.seconds * 1e3 for cell in SxmTables(DATA, "h100-sxm").prefill(model, 1)]
    assert prefill == pytest.approx([10.2, 37.6, 228], rel=0.01)
    prefill = [
        cell.seconds * 1e3 for cell in SxmTables(DATA, "a100-sxm-80gb").prefill(hardware.model("llama-3.1-70b"), 4)
    ]
    assert prefill == pytest.approx([93.2, 289, 1146], rel=0.01)


@needs_run
def test_the_replay_of_a_real_server_is_close():
    found = {row.row.rpartition(": ")[2]: row.value for row in physics.replay_rows(DATA / physics.RUN)}
    assert found["makespan"] <= 7
    assert found["TPOT p50"] <= 7
    assert found["TTFT p50"] <= 25
    assert found["running(t)"] <= 20


def test_a_replay_of_our_own_run_is_exact():
    gpu, model, settings = hardware.gpu("h100-sxm"), hardware.model("llama-3.1-8b"), Settings(max_num_seqs=4)
    asked = [Served(5.0 + 0.01 * i, 100 + i, 20, 6.0, 7.0, 5.0) for i in range(12)]
    first = replay(asked, gpu, model, settings)
    from experiments.bench.replay import _simulate

    again = replay(_simulate(asked, gpu, model, settings), gpu, model, settings)
    assert all(c.error == 0 for c in again.comparisons)
    assert again.running_error == 0
    assert first.of("makespan").simulated == again.of("makespan").measured
    slower = replay(asked, hardware.gpu("a10g"), model, settings)
    assert slower.of("TPOT p50").simulated > 3 * again.of("TPOT p50").measured


def test_several_gpus_shorten_a_replay_less_over_pcie_than_over_nvlink():
    model = hardware.model("qwen3-32b")
    asked = [Served(0.0, 512, 50, 0.5, 1.0, 0.0) for _ in range(16)]
    spans = {
        (name, tp): replay(asked, hardware.gpu(name), model, Settings(tensor_parallel=tp)).of("makespan").simulated
        for name in ("rtx-pro-6000", "h200-sxm")
        for tp in (1, 2)
    }
    gains = {name: spans[name, 1] / spans[name, 2] for name in ("rtx-pro-6000", "h200-sxm")}
    assert 1.0 < gains["rtx-pro-6000"] < gains["h200-sxm"] < 2.0


def write_run(folder: Path, header: str = "prompt_tokens,output_tokens,arrival_s,first_token_s,last_token_s") -> None:
    lines = [f"{100},{10},{0.1 * i},{0.1 * i + 0.05},{0.1 * i + 0.2}" for i in range(5)]
    with gzip.open(folder / "requests.csv.gz", "wt", encoding="utf-8") as stream:
        stream.write("\n".join([header, *lines]) + "\n")


def test_any_folder_with_a_run_can_be_replayed(tmp_path: Path):
    write_run(tmp_path)
    (tmp_path / "meta.json").write_text('{"engine_kwargs": {"max_num_seqs": 2}}', encoding="utf-8")
    arguments = ["bench", "replay", str(tmp_path), "--gpu", "a10g", "--model", "llama-3.1-8b"]
    shown = json.loads(invoke(*arguments, "--json", "--max-num-batched-tokens", "512"))
    assert shown["settings"]["max_num_seqs"] == 2
    assert shown["settings"]["max_num_batched_tokens"] == 512
    makespan = next(f for f in shown["figures"] if f["name"] == "makespan")
    assert makespan["measured"] == pytest.approx(0.6)
    assert makespan["error"] == pytest.approx(makespan["simulated"] / 0.6 - 1)
    assert "TPOT p50" in invoke(*arguments)
    assert "no GPU 'a10'" in invoke(*arguments[:4], "a10", *arguments[5:], code=2)


def test_a_folder_without_a_run_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"no requests\.csv"):
        read_run(tmp_path)
    write_run(tmp_path, "prompt_tokens,output_tokens,arrival,first_token_s,last_token_s")
    with pytest.raises(UserError, match="no column arrival_s; found prompt_tokens"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("timeseries.csv", "t,busy\n1.0,3\n", "timeseries.csv, line 2: expected numbers in columns t and running"),
        ("meta.json", "{", "meta.json: expected a JSON object with engine_kwargs"),
        ("meta.json", "[]", "meta.json: expected a JSON object with engine_kwargs"),
    ],
)
def test_what_lies_beside_a_run_must_be_readable(tmp_path: Path, name: str, text: str, says: str):
    write_run(tmp_path)
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert says in invoke("bench", "replay", str(tmp_path), "--gpu", "a10g", "--model", "llama-3.1-8b", code=2)


def test_a_model_that_does_not_fit_cannot_be_replayed(tmp_path: Path):
    write_run(tmp_path)
    with pytest.raises(UserError, match=r"qwen3-32b on 1 x l4 leaves 0 KV blocks"):
        replay(read_run(tmp_path), hardware.gpu("l4"), hardware.model("qwen3-32b"), Settings())


def test_rows_say_what_was_skipped(tmp_path: Path):
    rows = [row for row in physics.rows(tmp_path) if row.value is None]
    assert len(rows) == 2
    assert all("skipped" in row.anchor for row in rows)


def test_layers_of_experts_are_near_published_timings():
    assert all(row.value is not None and row.value < 12 for row in physics.experts_rows())


def test_hardware_is_listed_and_shown_with_sources(tmp_path: Path):
    listed = json.loads(invoke("hardware", "list", "--json"))
    assert {"a100-sxm-80gb", "h100-sxm", "rtx-pro-6000"} <= {gpu["name"] for gpu in listed["gpus"]}
    assert next(m for m in listed["models"] if m["name"] == "llama-3.1-8b")["parameters"] == 8_030_261_248
    assert "qwen3-30b-a3b" in invoke("hardware", "list")
    shown = invoke("hardware", "show", "h100-sxm", "--source")
    assert "3352GB/s" in shown and "whitepaper" in shown
    assert "whitepaper" not in invoke("hardware", "show", "h100-sxm")
    constants = json.loads(invoke("hardware", "show", "qwen3-30b-a3b", "--json"))["constants"]
    assert constants["experts.perToken"] == {"value": 8, "source": "config.json of Qwen/Qwen3-30B-A3B on Hugging Face"}
    own = tmp_path / "own.yaml"
    own.write_text(
        hardware.shipped("Model")["qwen3-8b"].read_text().replace("layers: 36", "layers: 18"), encoding="utf-8"
    )
    assert "18" in invoke("hardware", "show", str(own))
    assert "did you mean 'h100-sxm'?" in invoke("hardware", "show", "h100", code=2)
    assert "no gpu_perf" in invoke("hardware", "fit", "--data", str(tmp_path), code=2)
