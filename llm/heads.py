"""What is read from the language model: the state, the fault type and the root cause."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Heads(nn.Module):
    """State, type and root cause from hidden states of `width`; the type is read from the state alone."""

    def __init__(self, width: int, state_size: int, types: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.blame = nn.Linear(width, 1)
        self.state = nn.Linear(2 * width, state_size)
        self.fault_type = nn.Linear(state_size, types)

    def forward(self, components: Tensor, window: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """State [B, D] in [-1, 1], type logits [B, K] and root-cause logits [B, N], -inf where masked.

        The pointer over positions (Vinyals et al. 2015, arXiv 1506.03134) serves any topology; the state joins the
        window's hidden state with that of the component it points at.
        """
        pointed = (self.query(window)[:, None] * self.key(components)).sum(dim=2) / components.shape[2] ** 0.5
        roots = (pointed + self.blame(components)[..., 0]).masked_fill(~mask, -torch.inf)
        suspect = (torch.softmax(roots, dim=1)[..., None] * components).sum(dim=1)
        state = torch.tanh(self.state(torch.cat([window, suspect], dim=1)))
        return state, self.fault_type(state), roots
