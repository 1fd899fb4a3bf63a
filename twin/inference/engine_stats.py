"""What one vLLM engine says of itself to Prometheus: the families of `vllm_metrics`, as vLLM's loggers keep them."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
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


_OF_ALL = (
    "vllm:e2e_request_latency_seconds",
    "vllm:request_prompt_tokens",
    "vllm:request_generation_tokens",
    "vllm:request_max_num_generation_tokens",
    "vllm:request_params_n",
    "vllm:request_params_max_tokens",
    "vllm:request_num_preemptions",
)
_OF_SERVED = (
    "vllm:request_queue_time_seconds",
    "vllm:request_inference_time_seconds",
    "vllm:request_prefill_time_seconds",
    "vllm:request_decode_time_seconds",
    "vllm:request_prefill_kv_computed_tokens",
)
MOST_PENDING = 1024
"""Ended requests that wait at most to be counted: many at once take half the time."""


HIT_RATE_REQUESTS = 1000
"""Requests that the hit rate in the log is taken over (vllm/v1/metrics/stats.py, CachingMetrics)."""


class EngineStats:
    """Counters and histograms since the start of the process."""

    def __init__(self, max_model_len: int) -> None:
        self._histograms = {
            family.name: Histogram(family.metrics(max_model_len)[0].buckets)
            for family in FAMILIES
            if family.type is MetricType.HISTOGRAM
        }
        h = self._histograms
        self._first: list[float] = []
        self._of_all: list[tuple[float, ...]] = []
        self._of_served: list[tuple[float, ...]] = []
        self._per_token: list[float] = []
        self._iteration = h["vllm:iteration_tokens_total"]
        self._gap = h["vllm:inter_token_latency_seconds"]
        self.queries = self.hits = self.cached = self.corrupted = 0
        self.ended = dict.fromkeys(FINISHED_REASONS, 0)
        self._recent: deque[tuple[int, int]] = deque()
        self._recent_queries = self._recent_hits = 0
        self._new: list[tuple[int, int]] = []
        """Look-ups since the log last asked."""

    # --- called by the engine ---------------------------------------------------------------------------------

    def stepped(self, tokens: int, durations: Sequence[float], decoding: int) -> None:
        """Steps of so many tokens each, and how long they took: the gap between two tokens of each decoding request.

        Gaps of one stretch never get shorter.
        """
        iteration, gap, steps = self._iteration, self._gap, len(durations)
        iteration.counts[bisect_left(iteration.bounds, tokens)] += steps
        iteration.sum += tokens * steps
        if not decoding:
            return
        bounds, counts = gap.bounds, gap.counts
        low = bisect_left(bounds, durations[0])
        if steps == 1:
            counts[low] += decoding
            gap.sum += durations[0] * decoding
            return
        if low == bisect_left(bounds, durations[-1]):
            counts[low] += steps * decoding
        else:
            for duration in durations:
                counts[bisect_left(bounds, duration)] += decoding
        gap.sum += sum(durations) * decoding

    def decoded(self, duration: float) -> None:
        """A gap between two tokens of one request."""
        self._gap.observe(duration)

    def looked_up(self, tokens: int, found: int) -> None:
        """A request's tokens were looked up in the prefix cache when it was first scheduled."""
        self.queries += tokens
        self.hits += found
        self._new.append((tokens, found))

    @property
    def hit_rate(self) -> float:
        """Share of the tokens of recent requests that the prefix cache had, as the log says it."""
        for tokens, found in self._new:
            self._recent.append((tokens, found))
            self._recent_queries += tokens
            self._recent_hits += found
            if len(self._recent) > HIT_RATE_REQUESTS:
                tokens, found = self._recent.popleft()
                self._recent_queries -= tokens
                self._recent_hits -= found
        self._new.clear()
        return self._recent_hits / self._recent_queries if self._recent_queries else 0.0

    # --- called by the server ---------------------------------------------------------------------------------

    def first_token(self, request: Request, now: float) -> None:
        """The first token of a request is out."""
        self._first.append(now - request.dispatched)
        self.cached += request.cached

    def finished(self, request: Request, now: float, reason: str) -> None:
        """A request has ended by itself. One that its client aborted leaves the server unseen: it is in no metric of
        requests, only in those of tokens (vllm-project/vllm issues 31503 and 55634)."""
        self.ended[reason] += 1
        generated = request.generated
        self._of_all.append(
            (now - request.dispatched, request.prompt, generated, generated, 1, request.output, request.preemptions)
        )
        scheduled, first = request.scheduled, request.first_token
        if scheduled is not None and first is not None:
            self._of_served.append(
                (
                    scheduled - request.queued,
                    now - scheduled,
                    first - scheduled,
                    now - first,
                    request.prompt - request.cached,
                )
            )
            if generated > 1:
                self._per_token.append((now - first) / (generated - 1))
        if len(self._of_all) >= MOST_PENDING:
            self._count_requests()

    # --- counted when somebody looks, or when there are many ------------------------------------------------

    @property
    def histograms(self) -> dict[str, Histogram]:
        """By family name, with everything counted so far."""
        self._count_requests()
        return self._histograms

    def _count_requests(self) -> None:
        h = self._histograms
        h["vllm:time_to_first_token_seconds"].observe_each(self._first)
        for name, column in zip(_OF_ALL, zip(*self._of_all, strict=True), strict=False):
            h[name].observe_each(column)
        for name, column in zip(_OF_SERVED, zip(*self._of_served, strict=True), strict=False):
            h[name].observe_each(column)
        h["vllm:request_time_per_output_token_seconds"].observe_each(self._per_token)
        for pending in (self._first, self._of_all, self._of_served, self._per_token):
            pending.clear()

    # --- scraped ----------------------------------------------------------------------------------------------

    def values(self, engine: Engine | DataParallel) -> list[float]:
        """All series, in the order of `metrics`."""
        scalars, histograms = self._scalars(engine), self.histograms
        values: list[float] = []
        for family in FAMILIES:
            if family.type is MetricType.HISTOGRAM:
                values += histograms[family.name].values()
            else:
                values += scalars.get(family.name) or [0.0] * max(1, len(family.values))
        return values

    def _scalars(self, engine: Engine | DataParallel) -> dict[str, list[float]]:
        """What is counted; families that this deployment never uses (LoRA, other tiers) stay at 0."""
        computed = engine.prompt_tokens - self.cached
        return {
            "vllm:num_requests_running": [engine.running],
            "vllm:num_requests_waiting": [engine.queued_as_told],
            "vllm:num_requests_waiting_by_reason": [engine.queued_as_told, 0.0],
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
