"""The interpreter's network: encoders, projector, language model and heads in one module."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from transformers import PreTrainedModel

from llm.batch import Batch
from llm.config import InterpreterConfig
from llm.heads import Heads
from llm.language import LanguageModel
from llm.modal.components import ComponentEncoder, Sizes


class Output(NamedTuple):
    """What the network says of a batch."""

    state: Tensor
    """[B, D]."""
    types: Tensor
    """[B, K] logits."""
    roots: Tensor
    """[B, N] logits, -inf where there is no component."""
    scores: Tensor
    """[B, N, M] standard scores of the metrics, before they saturate."""


class Network(nn.Module):
    """A batch of windows in, state, types and root causes out."""

    def __init__(self, base: PreTrainedModel, sizes: Sizes, types: int, config: InterpreterConfig) -> None:
        super().__init__()
        self.encoder = ComponentEncoder(sizes, config)
        self.language = LanguageModel(base, config)
        self.projector = nn.Linear(config.modal_size, self.language.width)
        self.heads = Heads(self.language.width, config.state_size, types)

    def forward(self, batch: Batch) -> Output:
        """Interpret a batch."""
        tokens, scores = self.encoder(batch)
        components, window = self.language(self.projector(tokens), batch.mask)
        state, types, roots = self.heads(components, window, batch.mask)
        return Output(state, types, roots, scores)

    def own_state(self) -> dict[str, Tensor]:
        """Weights of everything but the base and its adapter: encoders, projector, soft prompt and heads."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith("language.model.")}
