"""Self-supervised warm-up: guess the hidden telemetry of some components from the others. Looks at no label."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llm.batch import Batch
from llm.network import Network

HIDDEN_SHARE = 0.3
"""Share of components whose telemetry is hidden in a step."""
SATURATION = 6.0


class Reconstruction(nn.Module):
    """Guesses of metrics and templates from hidden states; thrown away when warm-up ends."""

    def __init__(self, width: int, metrics: int, templates: int) -> None:
        super().__init__()
        self.metrics = nn.Linear(width, metrics)
        self.templates = nn.Linear(width, templates + 1)

    def loss(self, network: Network, batch: Batch) -> Tensor:
        """Mean squared error of the hidden standard scores, and cross-entropy of which templates were printed."""
        hide = (torch.rand(batch.mask.shape) < HIDDEN_SHARE) & batch.mask
        tokens, scores = network.encoder(batch, hide)
        components, _ = network.language(network.projector(tokens), batch.mask)
        there = (hide[..., None] & (batch.present > 0)).to(scores.dtype)
        target = SATURATION * torch.tanh(scores.detach() / SATURATION)
        error = ((self.metrics(components) - target) ** 2 * there).sum() / there.sum().clamp(min=1.0)
        logits = self.templates(components).flatten(0, 1)
        printed = torch.zeros_like(logits)
        printed[batch.log_row, batch.log_template] = 1.0
        guessed = nn.functional.binary_cross_entropy_with_logits(logits, printed, reduction="none").mean(dim=1)
        hidden = hide.flatten().to(guessed.dtype)
        loss: Tensor = error + (guessed * hidden).sum() / hidden.sum().clamp(min=1.0)
        return loss
