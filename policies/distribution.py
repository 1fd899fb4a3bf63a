"""The distribution over actions: category, then target, then parameter, masked at each level."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MASKED = -1e9
"""Logit of what is not legal: finite, so that 0 x log 0 is 0 and gradients stay finite."""


@dataclass(frozen=True, slots=True)
class ActionDistribution:
    """Log-probabilities of one batch, normalised within each level.

    What is masked has a probability of exactly 0; a category without a legal target, or a target without a legal
    parameter, counts as masked.
    """

    category: Tensor
    """[B, C] log p(category)."""
    target: Tensor
    """[B, C, N] log p(target | category)."""
    parameter: Tensor
    """[B, C, N, P] log p(parameter | category, target)."""

    @staticmethod
    def of(
        category: Tensor,
        target: Tensor,
        parameter: Tensor,
        mask_category: Tensor,
        mask_target: Tensor,
        mask_parameter: Tensor,
    ) -> ActionDistribution:
        """From logits and masks of the same shapes; at least one action must be legal (no-op always is)."""
        legal_parameter = mask_parameter > 0
        legal_target = (mask_target > 0) & legal_parameter.any(dim=-1)
        legal_category = (mask_category > 0) & legal_target.any(dim=-1)
        return ActionDistribution(
            _log_softmax(category, legal_category),
            _log_softmax(target, legal_target),
            _log_softmax(parameter, legal_parameter),
        )

    def sample(self, generator: torch.Generator) -> Tensor:
        """Actions [B, 3], drawn level by level."""
        category = _draw(self.category, generator)
        target = _draw(_at(self.target, category), generator)
        parameter = _draw(_at(_at(self.parameter, category), target), generator)
        return torch.stack((category, target, parameter), dim=1)

    def argmax(self) -> Tensor:
        """Actions [B, 3]: the most probable category, its most probable target, its most probable parameter."""
        category = self.category.argmax(dim=1)
        target = _at(self.target, category).argmax(dim=1)
        parameter = _at(_at(self.parameter, category), target).argmax(dim=1)
        return torch.stack((category, target, parameter), dim=1)

    def log_probs(self, actions: Tensor) -> Tensor:
        """[B, 2] log-probabilities of the two levels of actions [B, 3]: category, and target with parameter.

        The joint log-probability is their sum.
        """
        category, target, parameter = actions.unbind(dim=1)
        parameters = _at(_at(self.parameter, category), target)
        below = _at(_at(self.target, category), target) + _at(parameters, parameter)
        return torch.stack((_at(self.category, category), below), dim=1)

    def entropy(self) -> Tensor:
        """[B] entropy of the joint distribution in nats, exact by the chain rule: every conditional is enumerated.

        H(category) + E[H(target | category)] + E[H(parameter | category, target)].
        """
        p_category, p_target = self.category.exp(), self.target.exp()
        given_target = _entropy(self.parameter)
        given_category = _entropy(self.target) + (p_target * given_target).sum(dim=-1)
        return _entropy(self.category) + (p_category * given_category).sum(dim=-1)


def _log_softmax(logits: Tensor, legal: Tensor) -> Tensor:
    return torch.log_softmax(logits.masked_fill(~legal, MASKED), dim=-1)


def _entropy(log_probs: Tensor) -> Tensor:
    return -(log_probs.exp() * log_probs).sum(dim=-1)


def _at(values: Tensor, index: Tensor) -> Tensor:
    """values[b, index[b]] for every b."""
    return values[torch.arange(values.shape[0]), index]


def _draw(log_probs: Tensor, generator: torch.Generator) -> Tensor:
    return torch.multinomial(log_probs.exp(), 1, generator=generator).squeeze(1)
