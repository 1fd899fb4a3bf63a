"""What vLLM exposes to Prometheus, version by version: names, types, labels, buckets. Data only.

Source: vllm/v1/metrics/loggers.py of the versions named, vllm/entrypoints' metrics router for `engine_healthy`; the
help texts are ours. Counters carry the `_total` that the Prometheus client adds on export.
"""

from __future__ import annotations

from dataclasses import dataclass

from twin.telemetry.records import Metric, MetricType, Profile

ENGINE_LABELS = ("model_name", "engine")
"""The labels of nearly every vLLM metric; one value each per engine."""

FIRST_TOKEN_BUCKETS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
TOKEN_GAP_BUCKETS = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0),
)
REQUEST_BUCKETS = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
ITERATION_BUCKETS = (1.0, *(float(2**i) for i in range(3, 15)))
BLOCK_BUCKETS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0),
    *(120.0, 300.0, 600.0, 1200.0, 1800.0),
)
N_BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0)
PREEMPTION_BUCKETS = (1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0)
FINISHED_REASONS = ("stop", "length", "abort", "error", "repetition")
SOURCES = ("local_compute", "local_cache_hit", "external_kv_transfer")
CACHE_TIERS = ("device", "host", "p2p", "disk", "external_unspecified")


def token_buckets(max_model_len: int) -> tuple[float, ...]:
    """The 1-2-5 series up to and with `max_model_len` tokens: the bounds of vLLM's histograms of token counts."""
    bounds: list[float] = []
    power = 1
    while True:
        for mantissa in (1, 2, 5):
            if mantissa * power > max_model_len:
                return tuple(bounds)
            bounds.append(float(mantissa * power))
        power *= 10


@dataclass(frozen=True, slots=True)
class VllmMetric:
    """One metric family. `values` are those of its last label, each a series; histograms have `buckets` or, where they
    count tokens, the 1-2-5 series up to the model's length (`counts_tokens`)."""

    name: str
    type: MetricType
    help: str
    unit: str = ""
    labels: tuple[str, ...] = ENGINE_LABELS
    values: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    counts_tokens: bool = False
    only_with: str = ""
    """The flag without which vLLM does not expose it; empty: always there."""

    def series_names(self) -> tuple[str, ...]:
        """The name once for each value of the last label, written into it; the engine's own labels are left out."""
        if not self.values:
            return (self.name,)
        return tuple(f'{self.name}{{{self.labels[-1]}="{value}"}}' for value in self.values)

    def metrics(self, max_model_len: int, profile: Profile | None = None) -> tuple[Metric, ...]:
        """The metrics to register for a model of that length, one for each of `series_names`."""
        bounds = token_buckets(max_model_len) if self.counts_tokens else self.buckets
        return tuple(Metric(name, self.type, self.unit, profile, bounds) for name in self.series_names())


def _gauge(name: str, help: str, unit: str = "") -> VllmMetric:
    return VllmMetric(f"vllm:{name}", MetricType.GAUGE, help, unit)


def _counter(name: str, help: str, unit: str = "", only_with: str = "") -> VllmMetric:
    return VllmMetric(f"vllm:{name}_total", MetricType.COUNTER, help, unit, only_with=only_with)


def _seconds(name: str, help: str, buckets: tuple[float, ...], only_with: str = "") -> VllmMetric:
    return VllmMetric(f"vllm:{name}_seconds", MetricType.HISTOGRAM, help, "s", buckets=buckets, only_with=only_with)


def _tokens(name: str, help: str) -> VllmMetric:
    return VllmMetric(f"vllm:{name}", MetricType.HISTOGRAM, help, "tokens", counts_tokens=True)


def _split(family: VllmMetric, label: str, values: tuple[str, ...]) -> VllmMetric:
    """The family with one more label of fixed values."""
    return VllmMetric(
        family.name, family.type, family.help, family.unit, (*family.labels, label), values, only_with=family.only_with
    )


_COUNTS = (
    _tokens("request_prompt_tokens", "Prompt tokens of a finished request."),
    _tokens("request_generation_tokens", "Generated tokens of a finished request."),
    _tokens("request_max_num_generation_tokens", "Most tokens generated for any choice of a request."),
    VllmMetric(
        "vllm:request_params_n", MetricType.HISTOGRAM, "The request's parameter n.", "choices", buckets=N_BUCKETS
    ),
    _tokens("request_params_max_tokens", "The request's parameter max_tokens."),
)
_TIMES = (
    _seconds("time_to_first_token", "From arrival to the first token.", FIRST_TOKEN_BUCKETS),
    _seconds("e2e_request_latency", "From arrival to the last token.", REQUEST_BUCKETS),
    _seconds("request_queue_time", "From being queued to being scheduled first.", REQUEST_BUCKETS),
    _seconds("request_inference_time", "From being scheduled first to the last token.", REQUEST_BUCKETS),
    _seconds("request_prefill_time", "From being scheduled first to the first token.", REQUEST_BUCKETS),
    _seconds("request_decode_time", "From the first to the last token.", REQUEST_BUCKETS),
)
_ITERATION_TOKENS = VllmMetric(
    "vllm:iteration_tokens_total",
    MetricType.HISTOGRAM,
    "Tokens of an engine step.",
    "tokens",
    buckets=ITERATION_BUCKETS,
)
_CACHE_CONFIG = VllmMetric(
    "vllm:cache_config_info",
    MetricType.GAUGE,
    "Settings of the KV cache as labels; always 1.",
    labels=("block_size", "cache_dtype", "enable_prefix_caching", "gpu_memory_utilization", "num_gpu_blocks", "engine"),
)
_LORA = VllmMetric(
    "vllm:lora_requests_info",
    MetricType.GAUGE,
    "LoRA adapters in use as labels; the value is the Unix time.",
    labels=("max_lora", "waiting_lora_adapters", "running_lora_adapters"),
    only_with="--enable-lora",
)
_RUNNING = _gauge("num_requests_running", "Requests in the batch.", "requests")
_WAITING = _gauge("num_requests_waiting", "Requests waiting to be scheduled.", "requests")
_TOKENS = (
    _counter("num_preemptions", "Preemptions since the start.", "requests"),
    _counter("prompt_tokens", "Prompt tokens processed.", "tokens"),
    _counter("generation_tokens", "Tokens generated.", "tokens"),
)
_SUCCESS = _counter("request_success", "Requests that ended, by reason.", "requests")
_NO_LOGITS = "VLLM_COMPUTE_NANS_IN_LOGITS=1"
_BLOCKS = "--kv-cache-metrics"

VLLM_033: tuple[VllmMetric, ...] = (
    _RUNNING,
    _WAITING,
    _split(
        _gauge("num_requests_waiting_by_reason", "Requests waiting, by what for.", "requests"),
        "reason",
        ("capacity", "deferred"),
    ),
    _split(
        _gauge("num_requests_kv_fetch_by_stage", "Requests whose KV comes from elsewhere, by stage.", "requests"),
        "stage",
        ("waiting_to_start", "in_progress", "completed_waiting"),
    ),
    _gauge("watermark_requests", "Requests held back by the watermark of free blocks (help assumed).", "requests"),
    _gauge("kv_cache_usage_perc", "Share of KV blocks in use, 0 to 1."),
    _split(
        _gauge("engine_sleep_state", "1 for the state the engine is in."),
        "sleep_state",
        ("awake", "weights_offloaded", "discard_all"),
    ),
    VllmMetric(
        "vllm:engine_healthy",
        MetricType.GAUGE,
        "1 while the engine answers.",
        labels=("engine",),
        only_with="--enable-fault-tolerance",
    ),
    _LORA,
    _CACHE_CONFIG,
    *_TOKENS,
    _split(_counter("prompt_tokens_by_source", "Prompt tokens, by where from.", "tokens"), "source", SOURCES),
    _counter("prompt_tokens_cached", "Prompt tokens found in a cache.", "tokens"),
    _split(
        _counter("prompt_tokens_cached_by_source", "Prompt tokens found in a cache, by tier.", "tokens"),
        "source",
        CACHE_TIERS,
    ),
    _counter("prefix_cache_queries", "Tokens looked up in the prefix cache.", "tokens"),
    _counter("prefix_cache_hits", "Tokens found in the prefix cache.", "tokens"),
    _counter("external_prefix_cache_queries", "Tokens looked up in other instances' caches.", "tokens"),
    _counter("external_prefix_cache_hits", "Tokens found in other instances' caches.", "tokens"),
    _counter("mm_cache_queries", "Items looked up in the multi-modal cache.", "items"),
    _counter("mm_cache_hits", "Items found in the multi-modal cache.", "items"),
    _counter("corrupted_requests", "Requests with NaN among their logits.", "requests", only_with=_NO_LOGITS),
    _split(
        _counter("admission_rejections", "Requests turned away because the queue is full.", "requests"),
        "reason",
        ("max_num_queued_reqs", "max_num_queued_tokens"),
    ),
    _split(_SUCCESS, "finished_reason", FINISHED_REASONS),
    *_COUNTS,
    _tokens("request_prefill_kv_computed_tokens", "Prompt tokens computed, not found in a cache, of a request."),
    VllmMetric(
        "vllm:request_num_preemptions",
        MetricType.HISTOGRAM,
        "How often a finished request was preempted.",
        buckets=PREEMPTION_BUCKETS,
    ),
    _ITERATION_TOKENS,
    *_TIMES,
    _seconds("inter_token_latency", "Between two tokens of a request.", TOKEN_GAP_BUCKETS),
    _seconds("request_time_per_output_token", "Mean between two tokens of a finished request.", TOKEN_GAP_BUCKETS),
    _seconds("kv_block_lifetime", "From allocation to eviction of a sampled block.", BLOCK_BUCKETS, _BLOCKS),
    _seconds("kv_block_idle_before_evict", "From last use to eviction of a sampled block.", BLOCK_BUCKETS, _BLOCKS),
    _seconds("kv_block_reuse_gap", "Between two uses of a sampled block.", BLOCK_BUCKETS, _BLOCKS),
)
"""vLLM 0.33, engine V1."""

VLLM_085: tuple[VllmMetric, ...] = (
    _RUNNING,
    _WAITING,
    _gauge("gpu_cache_usage_perc", "Share of KV blocks in use, 0 to 1."),
    _LORA,
    _CACHE_CONFIG,
    *_TOKENS,
    _counter("gpu_prefix_cache_queries", "Blocks looked up in the prefix cache.", "blocks"),
    _counter("gpu_prefix_cache_hits", "Blocks found in the prefix cache.", "blocks"),
    _split(_SUCCESS, "finished_reason", FINISHED_REASONS[:3]),
    *_COUNTS,
    _ITERATION_TOKENS,
    *_TIMES,
    _seconds("time_per_output_token", "Between two tokens of a request.", TOKEN_GAP_BUCKETS),
)
"""vLLM 0.8.5, engine V1. `num_requests_swapped`, which the testbed's queries name, belongs to engine V0: V1 never swaps
and does not expose it. The iteration histogram's bounds are its CUDA graph sizes there; taken as today's (assumed)."""

_RENAMED = {
    "vllm:kv_cache_usage_perc": "vllm:gpu_cache_usage_perc",
    "vllm:prefix_cache_queries_total": "vllm:gpu_prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total": "vllm:gpu_prefix_cache_hits_total",
    "vllm:inter_token_latency_seconds": "vllm:time_per_output_token_seconds",
}
_OLD = frozenset(metric.name for metric in VLLM_085)

NAMES_085: dict[str, str | None] = {
    metric.name: _RENAMED.get(metric.name, metric.name if metric.name in _OLD else None) for metric in VLLM_033
}
"""By the current family name: the name in 0.8.5, None where that version has no such metric."""
