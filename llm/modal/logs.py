"""The log encoder: a component's templates, with how often, how lately and with which numbers they were printed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from llm.batch import Batch
from llm.features import AGE, COUNT, LATE, LINE_COUNTS, LOG_VALUES, NUMBERS, WindowFeatures
from llm.templates import UNKNOWN

NUMBER_SCALE = 0.1
"""Brings symlogged numbers, at most 35 for `LARGEST`, near 1."""
TEMPLATE_DROPOUT = 0.05
"""Share of training rows read as an unknown template, so that one is not a surprise."""


class LogEncoder(nn.Module):
    """[B * N, size] from the log rows of a batch. `templates` counts the known ones; id 0 is the unknown template."""

    usual: Tensor
    """[templates + 1] share of training windows in which a template was printed."""

    def __init__(self, templates: int, size: int) -> None:
        super().__init__()
        self.register_buffer("usual", torch.zeros(templates + 1))
        self.template = nn.Embedding(templates + 1, size)
        self.gate = nn.Embedding(templates + 1, size)
        self.values = nn.Linear(LOG_VALUES, size)
        self.counts = nn.Linear(LINE_COUNTS + 1, size)
        self.norm = nn.LayerNorm(size)
        nn.init.normal_(self.template.weight, std=0.3)
        nn.init.ones_(self.gate.weight)

    @torch.no_grad()
    def fit(self, windows: Sequence[WindowFeatures]) -> None:
        """Learn how usual each template is from training windows."""
        for window in windows:
            self.usual[torch.from_numpy(np.unique(window.log_index[:, 1]))] += 1.0 / len(windows)

    def forward(self, batch: Batch) -> Tensor:
        """Encode; a component without lines gets a constant vector."""
        template = batch.log_template
        if self.training:
            template = template.masked_fill(torch.rand(template.shape) < TEMPLATE_DROPOUT, UNKNOWN)
        raw = batch.log_values
        lines = torch.log1p(raw[:, [COUNT, LATE]])
        values = torch.cat([lines, raw[:, [AGE]], raw[:, NUMBERS:] * NUMBER_SCALE], dim=1)
        rows = self.template(template) + self.gate(template) * self.values(values)
        if batch.gates is not None:
            rows = rows * batch.gates.logs[:, None]
        components = batch.mask.numel()
        total = rows.new_zeros(components, rows.shape[1]).index_add_(0, batch.log_row, rows)
        strange = raw.new_zeros(components).index_add_(0, batch.log_row, raw[:, COUNT] * (template == UNKNOWN))
        counts = torch.log1p(torch.cat([batch.line_counts.flatten(0, 1), strange[:, None]], dim=1))
        encoded: Tensor = self.norm(total + self.counts(counts))
        return encoded
