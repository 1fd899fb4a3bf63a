"""Dialects: other names and other wording for the same cluster, and nothing else."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from twin.scenario import Scenario, ScenarioError
from twin.telemetry import folder
from twin.telemetry.dialects import exported, read_back
from twin.telemetry.features import FEATURES
from twin.telemetry.lines import render
from twin.telemetry.records import Level, LogRecord, LogTemplate
from twin.world import World


def _lived(dialect: str) -> World:
    world = World(Scenario.load("inference-healthy", [f"spec.telemetry.dialect={dialect}"]), seed=2)
    world.run(until=60)
    return world


@pytest.fixture(scope="module")
def current() -> World:
    return _lived("vllm-0.33")


@pytest.fixture(scope="module")
def old() -> World:
    return _lived("vllm-0.8.5")


@pytest.mark.parametrize(
    ("series", "now", "before"),
    [
        ("vllm:num_requests_running", "ray_vllm_num_requests_running", "ray_vllm:num_requests_running"),
        ("vllm:kv_cache_usage_perc", "ray_vllm_kv_cache_usage_perc", "ray_vllm:gpu_cache_usage_perc"),
        (
            'vllm:inter_token_latency_seconds_bucket{le="0.5"}',
            'ray_vllm_inter_token_latency_seconds_bucket{le="0.5"}',
            'ray_vllm:time_per_output_token_seconds_bucket{le="0.5"}',
        ),
        (
            'vllm:request_success_total{finished_reason="length"}',
            'ray_vllm_request_success_total{finished_reason="length"}',
            'ray_vllm:request_success_total{finished_reason="length"}',
        ),
        (
            'vllm:request_success_total{finished_reason="error"}',
            'ray_vllm_request_success_total{finished_reason="error"}',
            None,
        ),
        (
            "vllm:iteration_tokens_total_sum",
            "ray_vllm_iteration_tokens_total_sum",
            "ray_vllm:iteration_tokens_total_sum",
        ),
        ("vllm:request_num_preemptions_count", "ray_vllm_request_num_preemptions_count", None),
        ("DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_GPU_TEMP"),
    ],
)
def test_a_series_has_the_name_of_the_version(series: str, now: str, before: str | None) -> None:
    assert exported("vllm-0.33", series) == (now, 1.0)
    assert (exported("vllm-0.8.5", series) or (None,))[0] == before


def test_the_old_version_counts_cached_blocks_not_tokens() -> None:
    assert exported("vllm-0.8.5", "vllm:prefix_cache_hits_total") == ("ray_vllm:gpu_prefix_cache_hits_total", 1 / 16)
    back = read_back("vllm-0.8.5", ["vllm:prefix_cache_hits_total"])
    assert back == {"ray_vllm:gpu_prefix_cache_hits_total": ("vllm:prefix_cache_hits_total", 16.0)}


def test_no_two_series_of_a_component_get_the_same_name(current: World) -> None:
    for dialect in ("vllm-0.33", "vllm-0.8.5"):
        for names in current.exposition.names:
            shown = [name for name in (exported(dialect, series) for series in names) if name]
            assert len(set(shown)) == len(shown)


def test_the_mechanics_are_the_same_in_either_dialect(current: World, old: World) -> None:
    assert [r.args for r in current.recorder.logs] == [r.args for r in old.recorder.logs]
    mine, theirs = current.observe(60.0).metrics, old.observe(60.0).metrics
    known = [i for i, name in enumerate(FEATURES) if exported("vllm-0.8.5", name)]
    assert np.array_equal(mine[:, known], theirs[:, known], equal_nan=True)
    assert np.isnan(np.delete(theirs, known, axis=1)).all()


def test_a_folder_in_the_old_dialect_has_the_old_names_and_reads_back(old: World, tmp_path: Path) -> None:
    folder.write(old, tmp_path)
    with (tmp_path / "metrics" / "ray-replicas-0.csv").open(newline="") as file:
        head = next(csv.reader(file))
    assert any(name.startswith('ray_vllm:gpu_cache_usage_perc{engine="0",model_name=') for name in head)
    assert not [name for name in head if name.startswith(("vllm:", "ray_vllm_"))]
    assert folder.read(tmp_path).window(0.0, 60.0) == old.observe(60.0)


def test_lines_have_the_prefix_of_the_version(current: World, old: World) -> None:
    def first(world: World) -> str:
        return next(line.text for line in world.observe(60.0).logs if "Avg prompt throughput" in line.text)

    assert re.match(
        r"\(APIServer pid=\d+\) INFO \d\d-\d\d \d\d:\d\d:\d\d \[loggers.py:\d+\] Engine 000: ", first(current)
    )
    assert re.match(r"INFO \d\d-\d\d \d\d:\d\d:\d\d \[loggers.py:\d+\] Engine 000: Avg prompt throughput: ", first(old))
    assert re.search(r"GPU KV cache usage: [\d.]+%, Prefix cache hit rate: [\d.]+%$", first(old))


@pytest.mark.parametrize(
    ("message", "before"),
    [
        (
            "Initializing a V1 LLM engine (v0.33.0) with config: x",
            "Initializing a V1 LLM engine (v0.8.5) with config: x",
        ),
        (
            "GPU KV cache size: 412,336 tokens, Maximum concurrency for 8,192 tokens per request: 50.33x",
            "GPU KV cache size: 412,336 tokens",
        ),
        (
            "init engine (profile, create kv cache, warmup model) took 38.12 s (compilation: 21.40 s)",
            "init engine (profile, create kv cache, warmup model) took 38.12 seconds",
        ),
        (
            "Running: 3 reqs, Waiting: 4 reqs, Preemptions: 2, GPU KV cache usage: 91.7%, Prefix cache hit rate: 38.2%",
            "Running: 3 reqs, Waiting: 4 reqs, GPU KV cache usage: 91.7%, Prefix cache hit rate: 38.2%",
        ),
    ],
)
def test_messages_have_the_wording_of_the_version(message: str, before: str) -> None:
    template = LogTemplate("vllm.x", "vllm", Level.INFO, "EngineCore/core.py:112", "{}")
    record = LogRecord(3.0, "ray-replicas-0", template, (212, message))
    assert render(record, 0.0).text == f"(EngineCore pid=212) INFO 01-01 00:00:03 [core.py:112] {message}"
    assert render(record, 0.0, "vllm-0.8.5").text == f"INFO 01-01 00:00:03 [core.py:112] {before}"


def test_a_machine_whose_clock_is_off_prints_its_own_time() -> None:
    template = LogTemplate("r.x", "ray", Level.INFO, "worker.py:1", "hello")
    line = render(LogRecord(60.0, "ray-head", template, (1,), skew=-30.0), 0.0)
    assert line.time == 60.0
    assert line.text.startswith("1970-01-01 00:00:30,000\t")


def test_a_dialect_of_the_other_cluster_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"no dialect of openstack clusters, which speak zed"):
        Scenario.load("openstack-healthy", ["spec.telemetry.dialect=vllm-0.8.5"])


def test_an_engines_series_say_which_model_and_engine_in_alphabetical_order(current: World, tmp_path: Path) -> None:
    folder.write(current, tmp_path)
    with (tmp_path / "metrics" / "ray-replicas-0.csv").open(newline="") as file:
        head = next(csv.reader(file))
    own = [name for name in head if name.startswith("ray_vllm_")]
    assert all(re.search(r'[{,]engine="0"', name) and re.search(r'[{,]model_name="[^"]+"', name) for name in own)
    for name in own:
        keys = re.findall(r'([a-z_]+)="', name)
        assert keys == sorted(keys), name
    assert folder.read(tmp_path).window(0.0, 60.0) == current.observe(60.0)
    shown = [name for name in FEATURES if name.startswith("vllm:")]
    i = current.topology.index["ray-replicas-0"]
    read = folder.read(tmp_path).window(0.0, 60.0).metrics[i]
    assert not np.isnan(read[[FEATURES.index(name) for name in shown]]).any()
