"""What the exporters of a replica show: its engine's own, and the kubelet's of its container."""

from __future__ import annotations

from typing import Final

import jax.numpy as jnp
from jax import Array

from twin.fast.inference.episodes import Episode
from twin.fast.inference.exposed import SIGN
from twin.fast.inference.told import Counts, Gauges
from twin.fast.scraping import COLUMNS
from twin.inference.cgroup import (
    REQUEST_MEMORY,
    SERVER_SECONDS_PER_TOKEN,
)
from twin.inference.replica import CORE_THREADS, IDLE_THREADS

OF_ENGINE: Final = tuple(name for name in COLUMNS["vllm"] if name.startswith("vllm:"))
"""What the engine's own server says; the rest is the kubelet's."""


def of_replicas(world: Episode, counts: Counts, gauges: Gauges, of_program: Array, traffic: Array) -> dict[str, Array]:
    """[R] by feature."""
    replicas = world.exists.shape[0]
    prompt = gauges.lengths[0]
    inside = gauges.running + gauges.queued
    tokens = counts.tokens + counts.admitted
    looping = jnp.where(inside > 0.5, CORE_THREADS, IDLE_THREADS) + of_program[:replicas, SIGN["threads"]]
    cores = jnp.asarray(world.exposed.cores)[:replicas]
    nothing = jnp.zeros(replicas)
    memory = jnp.asarray(world.exposed.resident)[:replicas] + gauges.grown
    return {
        "vllm:num_requests_running": jnp.round(gauges.running),  # whole ones: what is left of a fluid is none
        "vllm:num_requests_waiting": gauges.queued,
        "vllm:kv_cache_usage_perc": jnp.minimum(1.0, gauges.tokens / world.most[1]),
        "vllm:num_preemptions_total": nothing,
        "vllm:prompt_tokens_total": counts.admitted * prompt,
        "vllm:generation_tokens_total": tokens,
        "vllm:prefix_cache_queries_total": counts.admitted * prompt,
        "vllm:prefix_cache_hits_total": counts.admitted * (prompt - gauges.lengths[2]),
        'vllm:request_success_total{finished_reason="stop"}': counts.completed,
        'vllm:request_success_total{finished_reason="error"}': nothing,
        "vllm:time_to_first_token_seconds_sum": counts.first_token,
        "vllm:time_to_first_token_seconds_count": counts.admitted,
        "vllm:e2e_request_latency_seconds_sum": counts.whole,
        "vllm:e2e_request_latency_seconds_count": counts.completed,
        "vllm:request_queue_time_seconds_sum": counts.queue_time,
        "vllm:request_queue_time_seconds_count": counts.completed,
        "vllm:inter_token_latency_seconds_sum": counts.gaps,
        "vllm:inter_token_latency_seconds_count": counts.tokens,
        "container_memory_working_set_bytes": memory + REQUEST_MEMORY * inside,
        "container_cpu_usage_seconds_total": jnp.minimum(looping + SERVER_SECONDS_PER_TOKEN * tokens, cores),
        "container_network_transmit_bytes_total": traffic[:replicas],
    }
