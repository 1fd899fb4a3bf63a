"""One token a component: what it is, what it logs, what it measures, what alarms it raises, and who is beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from llm.batch import Batch
from llm.config import InterpreterConfig
from llm.features import WindowFeatures
from llm.modal.alarms import AlarmEncoder
from llm.modal.logs import LogEncoder
from llm.modal.metrics import MetricEncoder

KIND_DROPOUT = 0.05
"""Share of training components shown as of unknown kind."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many names the encoders know."""

    kinds: int
    metrics: int
    rules: int
    templates: int


class ComponentEncoder(nn.Module):
    """[B, N, modal_size] from a batch, for any number of components."""

    known_kinds: Tensor

    def __init__(self, sizes: Sizes, config: InterpreterConfig) -> None:
        super().__init__()
        size = config.modal_size
        self.register_buffer("known_kinds", torch.zeros(sizes.kinds + 1, dtype=torch.int64))
        self.kind = nn.Embedding(sizes.kinds + 1, size)
        self.logs = LogEncoder(sizes.templates, size) if config.logs else None
        self.metrics = MetricEncoder(sizes.kinds, sizes.metrics, size) if config.metrics else None
        self.alarms = AlarmEncoder(sizes.rules, size) if config.alarms else None
        self.hidden = nn.Parameter(torch.zeros(size))
        """Stands for a component's telemetry that warm-up hides."""
        self.neighbour = nn.Linear(size, size) if config.neighbours else None
        self.mix = nn.Sequential(nn.LayerNorm(size), nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size))

    @torch.no_grad()
    def fit(self, windows: Sequence[WindowFeatures]) -> None:
        """Learn which kinds and rules occur, and how metrics are standardised, from training windows."""
        for window in windows:
            self.known_kinds[torch.from_numpy(window.kinds)] = 1
            if self.alarms is not None:
                self.alarms.known[torch.from_numpy(window.alarm_index[:, 1])] = 1
        if self.logs is not None:
            self.logs.fit(windows)
        if self.metrics is not None:
            self.metrics.fit(windows)

    def forward(self, batch: Batch, hide: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The tokens, and the standard scores of the metrics [B, N, M]; `hide` [B, N] bool blanks telemetry."""
        kinds = batch.kinds * self.known_kinds[batch.kinds]
        if self.training:
            kinds = kinds.masked_fill(torch.rand(kinds.shape) < KIND_DROPOUT, 0)
        shape = (*batch.mask.shape, -1)
        telemetry = torch.zeros(*batch.mask.shape, self.hidden.shape[0])
        scores = torch.zeros_like(batch.present)
        if self.logs is not None:
            telemetry = telemetry + self.logs(batch).view(shape)
        if self.metrics is not None:
            encoded, scores = self.metrics(batch, kinds)
            telemetry = telemetry + encoded.view(shape)
        if self.alarms is not None:
            telemetry = telemetry + self.alarms(batch).view(shape)
        if hide is not None:
            telemetry = torch.where(hide[..., None], self.hidden, telemetry)
        tokens = self.kind(kinds) + telemetry
        if self.neighbour is not None:
            tokens = tokens + self.neighbour(batch.adjacency @ tokens)
        return tokens + self.mix(tokens), scores
