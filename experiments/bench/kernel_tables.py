"""Published kernel tables, read and composed into steps of whole models.

aiconfigurator (ai-dynamo, Apache-2.0): `gpu_perf/aic_vllm0.14_*_sxm_{gemm,gen_attn,ctx_attn}_bf16.csv.gz`.
LLMServingSim (casys-kaist, MIT): `gpu_perf/lss_rtxpro6000_*_{dense,per_sequence,attention}.csv.gz`.
"""

from __future__ import annotations

import csv
import gzip
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from twin.mechanics.hardware import Model

TABLES = {"a100-sxm-80gb": "a100", "h100-sxm": "h100", "h200-sxm": "h200"}
"""GPUs with tables of aiconfigurator, and what its files call them."""
BATCHES, CONTEXTS, MOST_KV_TOKENS = range(1, 257), range(128, 10**6), 400_000
"""Decode cells that are composed: batch, context, and batch x context."""
PROMPTS = (512, 2048, 8192)
KERNELS = ("qkv", "o", "gate_up", "down", "attention", "lm_head")
"""What the composition holds: no norms, no activations, no all-reduce, no sampling."""

Line = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Cell:
    """One step of a whole model as tables have it: a decode step of a batch, or the prefill of one prompt."""

    batch: int
    """Sequences that decode; 0 for a prefill."""
    context: int
    """Tokens that each of them reads; the prompt of a prefill."""
    seconds: float
    cached: int = 0
    """Tokens of a prefill's context that were computed before."""

    @property
    def load(self) -> tuple[int, int, float, float]:
        """Tokens, sequences, KV tokens and pairs, as the step cost takes them."""
        if self.batch:
            return self.batch, self.batch, float(self.batch * self.context), 0.0
        return self.context, 1, 0.0, self.context * (self.cached + self.context / 2.0)


class SxmTables:
    """The tables of one SXM part. Milliseconds in the files, seconds here."""

    def __init__(self, data: Path, gpu: str) -> None:
        self._products: dict[tuple[int, int], dict[int, float]] = {}
        self._decode: dict[tuple[int, int], dict[int, dict[int, float]]] = {}
        self._prefill: dict[tuple[int, int], dict[int, float]] = {}
        stem = f"aic_vllm0.14_{TABLES[gpu]}_sxm"
        for row in _rows(data, f"{stem}_gemm_bf16"):
            self._products.setdefault((int(row["n"]), int(row["k"])), {})[int(row["m"])] = (
                float(row["latency_ms"]) / 1e3
            )
        for row in _rows(data, f"{stem}_gen_attn_bf16"):
            by_batch = self._decode.setdefault(_heads(row), {}).setdefault(int(row["batch_size"]), {})
            by_batch[int(row["isl"]) + int(row["step"])] = float(row["latency_ms"]) / 1e3
        for row in _rows(data, f"{stem}_ctx_attn_bf16"):
            if row["batch_size"] == "1":
                self._prefill.setdefault(_heads(row), {})[int(row["isl"])] = float(row["latency_ms"]) / 1e3
        self._outputs = sorted({n for n, _ in self._products})
        self._inners = sorted({k for _, k in self._products})

    def decode(self, model: Model, tensor_parallel: int) -> Iterator[Cell]:
        """Every decode cell of the tables for a model."""
        for batch, by_context in sorted(self._decode[_shard(model, tensor_parallel)].items()):
            for context, seconds in sorted(by_context.items()):
                if batch in BATCHES and context in CONTEXTS and batch * context <= MOST_KV_TOKENS:
                    layers = model.layers * (self._layer(model, tensor_parallel, batch) + seconds)
                    yield Cell(batch, context, layers + self._head(model, tensor_parallel, batch))

    def prefill(self, model: Model, tensor_parallel: int) -> Iterator[Cell]:
        """The prefill of each of `PROMPTS`."""
        attention = self._prefill[_shard(model, tensor_parallel)]
        for prompt in PROMPTS:
            layers = model.layers * (self._layer(model, tensor_parallel, prompt) + attention[prompt])
            yield Cell(0, prompt, layers + self._head(model, tensor_parallel, 1))

    def _layer(self, model: Model, tp: int, rows: int) -> float:
        h, i, d = model.hidden, model.intermediate, model.head_size
        shapes = (
            ((model.heads + 2 * model.kv_heads) * d // tp, h),
            (h, model.heads * d // tp),
            (2 * i // tp, h),
            (h, i // tp),
        )
        return sum(self._product(n, k, rows) for n, k in shapes)

    def _head(self, model: Model, tp: int, rows: int) -> float:
        return self._product(model.vocabulary // tp, model.hidden, rows)

    def _product(self, outputs: int, inner: int, rows: int) -> float:
        """A shape that no table has is put together from those that are there."""
        return sum(
            n_share * k_share * _between(self._products[n, k], rows)
            for n, n_share in _pieces(outputs, self._outputs, halves_first=True)
            for k, k_share in _pieces(inner, self._inners, halves_first=False)
        )


def _pieces(size: int, listed: list[int], halves_first: bool) -> list[tuple[int, float]]:
    """Listed sizes that add up to it: two halves, or the largest one and its rest; where none do, one, scaled."""
    if size in listed:
        return [(size, 1.0)]
    below = max(s for s in listed if s < size)
    halves = [(size // 2, 2.0)] if size % 2 == 0 and size // 2 in listed else []
    rest = [(below, 1.0), (size - below, 1.0)] if size - below in listed else []
    found = (halves or rest) if halves_first else (rest or halves)
    return found or [(below, size / below)]


def _between(line: Line, at: int) -> float:
    """Linear interpolation."""
    if at in line:
        return line[at]
    known = sorted(line)
    place = bisect_left(known, at)
    low, high = known[max(0, place - 1)], known[min(place, len(known) - 1)]
    if low == high:
        return line[low]
    return line[low] + (line[high] - line[low]) * (at - low) / (high - low)


def _shard(model: Model, tp: int) -> tuple[int, int]:
    return model.heads // tp, max(1, model.kv_heads // tp)


def _heads(row: Mapping[str, str]) -> tuple[int, int]:
    return int(row["num_heads"]), int(row["num_key_value_heads"])


class RtxTables:
    """The profile of Llama-3.1-8B on an RTX PRO 6000: every kernel. Microseconds of one layer in the files."""

    LAYERS = 32
    DENSE: ClassVar[dict[str, int]] = {
        "qkv_proj": 1,
        "o_proj": 1,
        "gate_up_proj": 1,
        "down_proj": 1,
        "layernorm": 2,
        "rotary_emb": 1,
        "act_fn": 1,
    }
    """Kernels of a layer over all tokens of the batch, and how often each runs."""

    def __init__(self, data: Path) -> None:
        stem = "lss_rtxpro6000_llama-3.1-8b_bf16_tp1"
        self._dense: dict[str, dict[int, float]] = {}
        self._sequence: dict[str, dict[int, float]] = {}
        self._attention: dict[tuple[int, int, int, int], float] = {}
        for row in _rows(data, f"{stem}_dense"):
            self._dense.setdefault(row["layer"], {})[int(row["tokens"])] = float(row["time_us"]) / 1e6
        for row in _rows(data, f"{stem}_per_sequence"):
            self._sequence.setdefault(row["layer"], {})[int(row["sequences"])] = float(row["time_us"]) / 1e6
        for row in _rows(data, f"{stem}_attention"):
            key = (int(row["prefill_chunk"]), int(row["kv_prefill"]), int(row["n_decode"]), int(row["kv_decode"]))
            self._attention[key] = float(row["time_us"]) / 1e6

    def decode(self) -> Iterator[Cell]:
        """Whole decode steps: batches from 8 and contexts up to 4,096, which is where servers run."""
        for (chunk, _, batch, context), seconds in sorted(self._attention.items()):
            if chunk == 0 and batch >= 8 and 128 <= context <= 4096 and batch * context <= MOST_KV_TOKENS:
                yield Cell(batch, context, self._step(batch, batch, seconds))

    def prefill(self) -> Iterator[Cell]:
        """Whole prefill steps: chunks from 512, up to 2,048 tokens computed before."""
        for (chunk, cached, batch, _), seconds in sorted(self._attention.items()):
            if batch == 0 and chunk >= 512 and cached <= 2048:
                yield Cell(0, chunk, self._step(chunk, 1, seconds), cached)

    def mixed(self) -> Iterator[tuple[Cell, Cell, float]]:
        """Attention of all layers for decodes beside a prefill chunk from 256 (seconds): servers' mixed steps."""
        for (chunk, cached, batch, context), seconds in sorted(self._attention.items()):
            if chunk >= 256 and cached <= 2048 and batch >= 8 and 128 <= context <= 4096:
                yield Cell(batch, context, 0.0), Cell(0, chunk, 0.0, cached), seconds * self.LAYERS

    def _step(self, tokens: int, sequences: int, attention: float) -> float:
        layer = sum(count * _between(self._dense[name], tokens) for name, count in self.DENSE.items())
        ends = _between(self._dense["embedding"], tokens) + _between(self._dense["final_layernorm"], tokens)
        heads = sum(_between(self._sequence[name], sequences) for name in ("lm_head", "sampler"))
        return self.LAYERS * (layer + attention) + ends + heads


def has_tables(data: Path) -> bool:
    """Whether the folder has the tables of both."""
    return (
        (data / "gpu_perf").is_dir()
        and any((data / "gpu_perf").glob("aic_*"))
        and any((data / "gpu_perf").glob("lss_*"))
    )


def _rows(data: Path, stem: str) -> Iterator[dict[str, str]]:
    with gzip.open(data / "gpu_perf" / f"{stem}.csv.gz", "rt", encoding="utf-8") as stream:
        yield from csv.DictReader(stream)
