"""How long one step of an LLM engine takes, and what it does to the GPU: a roofline with a floor.

    gpu time = max(weights / bandwidth, 2 x parameters x tokens / throughput)      flat, then linear in tokens
             + attention of the prefill tokens / throughput                        quadratic in the prompt
             + KV bytes read / bandwidth                                           linear in the context
    step     = max(gpu time, host time)                                            scheduling overlaps the GPU

The clock scales throughput, not memory bandwidth: a throttled GPU prefills slowly and decodes almost as before.
"""

from __future__ import annotations

from dataclasses import dataclass

from twin.mechanics.hardware import Gpu, Model

HOST_SECONDS = 1.0e-3
"""Host time of a step (assumed; vLLM V1 hides it behind the GPU: 9 microseconds of gap when idle were measured on
vLLM 0.19 by LLMServingSim's bench)."""

HOST_SECONDS_PER_SEQUENCE = 2.0e-5
"""Host time per running sequence (assumed; vLLM V0 showed 0.3 ms, which V1's separate API process took away)."""

BLOCK_TOKENS = 16
"""Tokens in a KV block (vLLM's DEFAULT_BLOCK_SIZE)."""

ACTIVATION_TOKENS_BYTES = 2.0e5
"""Bytes of activations per batched token that the profiling run reserves (assumed: a few hidden-size buffers)."""

CUDA_GRAPH_BYTES = 1.2e9
"""Bytes of CUDA context and captured graphs (assumed)."""


@dataclass(frozen=True, slots=True)
class StepCost:
    """The coefficients of one model on one GPU at one clock. Seconds, per token where the name says so."""

    weights: float
    compute_per_token: float
    attention_per_token_pair: float
    kv_per_token: float

    def gpu_seconds(self, tokens: int, kv_tokens: int, prefill_pairs: float) -> float:
        """GPU time of a step: `tokens` in the batch, `kv_tokens` of context read by decoding sequences, and
        `prefill_pairs`, the sum over prefill chunks of chunk length x mean context."""
        matrix = max(self.weights, self.compute_per_token * tokens)
        return matrix + self.attention_per_token_pair * prefill_pairs + self.kv_per_token * kv_tokens


def step_cost(gpu: Gpu, model: Model, clock: float = 1.0) -> StepCost:
    """Coefficients at a clock ratio in (0, 1]."""
    throughput = gpu.flops * gpu.compute_efficiency * clock
    return StepCost(
        weights=model.weight_bytes / (gpu.bandwidth * gpu.weight_efficiency),
        compute_per_token=2.0 * model.parameters / throughput,
        attention_per_token_pair=4.0 * model.layers * model.heads * model.head_size / throughput,
        kv_per_token=model.kv_bytes_per_token / (gpu.bandwidth * gpu.kv_efficiency),
    )


def host_seconds(sequences: int, slowdown: float) -> float:
    """Host time of a step with that many sequences on a host slowed by that factor."""
    return (HOST_SECONDS + HOST_SECONDS_PER_SEQUENCE * sequences) * slowdown


def kv_blocks(gpu: Gpu, model: Model, utilization: float, batched_tokens: int) -> int:
    """KV blocks that fit beside weights and activations; 0 or less where the model does not fit."""
    activations = ACTIVATION_TOKENS_BYTES * batched_tokens + CUDA_GRAPH_BYTES
    free = gpu.memory * utilization - model.weight_bytes - activations
    return int(free // (model.kv_bytes_per_token * BLOCK_TOKENS))


WEIGHT_LOAD_BYTES_PER_SECOND = 1.0e9
"""Reading weights from the node's disk or page cache (assumed: one NVMe drive with decompression)."""

IMPORT_SECONDS = 6.0
"""Start of the interpreter and imports of torch and vLLM, before the GPU is looked for (assumed)."""

WARMUP_SECONDS = 17.0
COMPILE_SECONDS = 21.4
"""vLLM's own line: "init engine … took 38.12 s (compilation: 21.40 s)"; the compilation is cached in the container."""
