"""What vLLM's exporter and log say when requests are aborted, when the engine hangs, and when the pod is frozen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twin import Scenario, World
from twin.clock import Clock
from twin.inference.engine import Engine
from twin.inference.engine_stats import HIT_RATE_REQUESTS, EngineStats
from twin.inference.request import Request
from twin.scenario import hardware

SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {{name: said}}
spec:
  cluster: {{kind: inference, preset: {preset}}}
  workload: {{arrivals: {{constant: 3/s}}, prompt: 256, output: {output}{workload}}}
  faults: [{fault}]
  slo: {{ttftP99: 2s, success: 99%}}
  horizon: 300s
"""
ENGINE = "ray-replicas-1"


def lived(until: float, preset: str = "small", output: int = 64, workload: str = "", fault: str = "") -> World:
    text = SCENARIO.format(preset=preset, output=output, workload=workload, fault=fault)
    world = World(Scenario.parse(text), 3)
    world.run(until)
    return world


def exported(world: World, component: str, name: str) -> np.ndarray[Any, Any]:
    layout = world.exposition
    row = layout.components.index(component)
    place = layout.offsets[row] + layout.names[row].index(name)
    return np.array([series[place] for series in world.recorder.series])


def said(world: World, text: str) -> list[str]:
    return [line.text for line in world.log_lines(-1.0, world.now) if line.component == ENGINE and text in line.text]


def test_requests_that_clients_abort_are_in_the_metrics_of_tokens_and_in_none_of_requests() -> None:
    world = lived(120, output=4000, workload=", clientTimeout: 10s")
    for count in (
        'vllm:request_success_total{finished_reason="stop"}',
        'vllm:request_success_total{finished_reason="abort"}',
        "vllm:e2e_request_latency_seconds_count",
        "vllm:request_generation_tokens_count",
        "vllm:request_queue_time_seconds_count",
    ):
        assert exported(world, ENGINE, count)[-1] == 0, count
    first = exported(world, ENGINE, "vllm:time_to_first_token_seconds_count")[-1]
    assert first > 50
    assert exported(world, ENGINE, "vllm:prompt_tokens_total")[-1] == 256 * first
    assert exported(world, ENGINE, "vllm:generation_tokens_total")[-1] > 100 * first


def test_while_a_step_hangs_the_gauges_stay_and_the_log_falls_silent() -> None:
    fault = f"{{name: stuck, kind: EngineChaos, action: hang, selector: {{components: [{ENGINE}]}}, at: 62s}}"
    world = lived(200, fault=fault)
    hung = np.array(world.recorder.scrape_times) > 63
    replica = world.components[ENGINE]
    assert replica.engine.queued > 0
    for gauge in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"):
        assert len(set(exported(world, ENGINE, gauge)[hung])) == 1, gauge
    assert exported(world, ENGINE, "vllm:num_requests_waiting")[-1] == 0
    lines = said(world, "Avg prompt throughput")
    assert len(lines) == 8  # every 10 s up to 70 s, and once more with zeros before it counts as idle
    assert "Avg prompt throughput: 0.0 tokens/s, Avg generation throughput: 0.0 tokens/s" in lines[-1]


def test_a_frozen_container_answers_no_scrape_but_the_kubelet_still_measures_it() -> None:
    fault = f"{{name: ice, kind: ProcessChaos, action: freeze, selector: {{components: [{ENGINE}]}}, at: 62s}}"
    world = lived(85, fault=fault)
    frozen = np.array(world.recorder.scrape_times) > 62
    assert np.isnan(exported(world, ENGINE, "vllm:generation_tokens_total")[frozen]).all()
    assert np.isnan(exported(world, ENGINE, "vllm:time_to_first_token_seconds_count")[frozen]).all()
    assert not np.isnan(exported(world, ENGINE, "container_memory_working_set_bytes")[frozen]).any()


def test_an_engine_without_prefix_cache_counts_no_queries() -> None:
    off, on = lived(60, "small, engine: {enablePrefixCaching: false}"), lived(60)
    assert exported(on, ENGINE, "vllm:prefix_cache_queries_total")[-1] > 0
    assert exported(off, ENGINE, "vllm:prefix_cache_queries_total")[-1] == 0


def test_the_log_says_the_hit_rate_of_the_last_thousand_requests() -> None:
    stats = EngineStats(8192)
    for _ in range(HIT_RATE_REQUESTS):
        stats.looked_up(100, 80)
    assert stats.hit_rate == pytest.approx(0.8)
    for _ in range(HIT_RATE_REQUESTS // 2):
        stats.looked_up(100, 0)
    assert stats.hit_rate == pytest.approx(0.4)
    for _ in range(HIT_RATE_REQUESTS // 2):
        stats.looked_up(100, 0)
    assert stats.hit_rate == 0.0


class Gpu:
    bandwidth_share = link_share = 1.0
    model = hardware.gpu("a10g")
    busy = 0.0

    def clock(self, activity: float) -> float:
        return 1.0

    def ran(self, seconds: float, activity: float) -> None:
        self.busy += seconds


class Nobody:
    def on_first_token(self, request: Request) -> None:
        pass

    def on_finished(self, request: Request) -> None:
        pass


@pytest.mark.parametrize("hung", [0.0, 7.0])
def test_a_step_that_hung_costs_the_same_whether_one_looked_ahead_or_not(hung: float) -> None:
    told = []
    for ahead in (True, False):
        clock, gpu, stats = Clock(), Gpu(), EngineStats(8192)
        model = hardware.model("llama-3.1-8b")
        engine = Engine(clock, [gpu], model, 2000, 8, 2048, lambda: 1.0, Nobody(), stats, skip_ahead=ahead)
        engine.submit(Request(1, 0.0, 1000, 400))
        clock.at(5.0, lambda _, engine=engine: engine.freeze())
        clock.at(5.0 + hung, lambda _, engine=engine: engine.thaw())
        clock.live_until(60.0)
        assert not engine.busy
        told.append((stats.histograms["vllm:inter_token_latency_seconds"].values(), gpu.busy))
    assert told[0][0] == pytest.approx(told[1][0], rel=1e-12)
    assert told[0][1] == pytest.approx(told[1][1], rel=1e-12)


def test_serve_says_in_replica_and_proxy_that_a_client_went_away() -> None:
    world = lived(100, output=4000, workload=", clientTimeout: 10s")
    gone = world.cluster.clients.impatient
    lines = [line for line in world.log_lines(-1.0, world.now) if "disconnected, cancelling request" in line.text]
    assert len(lines) == gone > 100 and {line.component for line in lines} == {"ray-head"}
    errors = 'ray_serve_num_http_error_requests_total{error_code="499"}'
    assert exported(world, "ray-head", errors)[-1] == pytest.approx(gone, abs=5)
    assert exported(world, "ray-head", "ray_serve_deployment_error_counter_total")[-1] == pytest.approx(gone, abs=5)
    assert exported(world, "ray-head", "ray_serve_deployment_processing_latency_ms_count")[-1] > 0
    assert exported(world, "ray-head", "ray_serve_deployment_request_counter_total")[-1] == 0
    ended = said(world, "POST /v1/chat/completions 200 1")  # the header was out: 200 it stays, after ten seconds
    assert len(ended) > 30


def test_a_replicas_access_line_does_not_wait_for_the_network() -> None:
    fault = (
        f"{{name: far, kind: NetworkChaos, action: delay, delay: {{latency: 2s}}, selector: {{components: [{ENGINE}]}},"
        " at: 30s}"
    )
    near, far = lived(80), lived(80, fault=fault)

    def latencies(world: World) -> list[float]:
        return [float(text.rsplit(" ", 1)[1].removesuffix("ms")) for text in said(world, "POST /v1/chat")]

    assert len(latencies(far)) > 30
    assert max(latencies(far)) < max(latencies(near)) + 500.0


@pytest.mark.parametrize(
    ("component", "counts"),
    [
        ("ray-head", ("ray_serve_num_router_requests_total", "ray_serve_http_request_latency_ms_count")),
        ("nginx-proxy", ("nginx_http_requests_total", 'nginx_http_response_count_total{status="2xx"}')),
    ],
)
def test_counters_begin_anew_with_their_process(component: str, counts: tuple[str, ...]) -> None:
    fault = f"{{name: gone, kind: ProcessChaos, action: crash, selector: {{components: [{component}]}}, at: 62s}}"
    world = lived(100, fault=fault)
    times = np.array(world.recorder.scrape_times)
    for count in counts:
        told = exported(world, component, count)
        before, after = told[times < 62][-1], told[-1]
        assert before > 100 and 0 < after < before
        known = told[times > 62]
        known = known[~np.isnan(known)]
        assert (np.diff(known) >= 0).all()
    gateway = world.cluster.gateway
    assert gateway.accepted == gateway.answered + gateway.in_flight  # the books go on


def test_an_output_check_gives_a_question_up_that_nobody_answers() -> None:
    fault = f"{{name: stuck, kind: EngineChaos, action: hang, selector: {{components: [{ENGINE}]}}, at: 62s}}"
    world = lived(200, "small, outputCheck: 20s", fault=fault)
    lines = [line for line in world.log_lines(-1.0, 200) if "No answer" in line.text]
    assert [round(line.time) for line in lines] == [140, 160, 180, 200]  # asked at 80, 100, 120 and 140
    assert all(ENGINE in line.text for line in lines)
    assert exported(world, "output-check", "output_check_failures_total")[-1] >= 3


def test_the_heads_machine_carries_the_traffic_of_all() -> None:
    world = lived(100)
    sent, received = (
        exported(world, "node-head", f'node_network_{way}_bytes_total{{device="eth0"}}')[-1]
        for way in ("transmit", "receive")
    )
    tokens = 64 * world.cluster.clients.succeeded
    assert sent > 150 * tokens and received > 150 * tokens


@pytest.mark.parametrize(
    ("engine", "line"),
    [
        ("tensorParallelSize: 1", "Engine core proc EngineCore died unexpectedly, shutting down client."),
        ("tensorParallelSize: 2", "Worker proc VllmWorker-0 died unexpectedly (exit code: 1), shutting down executor."),
        ("dataParallelSize: 2", "Engine core proc EngineCore_DP0 died unexpectedly, shutting down client."),
    ],
)
def test_who_died_depends_on_who_runs_the_model(engine: str, line: str) -> None:
    fault = f"{{name: gone, kind: ProcessChaos, action: crash, selector: {{components: [{ENGINE}]}}, at: 32s}}"
    world = lived(40, f"small, engine: {{{engine}}}", fault=fault)
    assert [text.partition("] ")[2] for text in said(world, "died unexpectedly")] == [line]


def test_two_engine_cores_print_their_statistics_together() -> None:
    lines = said(lived(35, "small, engine: {dataParallelSize: 2}"), "Avg prompt throughput")
    assert len(lines) == 3
    assert all("2 Engines Aggregated: Avg prompt throughput: " in line for line in lines)


def test_a_killed_pod_says_nothing_and_a_crashed_one_does(inference_scenario, fault):
    def last_words(kind, action):
        world = World(inference_scenario(fault(kind, action)), seed=1)
        world.run(62)
        return [line.text for line in world.log_lines(59.9, 60.6) if line.component == "ray-replicas-1"]

    assert any("died unexpectedly" in text for text in last_words("ProcessChaos", "crash"))
    assert not any("died" in text or "ERROR" in text for text in last_words("PodChaos", "pod-kill"))
