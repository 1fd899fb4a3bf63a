"""GPUs and models as data. Every constant with its source beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU model."""

    name: str
    model_name: str
    """As DCGM labels it."""
    memory: float
    """Bytes of device memory that the driver reports."""
    bandwidth: float
    """Peak memory bandwidth, bytes/s (datasheet)."""
    flops: float
    """Peak dense bf16 tensor throughput, FLOP/s (datasheet)."""
    power: float
    """Default board power limit, W (datasheet)."""
    idle_power: float
    """W."""
    clock: float
    """Maximum SM clock, MHz (datasheet)."""
    min_clock: float
    """Lowest SM clock, MHz."""
    weight_efficiency: float
    """Share of peak bandwidth reached when streaming weights."""
    kv_efficiency: float
    """Share of peak bandwidth reached when reading the KV cache."""
    compute_efficiency: float
    """Share of peak throughput reached in large matrix products."""


GPUS: dict[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        # Efficiencies of the SXM parts: vLLM 0.14 kernel tables of aiconfigurator (Apache-2.0), Llama-3.1-8B TP1:
        # 16.06 GB of weights in alpha ms, 131,072 B of KV per token in gamma ms, prefill tokens/s at 2,048.
        Gpu("a100-sxm-80gb", "NVIDIA A100-SXM4-80GB", 85.2e9, 2.039e12, 312e12, 400, 60, 1410, 210, 0.71, 0.80, 0.875),
        Gpu("h100-sxm", "NVIDIA H100 80GB HBM3", 85.5e9, 3.352e12, 989e12, 700, 70, 1980, 210, 0.78, 0.94, 0.884),
        Gpu("h200-sxm", "NVIDIA H200", 150.8e9, 4.8e12, 989e12, 700, 75, 1980, 210, 0.70, 0.93, 0.812),
        # A10G: datasheet of the 24 GB, 300 W card; efficiencies assumed as the A100's, same architecture family.
        Gpu("a10g", "NVIDIA A10G", 24.1e9, 0.6e12, 70e12, 300, 20, 1710, 210, 0.71, 0.80, 0.875),
    )
}


@dataclass(frozen=True, slots=True)
class Model:
    """A language model as the serving engine sees it."""

    name: str
    served_name: str
    parameters: float
    layers: int
    """Layers with attention."""
    heads: int
    kv_heads: int
    head_size: int
    bytes_per_parameter: float = 2.0

    @property
    def weight_bytes(self) -> float:
        """Bytes of weights in device memory."""
        return self.parameters * self.bytes_per_parameter

    @property
    def kv_bytes_per_token(self) -> float:
        """Bytes of keys and values per token: 2 (K and V) x layers x KV heads x head size x 2 (bf16)."""
        return 2.0 * self.layers * self.kv_heads * self.head_size * 2.0


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        # Shapes: the models' published config.json.
        Model("llama-3.1-8b", "meta-llama/Llama-3.1-8B-Instruct", 8.03e9, 32, 32, 8, 128),
        Model("falcon-h1-7b", "tiiuae/Falcon-H1-7B-Instruct", 7.59e9, 44, 12, 2, 128),
        Model("qwen-2.5-7b", "Qwen/Qwen2.5-7B-Instruct", 7.62e9, 28, 28, 4, 128),
        Model("llama-2-7b", "meta-llama/Llama-2-7b-chat-hf", 6.74e9, 32, 32, 32, 128),
    )
}
