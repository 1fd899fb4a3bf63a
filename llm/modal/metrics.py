"""The metric encoder: each component's series, standardised by what its kind usually shows and by its peers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from llm.batch import Batch
from llm.features import SERIES, WindowFeatures

LEAST_DEVIATION = 0.02
"""Smallest standard deviation in symlog units (2 %): steadier series are not blown up further."""
LARGEST_SCORE = 6.0
"""Standard scores saturate here."""
METRIC_DROPOUT = 0.1
"""Share of metrics hidden in training, so that no single exporter decides."""
_CHANNELS = len(SERIES) + 2
"""The series' summaries, the deviation from peers, and whether the exporter stopped answering."""


class MetricEncoder(nn.Module):
    """[B * N, size] from the metrics of a batch. Numbers 0 of the fitted tables hold all kinds together."""

    mean: Tensor
    deviation: Tensor
    seen: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, kinds: int, metrics: int, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(kinds + 1, metrics))
        self.register_buffer("deviation", torch.ones(kinds + 1, metrics))
        self.register_buffer("seen", torch.zeros(kinds + 1, metrics))
        self.register_buffer("low", torch.zeros(kinds + 1, metrics))
        self.register_buffer("high", torch.zeros(kinds + 1, metrics))
        self.project = nn.Linear(metrics * _CHANNELS, size)
        self.mix = nn.Sequential(nn.GELU(), nn.Linear(size, size))
        self.norm = nn.LayerNorm(size)

    @torch.no_grad()
    def fit(self, windows: Sequence[WindowFeatures]) -> None:
        """Learn mean, deviation and range of each kind's metrics from training windows."""
        total, squares, count = (np.zeros(self.mean.shape) for _ in range(3))
        low, high = np.full(self.mean.shape, np.inf), np.full(self.mean.shape, -np.inf)
        for window in windows:
            width = window.present.shape[1]
            there = (window.present > 0).astype(np.float64)
            shown = window.metrics[:, :, SERIES.index("mean")]
            level = shown * there
            for rows in (window.kinds, np.zeros_like(window.kinds)):
                np.add.at(total[:, :width], rows, level)
                np.add.at(squares[:, :width], rows, level**2)
                np.add.at(count[:, :width], rows, there)
                np.minimum.at(low[:, :width], rows, np.where(there > 0, shown, np.inf))
                np.maximum.at(high[:, :width], rows, np.where(there > 0, shown, -np.inf))
        mean = total / np.maximum(count, 1)
        variance = np.maximum(squares / np.maximum(count, 1) - mean**2, 0.0)
        self.mean.copy_(torch.from_numpy(mean))
        self.deviation.copy_(torch.from_numpy(np.maximum(np.sqrt(variance), LEAST_DEVIATION)))
        self.seen.copy_(torch.from_numpy(count > 0))
        self.low.copy_(torch.from_numpy(np.where(count > 0, low, 0.0)))
        self.high.copy_(torch.from_numpy(np.where(count > 0, high, 0.0)))

    def scores(self, batch: Batch, kinds: Tensor) -> Tensor:
        """[B, N, M, S + 1] standard scores of the summaries and the deviation from peers; 0 where absent."""
        there = (batch.present > 0) * self.seen[kinds]
        deviation = self.deviation[kinds]
        levels = torch.tensor([float(name in ("last", "mean")) for name in SERIES])
        scores = (batch.metrics - self.mean[kinds][..., None] * levels) / deviation[..., None] * there[..., None]
        same = (kinds[:, :, None] == kinds[:, None, :]) & batch.mask[:, :, None] & batch.mask[:, None, :]
        same = same.to(scores.dtype)
        level = scores[..., SERIES.index("mean")]
        peers = (same @ level) / (same @ there).clamp(min=1.0)
        return torch.cat([scores, ((level - peers) * there)[..., None]], dim=-1)

    def outside(self, batch: Batch, kinds: Tensor) -> Tensor:
        """[B, N, M] by how many standard deviations the mean lies outside of the range seen in training."""
        level = batch.metrics[..., SERIES.index("mean")]
        beyond = torch.maximum(self.low[kinds] - level, level - self.high[kinds]).clamp(min=0.0)
        return beyond / self.deviation[kinds] * (batch.present > 0) * self.seen[kinds]

    def gone(self, batch: Batch, kinds: Tensor) -> Tensor:
        """[B, N, M] 1 where the last scrape lacks a metric that its kind has.

        A metric that was never there while the component's others were is one that this component does not have.
        """
        silent = batch.answered.sum(dim=2, keepdim=True) == 0
        lacking = self.seen[kinds] * (1.0 - batch.answered) * (silent | (batch.present > 0))
        return lacking * ((kinds > 0) & batch.mask)[..., None]

    def forward(self, batch: Batch, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """The encoding [B * N, size], and the standard score of the mean [B, N, M]."""
        scores = self.scores(batch, kinds)
        gone = self.gone(batch, kinds)[..., None]
        channels = torch.cat([LARGEST_SCORE * torch.tanh(scores / LARGEST_SCORE), gone], dim=-1)
        if self.training:
            channels = channels * (torch.rand(channels.shape[:-1]) >= METRIC_DROPOUT)[..., None]
        if batch.gates is not None:
            channels = channels * batch.gates.metrics[..., None]
        encoded: Tensor = self.norm(self.mix(self.project(channels.flatten(2)))).flatten(0, 1)
        return encoded, scores[..., SERIES.index("mean")]
