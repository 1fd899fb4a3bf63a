"""The language model: a transformer from a Hugging Face config, adapted by LoRA, reading soft tokens.

The default base `tiny` is a Qwen3 decoder with two layers. It is built at random, so it is not worth keeping frozen as
it is: warm-up trains it on the telemetry itself without labels, then it is frozen like any other base, and labels
train only the adapter, the soft prompt, the encoders and the heads. Its weights are saved with the interpreter. Any
other base (a folder or a hub id) is loaded as it is and never trained.

The soft prompt is a parameter in front of the input embeddings, because peft cannot stack prompt tuning on LoRA.
"""

from __future__ import annotations

import hashlib
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import peft
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel, Qwen3Config, Qwen3Model

from llm.config import TINY, InterpreterConfig

ADAPTED = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Attention and MLP projections of the Llama and Qwen families, the adapter's targets."""


class LanguageModel(nn.Module):
    """Soft tokens in, hidden states out. `model` is the base, or the peft model around it."""

    def __init__(self, base: PreTrainedModel, config: InterpreterConfig) -> None:
        super().__init__()
        self.width = width_of(base)
        self.echo = config.echo
        self.tiny = config.base == TINY
        base.requires_grad_(False)
        self.model: nn.Module = _adapt(base, config) if config.lora_rank else base
        scale = 1.0 if self.tiny else float(_embeddings(base).float().square().mean().sqrt())
        self.prompt = nn.Parameter(torch.randn(config.prompt_tokens, self.width) * scale)
        self.ask = nn.Parameter(torch.randn(1, self.width) * scale)
        """The last token, where the state is read."""
        self.again = nn.Parameter(torch.zeros(1, self.width))
        """Added to a component's token when it is read the second time."""
        self.gain = nn.Parameter(torch.full((self.width,), scale))
        """Size of a component's token: that of the base's own embeddings."""

    @property
    def base(self) -> PreTrainedModel:
        """The transformer without its adapter."""
        base = self.model.get_base_model() if isinstance(self.model, peft.PeftModel) else self.model
        assert isinstance(base, PreTrainedModel)
        return base

    def base_parameters(self) -> list[nn.Parameter]:
        """The base's own weights, which only the warm-up of a tiny base trains."""
        return [p for name, p in self.model.named_parameters() if "lora_" not in name]

    def without_adapter(self) -> AbstractContextManager[Any]:
        """A context in which the adapter has no effect."""
        return self.model.disable_adapter() if isinstance(self.model, peft.PeftModel) else nullcontext()

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states of the components [B, N, width] and of the window [B, width].

        `tokens` [B, N, width] of any scale, `mask` [B, N] bool. What is masked influences nothing.
        """
        count, size = mask.shape
        tokens = nn.functional.rms_norm(tokens, (self.width,)) * self.gain
        parts = [self.prompt.expand(count, -1, -1), tokens]
        there = [mask.new_ones(count, len(self.prompt)), mask]
        if self.echo:
            parts.append(tokens + self.again)
            there.append(mask)
        embeds = torch.cat([*parts, self.ask.expand(count, 1, -1)], dim=1)
        attend = torch.cat([*there, mask.new_ones(count, 1)], dim=1).long()
        positions = (attend.cumsum(dim=1) - 1).clamp(min=0)
        kind = next(iter(self.base.parameters())).dtype
        output = self.model(
            inputs_embeds=embeds.to(kind), attention_mask=attend, position_ids=positions, use_cache=False
        )
        hidden = output.last_hidden_state.float()
        return hidden[:, -1 - size : -1], hidden[:, -1]


def build_base(config: InterpreterConfig) -> PreTrainedModel:
    """Build the tiny base, or load the one that is named. Raises ValueError where it cannot be loaded."""
    if config.base == TINY:
        return Qwen3Model(tiny_config(config))
    return load_base(config.base, config.revision)


def tiny_config(config: InterpreterConfig) -> Qwen3Config:
    """A Qwen3-class decoder of about 100,000 weights. Its token vocabulary is nominal: only soft tokens are read."""
    return Qwen3Config(
        vocab_size=8,
        hidden_size=config.hidden_size,
        intermediate_size=2 * config.hidden_size,
        num_hidden_layers=config.layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=config.hidden_size // 4,
        max_position_embeddings=4096,
    )


def load_base(name: str, revision: str | None) -> PreTrainedModel:
    """Load a base from a folder or the hub, from safetensors only. Raises ValueError with what to do."""
    try:
        settings = AutoConfig.from_pretrained(name, revision=revision)
        model = AutoModel.from_pretrained(name, revision=revision, config=settings, use_safetensors=True)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"cannot load the base model {name!r}: {reason} Give `tiny`, a folder with config.json and safetensors "
            "weights, or a hub id that can be reached."
        ) from error
    assert isinstance(model, PreTrainedModel)
    return model


def revision_of(base: PreTrainedModel, config: InterpreterConfig) -> str | None:
    """What pins a base: the hub commit, or the hash of a folder's weights. None for `tiny`, which is saved whole."""
    if config.base == TINY:
        return None
    folder = Path(config.base)
    if not folder.is_dir():
        return getattr(base.config, "_commit_hash", None) or config.revision
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def width_of(base: PreTrainedModel) -> int:
    """The size of the base's input embeddings."""
    return int(_embeddings(base).shape[1])


def _embeddings(base: PreTrainedModel) -> Tensor:
    """The base's input embeddings [vocabulary, width]."""
    weight = base.get_input_embeddings().weight
    assert isinstance(weight, Tensor)
    return weight


def _adapt(base: PreTrainedModel, config: InterpreterConfig) -> peft.PeftModel:
    """Put a fresh adapter on a base. It changes nothing until it is trained (its second matrix is zero)."""
    present = sorted({name.rsplit(".", 1)[-1] for name, _ in base.named_modules()} & set(ADAPTED))
    settings = peft.LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        use_rslora=True,
        target_modules=present or "all-linear",
    )
    with warnings.catch_warnings():  # peft asks for an attribute that transformers is about to rename
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
        model = peft.get_peft_model(base, settings)
    assert isinstance(model, peft.PeftModel)
    return model
