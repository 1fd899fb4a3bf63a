"""The alarm encoder: which rules fired on a component, how long ago and whether they still do."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llm.batch import Batch
from llm.features import ALARM_VALUES


class AlarmEncoder(nn.Module):
    """[B * N, size] from the alarms of a batch. Rule 0 is any rule never seen in training."""

    known: Tensor

    def __init__(self, rules: int, size: int) -> None:
        super().__init__()
        self.register_buffer("known", torch.zeros(rules + 1, dtype=torch.int64))
        self.rule = nn.Embedding(rules + 1, size)
        self.values = nn.Linear(ALARM_VALUES, size)
        self.norm = nn.LayerNorm(size)
        nn.init.normal_(self.rule.weight, std=0.3)

    def forward(self, batch: Batch) -> Tensor:
        """Encode; a component without alarms gets a constant vector."""
        rule = batch.alarm_rule * self.known[batch.alarm_rule]
        rows = self.rule(rule) + self.values(batch.alarm_values)
        if batch.gates is not None:
            rows = rows * batch.gates.alarms[:, None]
        total = rows.new_zeros(batch.mask.numel(), rows.shape[1]).index_add_(0, batch.alarm_row, rows)
        encoded: Tensor = self.norm(total)
        return encoded
