"""How long one step of an LLM engine keeps its GPUs busy: the sum of its kernels (`twin.mechanics.kernels`).

    matrix products      flat in the tokens of the batch, then linear: weights first, tensor cores later
    attention            KV bytes read by decodes / bandwidth, and (query, key) pairs of prefills / throughput
    norms, activations   bytes / bandwidth
    all-reduce           two a layer where the model is spread over several GPUs
    step                 max(gpu time, host time): vLLM schedules the next step while the GPU works on this one

The clock scales the tensor cores and not the memory: a throttled GPU prefills slowly and decodes almost as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from twin.mechanics.hardware import Gpu, Model
from twin.mechanics.interconnect import all_reduce
from twin.mechanics.kernels import (
    ACTIVATIONS_READ,
    ATTENTION,
    EXPERT_EFFICIENCY,
    EXPERT_READING,
    EXPERT_SECONDS,
    EXPERT_TILES,
    KV_HEADS_HALF,
    PREFILL_EFFICIENCY,
    PREFILL_TILE_SECONDS,
    PREFILL_TILE_TOKENS,
    SAMPLER_SECONDS,
    SMALL_KERNEL_SECONDS,
    UNPACKED_TOKENS,
    Product,
    Speed,
    product,
)

HOST_SECONDS = 1.0e-3
"""Host time of a step (assumed; vLLM V1 hides it behind the GPU: 9 microseconds of gap when idle were measured on
vLLM 0.19 by LLMServingSim's bench)."""

HOST_SECONDS_PER_SEQUENCE = 2.0e-5
"""Host time per running sequence (assumed; vLLM V0 showed 0.3 ms, which V1's separate API process took away)."""

BLOCK_TOKENS = 16
"""Tokens in a KV block (vLLM's DEFAULT_BLOCK_SIZE)."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one kind of kernel takes in a step: a constant, and so much per token and per sampled sequence (seconds)."""

    constant: float = 0.0
    per_token: float = 0.0
    per_sequence: float = 0.0


@dataclass(frozen=True, slots=True)
class StepCost:
    """The coefficients of one model on its GPUs in their present condition. Seconds."""

    products: Mapping[str, Product]
    """Matrix products over all tokens of the batch, by name."""
    output: Product
    """The output matrix, over the sequences that get a token."""
    experts: ExpertProducts | None
    parts: Mapping[str, Part]
    """Everything that is linear in tokens and sequences, by name."""
    constant: float
    per_token: float
    per_sequence: float
    """Sums of `parts`."""
    mixed_per_sequence: float
    mixed_per_pair: float
    """What a decode costs more beside prefills: per decode, and per decode and prefill token."""
    kv_per_token: float
    """Per context token that a decode reads."""
    mixed_kv_per_token: float
    """The same beside prefills."""
    attention_per_pair: float
    """Per (query token, context token) pair of a prefill chunk."""

    def fixed(self, tokens: int, sequences: int) -> float:
        """What depends on the numbers of tokens and sampled sequences alone; pure, so that callers may memoise it."""
        total = self.constant + self.per_token * tokens + self.per_sequence * sequences
        for operator in self.products.values():
            total += operator.seconds(tokens)
        if self.experts is not None:
            total += self.experts.seconds(tokens)
        if tokens > sequences:
            total += sequences * (self.mixed_per_sequence + self.mixed_per_pair * (tokens - sequences))
        return total + self.output.seconds(sequences) if sequences else total

    def gpu_seconds(self, tokens: int, sequences: int, kv_tokens: float, pairs: float) -> float:
        """GPU time of a step: `tokens` in the batch, `sequences` that get a token, `kv_tokens` of context read by
        decoding sequences, and `pairs`, the sum over prefill chunks of chunk length x mean context."""
        per_token = self.mixed_kv_per_token if pairs else self.kv_per_token
        return self.fixed(tokens, sequences) + per_token * kv_tokens + self.attention_per_pair * pairs

    def breakdown(self, tokens: int, sequences: int, kv_tokens: float, pairs: float) -> dict[str, float]:
        """The same by kind of kernel."""
        found = {name: operator.seconds(tokens) for name, operator in self.products.items()}
        if self.experts is not None:
            found["experts"] = self.experts.seconds(tokens)
        found["lm_head"] = self.output.seconds(sequences) if sequences else 0.0
        for name, part in self.parts.items():
            found[name] = part.constant + part.per_token * tokens + part.per_sequence * sequences
        per_token = self.mixed_kv_per_token if pairs else self.kv_per_token
        found["attention"] += per_token * kv_tokens + self.attention_per_pair * pairs
        if tokens > sequences:
            found["attention"] += sequences * (self.mixed_per_sequence + self.mixed_per_pair * (tokens - sequences))
        return found


@dataclass(frozen=True, slots=True)
class ExpertProducts:
    """The two grouped products of mixture-of-experts layers: they read the experts that the batch touches."""

    fixed: float
    layers: int
    number: int
    missed_by_a_token: float
    """Share of the experts that one token leaves unread."""
    weights: float
    """Seconds to read one expert."""
    rows_read: float
    compute: float
    """Seconds of tensor cores for one token in one expert."""
    per_token: int

    def seconds(self, tokens: int) -> float:
        """All layers with that many tokens."""
        touched = self.number * (1.0 - self.missed_by_a_token**tokens)
        rows = self.per_token * tokens
        memory = self.weights * touched + self.rows_read * rows
        tile = EXPERT_TILES[tokens > self.number]
        compute = self.compute * (rows + touched * tile / 2.0)  # the last tile of an expert is half full
        memory *= memory
        compute *= compute
        return self.fixed + self.layers * sqrt(sqrt(memory * memory + compute * compute))


def step_cost(
    gpu: Gpu,
    model: Model,
    tensor_parallel: int = 1,
    clock: float = 1.0,
    bandwidth: float = 1.0,
    link: float = 1.0,
) -> StepCost:
    """Coefficients of a model spread over `tensor_parallel` GPUs.

    `clock` is the ratio of the SM clock to its maximum, `bandwidth` that of memory and `link` that of the
    interconnect to a sound one, each in (0, 1].
    """
    speed = Speed.of(gpu, clock, bandwidth)
    tp, layers, h = tensor_parallel, model.layers, model.hidden
    heads, kv_heads = model.heads / tp, max(1.0, model.kv_heads / tp)  # fewer KV heads than GPUs are copied
    width = model.bytes_per_parameter

    def matrix(outputs: float, inner: float) -> Product:
        return product(speed, outputs, inner, layers, width)

    products = {
        "qkv": matrix((heads + 2 * kv_heads) * model.head_size, h),
        "o": matrix(h, heads * model.head_size),
    }
    if model.mamba is not None:
        products["mamba_in"] = matrix(model.mamba.projection / tp, h)
        products["mamba_out"] = matrix(h, model.mamba.inner / tp)
    experts = _experts(model, speed, tp)
    if experts is None:
        products["gate_up"] = matrix(2 * model.intermediate / tp, h)
        products["down"] = matrix(h, model.intermediate / tp)
    else:
        products["router"] = matrix(experts.number, h)
    parts = _parts(gpu, model, speed, heads, kv_heads, tp, link)
    attention = ATTENTION[gpu.attention]
    keys = speed.bandwidth * attention.reading * kv_heads / (kv_heads + KV_HEADS_HALF)
    kv_per_token = 2.0 * layers * kv_heads * model.head_size * model.kv_bytes_per_value / keys
    query_heads = heads * layers / gpu.multiprocessors
    return StepCost(
        products=products,
        output=product(speed, model.vocabulary / tp, h, 1, width),
        experts=experts,
        parts=parts,
        constant=sum(part.constant for part in parts.values()),
        per_token=sum(part.per_token for part in parts.values()),
        per_sequence=sum(part.per_sequence for part in parts.values()),
        mixed_per_sequence=query_heads * attention.unpacked_tile,
        mixed_per_pair=query_heads * attention.unpacked_empty / UNPACKED_TOKENS,
        kv_per_token=kv_per_token,
        mixed_kv_per_token=kv_per_token * (attention.unpacked_reading if heads > kv_heads else 1.0),
        attention_per_pair=4.0 * layers * heads * model.head_size / (speed.throughput * PREFILL_EFFICIENCY),
    )


def _experts(model: Model, speed: Speed, tp: int) -> ExpertProducts | None:
    e = model.experts
    if e is None:
        return None
    values = 3.0 * model.hidden * e.intermediate / tp
    return ExpertProducts(
        fixed=model.layers * EXPERT_SECONDS,
        layers=model.layers,
        number=e.number,
        missed_by_a_token=1.0 - e.per_token / e.number,
        weights=values * model.bytes_per_parameter / (speed.bandwidth * EXPERT_READING),
        rows_read=2.0 * (2 * model.hidden + 3 * e.intermediate / tp) / speed.bandwidth,
        compute=2.0 * values / (speed.throughput * EXPERT_EFFICIENCY),
        per_token=e.per_token,
    )


def _parts(
    gpu: Gpu, model: Model, speed: Speed, heads: float, kv_heads: float, tp: int, link: float
) -> dict[str, Part]:
    layers, h = model.layers, model.hidden
    width = model.intermediate / tp if model.experts is None else 0.0
    small = SMALL_KERNEL_SECONDS * layers
    byte = 2.0 * layers / speed.bandwidth * ACTIVATIONS_READ  # a bf16 value read or written once in every layer
    attention = ATTENTION[gpu.attention]
    normed = heads + kv_heads if model.qk_norm else 0.0
    tile = layers / gpu.multiprocessors
    found = {
        "attention": Part(
            attention.start * layers,
            heads * PREFILL_TILE_SECONDS / PREFILL_TILE_TOKENS * tile,
            kv_heads * attention.tile * tile,
        ),
        "norms": Part(2 * small + SMALL_KERNEL_SECONDS, 4 * h * byte),
        "rope": Part((4 if model.qk_norm else 2) * small, 2 * (heads + kv_heads + normed) * model.head_size * byte),
        "activation": Part(small, 3 * width * byte),
        "sampler": Part(SAMPLER_SECONDS, 0.0, 4.0 * model.vocabulary / speed.bandwidth),
    }
    if model.mamba is not None:
        m = model.mamba
        state = 2.0 * m.inner * m.state * model.kv_bytes_per_value * layers / tp / speed.bandwidth
        found["mamba"] = Part(4 * small, 6 * (m.inner + m.convolved) / tp * byte, state)
    start, per_byte = all_reduce(gpu.link, tp, link)
    found["all_reduce"] = Part(2 * layers * start, 2 * layers * per_byte * 2.0 * h)
    return found


def host_seconds(sequences: int, slowdown: float) -> float:
    """Host time of a step with that many sequences on a host slowed by that factor."""
    return (HOST_SECONDS + HOST_SECONDS_PER_SEQUENCE * sequences) * slowdown


def utilisation(gpu_seconds: float, step_seconds: float) -> float:
    """Share of a step during which a kernel is resident: what DCGM_FI_DEV_GPU_UTIL counts."""
    return min(1.0, gpu_seconds / step_seconds) if step_seconds > 0 else 0.0


# --- memory ------------------------------------------------------------------------------------------------------

RESIDENT_BYTES = 0.6e9
"""CUDA context, libraries and communication buffers, outside of torch's pool (assumed; vLLM prints it as non-torch
memory, some hundred megabytes)."""

CUDA_GRAPH_BYTES = 0.6e9
"""Captured CUDA graphs (assumed; vLLM prints "Graph capturing finished in … secs, took … GiB")."""


def activation_bytes(model: Model, batched_tokens: int, sequences: int, tensor_parallel: int = 1) -> float:
    """Peak activations of the profiling run: hidden states, one feed-forward layer, and fp32 logits with a copy."""
    e = model.experts
    inner = model.intermediate if e is None else e.per_token * e.intermediate
    per_token = 2.0 * (6 * model.hidden + 3 * inner / tensor_parallel)
    return per_token * batched_tokens + 2 * 4.0 * model.vocabulary * sequences


def kv_blocks(
    gpu: Gpu,
    model: Model,
    utilization: float,
    batched_tokens: int,
    sequences: int = 128,
    tensor_parallel: int = 1,
) -> int:
    """KV blocks that fit beside weights, activations and recurrent states; 0 or less where the model does not fit."""
    free = gpu.memory * utilization - reserved_bytes(model, batched_tokens, sequences, tensor_parallel)
    kv_heads = max(1.0, model.kv_heads / tensor_parallel)
    per_token = model.kv_bytes_per_token * kv_heads / model.kv_heads
    return int(free // (per_token * BLOCK_TOKENS)) if per_token else 0


def reserved_bytes(model: Model, batched_tokens: int, sequences: int, tensor_parallel: int = 1) -> float:
    """Bytes on each GPU that are not KV cache."""
    weights = (model.weight_bytes + model.state_bytes_per_sequence * sequences) / tensor_parallel
    activations = activation_bytes(model, batched_tokens, sequences, tensor_parallel)
    return weights + activations + RESIDENT_BYTES + CUDA_GRAPH_BYTES


# --- start-up ----------------------------------------------------------------------------------------------------

IMPORT_SECONDS = 6.0
"""Start of the interpreter and imports of torch and vLLM, before the GPU is looked for (assumed)."""

WARMUP_SECONDS = 17.0
COMPILE_SECONDS = 21.4
"""vLLM's own line: "init engine … took 38.12 s (compilation: 21.40 s)"; the compilation is cached in the container."""
