"""The catalogue of vLLM's metrics against the list of the versions' own sources, typed out here."""

from __future__ import annotations

from twin.inference.vllm_metrics import NAMES_085, VLLM_033, VLLM_085, VllmMetric, token_buckets
from twin.telemetry.exposition import series_of
from twin.telemetry.records import MetricType


def _words(text: str) -> list[str]:
    return text.split()


GAUGES = _words("""
num_requests_running num_requests_waiting num_requests_waiting_by_reason num_requests_kv_fetch_by_stage
kv_cache_usage_perc engine_sleep_state lora_requests_info cache_config_info watermark_requests engine_healthy
""")
COUNTERS = _words("""
num_preemptions prompt_tokens prompt_tokens_by_source prompt_tokens_cached prompt_tokens_cached_by_source
generation_tokens request_success prefix_cache_queries prefix_cache_hits external_prefix_cache_queries
external_prefix_cache_hits mm_cache_queries mm_cache_hits corrupted_requests admission_rejections
""")
HISTOGRAMS = _words("""
time_to_first_token_seconds inter_token_latency_seconds request_time_per_output_token_seconds
e2e_request_latency_seconds request_queue_time_seconds request_inference_time_seconds request_prefill_time_seconds
request_decode_time_seconds request_prompt_tokens request_generation_tokens request_max_num_generation_tokens
request_params_n request_params_max_tokens request_prefill_kv_computed_tokens request_num_preemptions
iteration_tokens_total kv_block_lifetime_seconds kv_block_idle_before_evict_seconds kv_block_reuse_gap_seconds
""")
GONE = _words("""
gpu_cache_usage_perc gpu_prefix_cache_queries_total gpu_prefix_cache_hits_total time_per_output_token_seconds
num_requests_swapped
""")


def _names(metrics: tuple[VllmMetric, ...], kind: MetricType) -> set[str]:
    return {metric.name for metric in metrics if metric.type is kind}


def _current(name: str) -> VllmMetric:
    return next(metric for metric in VLLM_033 if metric.name == f"vllm:{name}")


def test_the_current_version_exposes_exactly_its_core_metrics() -> None:
    assert _names(VLLM_033, MetricType.GAUGE) == {f"vllm:{name}" for name in GAUGES}
    assert _names(VLLM_033, MetricType.COUNTER) == {f"vllm:{name}_total" for name in COUNTERS}
    assert _names(VLLM_033, MetricType.HISTOGRAM) == {f"vllm:{name}" for name in HISTOGRAMS}
    assert len(VLLM_033) == len(GAUGES) + len(COUNTERS) + len(HISTOGRAMS)
    assert not {f"vllm:{name}" for name in GONE} & {metric.name for metric in VLLM_033}


def test_every_metric_carries_the_engines_labels_save_those_that_carry_settings() -> None:
    odd = {metric.name: metric.labels for metric in VLLM_033 if metric.labels[:2] != ("model_name", "engine")}
    assert set(odd) == {"vllm:engine_healthy", "vllm:lora_requests_info", "vllm:cache_config_info"}
    assert odd["vllm:engine_healthy"] == ("engine",)
    labelled = {metric.name: (metric.labels[-1], metric.values) for metric in VLLM_033 if metric.values}
    assert labelled["vllm:request_success_total"] == (
        "finished_reason",
        ("stop", "length", "abort", "error", "repetition"),
    )
    assert labelled["vllm:num_requests_waiting_by_reason"] == ("reason", ("capacity", "deferred"))
    assert labelled["vllm:engine_sleep_state"] == ("sleep_state", ("awake", "weights_offloaded", "discard_all"))
    assert labelled["vllm:prompt_tokens_by_source_total"] == (
        "source",
        ("local_compute", "local_cache_hit", "external_kv_transfer"),
    )
    assert len(labelled) == 7


def test_histograms_have_the_bounds_of_the_source() -> None:
    first = "0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 20 40 80 160 640 2560"
    gap = "0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1 2.5 5 7.5 10 20 40 80"
    request = "0.3 0.5 0.8 1 1.5 2 2.5 5 10 15 20 30 40 50 60 120 240 480 960 1920 7680"
    iteration = "1 8 16 32 64 128 256 512 1024 2048 4096 8192 16384"
    for name, bounds in {
        "time_to_first_token_seconds": first,
        "inter_token_latency_seconds": gap,
        "request_time_per_output_token_seconds": gap,
        "e2e_request_latency_seconds": request,
        "request_queue_time_seconds": request,
        "iteration_tokens_total": iteration,
    }.items():
        assert _current(name).buckets == tuple(float(bound) for bound in bounds.split()), name
    for metric in VLLM_033:
        if metric.type is MetricType.HISTOGRAM:
            assert metric.counts_tokens != bool(metric.buckets), metric.name
            assert list(metric.buckets) == sorted(set(metric.buckets)), metric.name


def test_token_counts_are_bounded_by_the_models_length() -> None:
    assert token_buckets(100) == (1, 2, 5, 10, 20, 50, 100)
    assert token_buckets(8192)[-2:] == (2000, 5000)
    (metric,) = _current("request_prompt_tokens").metrics(8192)
    names = [series.name for series in series_of([metric])]
    assert names[0] == "vllm:request_prompt_tokens_sum"
    assert names[-2:] == [
        'vllm:request_prompt_tokens_bucket{le="5000.0"}',
        'vllm:request_prompt_tokens_bucket{le="+Inf"}',
    ]


def test_the_old_version_has_the_old_names_and_none_of_what_came_later() -> None:
    assert NAMES_085["vllm:kv_cache_usage_perc"] == "vllm:gpu_cache_usage_perc"
    assert NAMES_085["vllm:prefix_cache_hits_total"] == "vllm:gpu_prefix_cache_hits_total"
    assert NAMES_085["vllm:inter_token_latency_seconds"] == "vllm:time_per_output_token_seconds"
    assert NAMES_085["vllm:num_requests_running"] == "vllm:num_requests_running"
    assert NAMES_085["vllm:admission_rejections_total"] is None
    assert {name for name in NAMES_085.values() if name} == {metric.name for metric in VLLM_085}
    assert set(NAMES_085) == {metric.name for metric in VLLM_033}
