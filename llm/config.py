"""Settings of the interpreter: its base model, its parts and how long each trains."""

from __future__ import annotations

from dataclasses import dataclass

TINY = "tiny"
"""The base that is built from a config instead of loaded."""


@dataclass(frozen=True, slots=True)
class InterpreterConfig:
    """Everything that shapes an interpreter; each part has an off-switch."""

    base: str = TINY
    """``tiny``, a local folder or a Hugging Face hub id."""
    revision: str | None = None
    """The hub revision of the base; pin it for anything that is kept."""
    hidden_size: int = 64
    """Width of the tiny base, a multiple of its 4 heads."""
    layers: int = 2
    """Layers of the tiny base."""
    lora_rank: int = 8
    """Rank of the adapter; 0 switches LoRA off."""
    lora_alpha: int = 16
    """Rank-stabilised LoRA scales by alpha / sqrt(rank) (Kalajdzievski 2023, arXiv 2312.03732)."""
    prompt_tokens: int = 4
    """Learned soft prompt in front of the components; 0 switches it off."""
    echo: bool = True
    """Read the components twice, so that a causal model sees all at each (Springer et al. 2024, arXiv 2402.15449)."""
    logs: bool = True
    metrics: bool = True
    alarms: bool = True
    neighbours: bool = True
    """Add the mean of the neighbours in the topology to each component's token."""
    modal_size: int = 64
    """Width of the modal encoders."""
    state_size: int = 32
    """Length of the state vector."""
    drain_depth: int = 4
    drain_similarity: float = 0.4
    """Depth and similarity threshold of the template tree, Drain's published defaults (He et al., ICWS 2017)."""
    warm_up: float = 0.15
    """Share of the budget spent on self-supervised warm-up, before labels are looked at; 0 switches it off."""
    batch: int = 32
    """Windows a step."""
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    held_out: float = 0.2
    """Share of runs kept from training, for the reported accuracy and the calibration of the unknown score."""
    evidence: int = 5
    """Pieces of evidence a diagnosis names at most; 0 switches attribution off."""

    def __post_init__(self) -> None:
        if self.hidden_size % 8:
            raise ValueError(f"hidden_size must be a multiple of 8 (4 heads of even width), got {self.hidden_size}")
        if not 0.0 <= self.warm_up < 1.0:
            raise ValueError(f"warm_up is a share of the budget in [0, 1), got {self.warm_up}")
        if not 0.0 < self.held_out < 1.0:
            raise ValueError(f"held_out is a share of the windows in (0, 1), got {self.held_out}")
        if self.state_size < 1 or self.batch < 1 or self.lora_rank < 0 or self.prompt_tokens < 0:
            raise ValueError("state_size and batch must be at least 1, lora_rank and prompt_tokens at least 0")
