"""Constants of vLLM's server and executor, and what silent corruption does to an answer."""

from __future__ import annotations

EXECUTE_TIMEOUT = 300.0
"""VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS: how long a step may take before the engine gives its workers up (vLLM 0.33)."""

SILENCE = 60.0
"""VLLM_RINGBUFFER_WARNING_INTERVAL: how often an executor complains about workers that do not answer (vLLM 0.33)."""

STATS_INTERVAL = 10.0
"""VLLM_LOG_STATS_INTERVAL: seconds between two lines of statistics (vLLM 0.33)."""

LARGEST_UTILIZATION = 0.98
"""Largest gpu_memory_utilization that a fresh GPU allows: the rest is the driver's and the context's (assumed; vLLM
refuses to start where less is free than it was told to take)."""

POD_MEMORY = 6.0e9
"""Resident bytes of an engine's processes on the host (assumed: pinned buffers and three Python processes)."""

NAN_SHARE = 0.0101
"""Share of silent corruptions that show as NaN or infinity (arXiv 2605.04213)."""


def corrupted_share(share: float, tokens: int) -> float:
    """Probability that an answer of `tokens` tokens holds a wrong one where `share` of tokens come out wrong."""
    return float(1.0 - (1.0 - share) ** tokens)
