"""What one vLLM engine says of itself to Prometheus: the families of `vllm_metrics`, as vLLM's loggers keep them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twin.inference.request import Request
from twin.inference.vllm_metrics import CACHE_TIERS, FINISHED_REASONS, SOURCES, VLLM_033, VllmMetric
from twin.telemetry.histogram import Histogram
from twin.telemetry.records import Metric, MetricType, Profile

if TYPE_CHECKING:
    from twin.inference.data_parallel import DataParallel
    from twin.inference.engine import Engine

FLAGS = ("", "VLLM_COMPUTE_NANS_IN_LOGITS=1")
"""Flags and variables that this deployment sets; families that need others are not exposed, as in vLLM."""

FAMILIES: tuple[VllmMetric, ...] = tuple(
    family for family in VLLM_033 if family.only_with in FLAGS and family.name != "vllm:cache_config_info"
)
"""What an engine exposes. `cache_config_info` is constant labels without a value of its own."""

_PROFILES: dict[str, Profile] = {
    "vllm:num_requests_running": "serving",
    "vllm:num_requests_waiting": "serving",
    "vllm:kv_cache_usage_perc": "serving",
    "vllm:num_preemptions_total": "serving",
    "vllm:prefix_cache_queries_total": "serving",
    "vllm:prefix_cache_hits_total": "serving",
    "vllm:time_to_first_token_seconds": "serving",
    "vllm:request_queue_time_seconds": "serving",
    "vllm:inter_token_latency_seconds": "serving",
    "vllm:prompt_tokens_total": "paper",
    "vllm:generation_tokens_total": "paper",
    "vllm:e2e_request_latency_seconds": "paper",
}
_SHOWN = {'vllm:request_success_total{finished_reason="stop"}', 'vllm:request_success_total{finished_reason="error"}'}


def metrics(max_model_len: int) -> tuple[Metric, ...]:
    """The metrics of an engine for a model of that length, in the order of `EngineStats.values`."""
    found: list[Metric] = []
    for family in FAMILIES:
        for metric in family.metrics(max_model_len, _PROFILES.get(family.name)):
            shown = metric.name in _SHOWN
            found.append(Metric(metric.name, metric.type, metric.unit, "paper", metric.buckets) if shown else metric)
    return tuple(found)


class EngineStats:
    """Counters and histograms since the start of the process."""

    def __init__(self, max_model_len: int) -> None:
        self.histograms = {
            family.name: Histogram(family.metrics(max_model_len)[0].buckets)
            for family in FAMILIES
            if family.type is MetricType.HISTOGRAM
        }
        h = self.histograms
        self._iteration = h["vllm:iteration_tokens_total"]
        self._gap = h["vllm:inter_token_latency_seconds"]
        self._ttft = h["vllm:time_to_first_token_seconds"]
        self.queries = self.hits = self.cached = self.corrupted = 0
        self.ended = dict.fromkeys(FINISHED_REASONS, 0)

    # --- called by the engine ---------------------------------------------------------------------------------

    def stepped(self, tokens: int, times: int) -> None:
        """That many steps of that many tokens."""
        self._iteration.observe(tokens, times)

    def decoded(self, durations: Sequence[float], requests: int) -> None:
        """Gaps between tokens, seen by so many requests each. Gaps of one stretch never get shorter."""
        bounds, counts = self._gap.bounds, self._gap.counts
        low, high = bisect_left(bounds, durations[0]), bisect_left(bounds, durations[-1])
        if low == high:
            counts[low] += len(durations) * requests
        else:
            for duration in durations:
                counts[bisect_left(bounds, duration)] += requests
        self._gap.sum += sum(durations) * requests

    def looked_up(self, tokens: int, found: int) -> None:
        """A request's tokens were looked up in the prefix cache when it was first scheduled."""
        self.queries += tokens
        self.hits += found

    # --- called by the server ---------------------------------------------------------------------------------

    def first_token(self, request: Request, now: float) -> None:
        """The first token of a request is out."""
        self._ttft.observe(now - request.dispatched)
        self.cached += request.cached

    def finished(self, request: Request, now: float, reason: str) -> None:
        """A request has ended."""
        self.ended[reason] += 1
        h = self.histograms
        h["vllm:e2e_request_latency_seconds"].observe(now - request.dispatched)
        h["vllm:request_prompt_tokens"].observe(request.prompt)
        h["vllm:request_generation_tokens"].observe(request.generated)
        h["vllm:request_max_num_generation_tokens"].observe(request.generated)
        h["vllm:request_params_n"].observe(1)
        h["vllm:request_params_max_tokens"].observe(request.output)
        h["vllm:request_num_preemptions"].observe(request.preemptions)
        if request.scheduled is None or request.first_token is None:
            return
        h["vllm:request_queue_time_seconds"].observe(request.scheduled - request.queued)
        h["vllm:request_inference_time_seconds"].observe(now - request.scheduled)
        h["vllm:request_prefill_time_seconds"].observe(request.first_token - request.scheduled)
        h["vllm:request_decode_time_seconds"].observe(now - request.first_token)
        h["vllm:request_prefill_kv_computed_tokens"].observe(request.prompt - request.cached)
        if request.generated > 1:
            mean = (now - request.first_token) / (request.generated - 1)
            h["vllm:request_time_per_output_token_seconds"].observe(mean)

    # --- scraped ----------------------------------------------------------------------------------------------

    def values(self, engine: Engine | DataParallel) -> list[float]:
        """All series, in the order of `metrics`."""
        scalars = self._scalars(engine)
        values: list[float] = []
        for family in FAMILIES:
            if family.type is MetricType.HISTOGRAM:
                values += self.histograms[family.name].values()
            else:
                values += scalars.get(family.name) or [0.0] * max(1, len(family.values))
        return values

    def _scalars(self, engine: Engine | DataParallel) -> dict[str, list[float]]:
        """What is counted; families that this deployment never uses (LoRA, other tiers) stay at 0."""
        computed = engine.prompt_tokens - self.cached
        return {
            "vllm:num_requests_running": [engine.running],
            "vllm:num_requests_waiting": [len(engine.waiting)],
            "vllm:num_requests_waiting_by_reason": [len(engine.waiting), 0.0],
            "vllm:kv_cache_usage_perc": [engine.kv_usage],
            "vllm:engine_sleep_state": [1.0, 0.0, 0.0],
            "vllm:num_preemptions_total": [engine.preemptions],
            "vllm:prompt_tokens_total": [engine.prompt_tokens],
            "vllm:generation_tokens_total": [engine.generation_tokens],
            "vllm:prompt_tokens_by_source_total": [computed, self.cached, *[0.0] * (len(SOURCES) - 2)],
            "vllm:prompt_tokens_cached_total": [self.cached],
            "vllm:prompt_tokens_cached_by_source_total": [self.cached, *[0.0] * (len(CACHE_TIERS) - 1)],
            "vllm:prefix_cache_queries_total": [self.queries],
            "vllm:prefix_cache_hits_total": [self.hits],
            "vllm:corrupted_requests_total": [self.corrupted],
            "vllm:request_success_total": [float(count) for count in self.ended.values()],
        }
