"""Normalisation of scraped values: metrics of a cluster span twenty orders of magnitude."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FLOOR = 0.01
"""Added to the variance: a feature that has not moved yet must not explode when it does."""
LIMIT = 5.0
"""Normalised values are clipped to +- this."""


def symlog(x: Tensor) -> Tensor:
    """sign(x) log(1 + |x|) (Webber, Measurement Science and Technology 24, 2013)."""
    return torch.sign(x) * torch.log1p(torch.abs(x))


class Normaliser(nn.Module):
    """Running mean and variance of symlog(value) per feature, over present values only. Travels with the network."""

    mean: Tensor
    scale: Tensor
    moments: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("moments", torch.zeros(3, features, dtype=torch.float64))  # count, mean, sum of squares

    def forward(self, features: Tensor) -> Tensor:
        """Normalised features, same shape."""
        return ((symlog(features) - self.mean) * self.scale).clamp(-LIMIT, LIMIT)

    @torch.no_grad()
    def update(self, features: Tensor, present: Tensor) -> None:
        """Take in features [..., F] where present [..., F] is set (Chan, Golub and LeVeque's parallel update, 1979)."""
        values = symlog(features).flatten(0, -2).double()
        there = present.flatten(0, -2).double()
        count = there.sum(dim=0)
        mean = (values * there).sum(dim=0) / count.clamp(min=1.0)
        squares = ((values - mean).square() * there).sum(dim=0)
        old_count, old_mean, old_squares = self.moments
        total = (old_count + count).clamp(min=1.0)
        shift = mean - old_mean
        self.moments.copy_(
            torch.stack(
                (
                    old_count + count,
                    old_mean + shift * count / total,
                    old_squares + squares + shift.square() * old_count * count / total,
                )
            )
        )
        seen = self.moments[0] > 0
        variance = self.moments[2] / self.moments[0].clamp(min=1.0)
        self.mean.copy_(torch.where(seen, self.moments[1], torch.zeros_like(self.moments[1])))
        self.scale.copy_(torch.where(seen, (variance + FLOOR).rsqrt(), torch.ones_like(variance)))
