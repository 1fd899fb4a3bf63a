"""How long a GPU kernel takes: a fixed time, then whichever is slower of memory and tensor cores, with a soft knee.

    matrix product    KERNEL + ((bytes / bandwidth)^4 + (operations / throughput)^4)^(1/4)
    anything else     a fixed time + bytes / bandwidth

A product is cut into tiles, and the tiles are worked off in waves, one tile a multiprocessor; a last wave that is half
empty still takes its time. That counts for half here, because libraries pick among tiles and split the inner dimension
where the waves do not come out even. It matters where the output is narrow: few tokens, or a model on several GPUs.

Only the two efficiencies of a GPU are fitted to it; the constants here hold for every GPU and model. They were chosen
once on published tables of single kernels: A100, H100 and H200 (aiconfigurator, vLLM 0.14, Apache-2.0), among them the
shapes of larger models and of few KV heads, and RTX PRO 6000 (LLMServingSim's profiles, MIT). `healtwin hardware fit`
shows how well they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from twin.mechanics.hardware import Gpu

KERNEL_SECONDS = 4.0e-6
"""Start, ramp and drain of a matrix product (tables of matrix products, 1 row)."""

SMALL_KERNEL_SECONDS = 2.5e-6
"""The same of a norm, a rotary embedding or an activation (LLMServingSim's profile at 1 token: 2.4 to 2.7)."""

TILES = ((256, 128, 1.0), (128, 128, 1.0), (128, 64, 1.15))
"""Tiles that a library chooses from: rows, columns, and how much longer its operations take than in the largest."""

WAVE_SHARE = 0.5
"""How much of the idle part of the last wave is felt (tables of matrix products: without it 6.8 % mean error a cell
over four GPUs, with it 6.2 %)."""

KV_HEADS_HALF = 0.30
"""KV heads on a GPU at which reading them would be half as fast: few heads, few streams (tables, 1 to 8 KV heads)."""

PREFILL_EFFICIENCY = 0.70
"""Share of throughput that causal attention over long prompts reaches over that of large matrix products."""

PREFILL_TILE_SECONDS = 9.0e-6
PREFILL_TILE_TOKENS = 128
"""Set-up of 128 queries of a head on a multiprocessor (tables of prefill attention, 512 to 16,384 tokens)."""

ACTIVATIONS_READ = 0.7
"""Share of activations that norms and the like fetch from memory and do not find in the cache (LLMServingSim's
profile, 2,048 tokens)."""

EXPERT_SECONDS = 28.0e-6
"""Start of a layer of experts: choosing, sorting, two grouped products, the activation between and the sum after."""

EXPERT_READING = 1.05
EXPERT_EFFICIENCY = 0.65
"""Shares of bandwidth and throughput that the grouped products reach over those of a plain one (vLLM's benchmark_moe,
bf16: Qwen3-30B-A3B on A100 PCIe, pull request 19049; half of Mixtral-8x7B on H100, pull request 24700)."""

EXPERT_TILES = (16, 64)
"""Rows to which an expert's tokens are padded: with at most as many tokens as experts, and with more (vLLM's
get_default_config)."""

SAMPLER_SECONDS = 25.0e-6
"""Sampling's handful of kernels (LLMServingSim's profile at 1 sequence)."""


@dataclass(frozen=True, slots=True)
class Attention:
    """An attention kernel."""

    start: float
    """Seconds of a call: scheduling its splits, and joining them."""
    tile: float
    """Seconds of set-up of one sequence's KV head on a multiprocessor."""
    reading: float
    """Share of bandwidth that reading KV pages reaches over that of weights."""
    unpacked_tile: float = 0.0
    unpacked_empty: float = 0.0
    """Seconds of a multiprocessor for each query head of a decode beside prefills, and for each 64 queries of the
    longest of these. 0 where the query heads that share keys are served together in any batch."""
    unpacked_reading: float = 1.0
    """How much longer the keys of a decode take there: each head of a group reads them anew, from cache mostly."""


UNPACKED_TOKENS = 64
"""Queries of a tile beside which decodes get empty ones."""

FLASH_ATTENTION_3 = Attention(start=11.0e-6, tile=1.5e-6, reading=1.12)

ATTENTION = {
    "flash-attention-2": Attention(15.0e-6, 2.2e-6, 1.0, 3.8e-6, 0.35e-6, 1.5),
    "flash-attention-3": FLASH_ATTENTION_3,
    "flashinfer": FLASH_ATTENTION_3,  # assumed
}
"""What vLLM runs: version 3 at compute capability 9, FlashInfer at 10, version 2 elsewhere. Fitted on tables of decode
attention: version 2 on A100 and RTX PRO 6000, version 3 on H100 and H200; mixed batches on LLMServingSim's profile (8
to 128 decodes beside chunks of 16 to 2,048 tokens)."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What a GPU's kernels reach now: bytes/s from memory, FLOP/s in its tensor cores."""

    bandwidth: float
    throughput: float
    multiprocessors: int

    @classmethod
    def of(cls, gpu: Gpu, clock: float = 1.0, bandwidth: float = 1.0) -> Speed:
        """`clock` is the ratio of the SM clock to its maximum, `bandwidth` that of the memory to a sound one."""
        return cls(
            gpu.bandwidth * gpu.memory_efficiency * bandwidth,
            gpu.flops * gpu.compute_efficiency * clock,
            gpu.multiprocessors,
        )


@dataclass(frozen=True, slots=True)
class Product:
    """Matrix products of one shape: `count` times (rows x inner) @ (inner x outputs) with weights of that shape."""

    count: float
    fixed: float
    """Seconds of all kernels' starts."""
    weights: float
    """Seconds that one takes to read its weights."""
    rows_read: float
    """Seconds to read and write its activations, per row."""
    compute: float
    """Seconds of tensor cores, per row, with every multiprocessor busy."""
    multiprocessors: int
    tiles: tuple[tuple[int, int, float], ...]
    """For each tile: its rows, how many of them lie side by side, and the seconds of a wave of them."""

    def seconds(self, rows: int) -> float:
        """All `count` of them with that many rows."""
        memory = self.weights + self.rows_read * rows
        compute = self.compute * rows
        waves = 3.0 * compute
        for tall, wide, wave in self.tiles:
            found = -(-(-(-rows // tall) * wide) // self.multiprocessors) * wave
            if found < waves:
                waves = found
        compute += WAVE_SHARE * (waves - compute)
        memory *= memory
        compute *= compute
        return self.fixed + self.count * sqrt(sqrt(memory * memory + compute * compute))


def product(speed: Speed, outputs: float, inner: float, count: float = 1.0, width: float = 2.0) -> Product:
    """`count` products with weights of outputs x inner values of `width` bytes; activations are bf16."""
    operation = 2.0 * inner / speed.throughput  # of one output value, with every multiprocessor busy
    return Product(
        count=count,
        fixed=KERNEL_SECONDS * count,
        weights=outputs * inner * width / speed.bandwidth,
        rows_read=2.0 * (outputs + inner) / speed.bandwidth,
        compute=outputs * operation,
        multiprocessors=speed.multiprocessors,
        tiles=tuple(
            (tall, ceil(outputs / wide), speed.multiprocessors * tall * wide * slower * operation)
            for tall, wide, slower in TILES
        ),
    )
