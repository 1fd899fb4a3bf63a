"""Windows of different sizes as one padded batch of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llm.features import SERIES, WindowFeatures


@dataclass(frozen=True)
class Gates:
    """Multipliers of every log row [L], metric [B, N, M] and alarm [A]: 0 takes one out."""

    logs: Tensor
    metrics: Tensor
    alarms: Tensor


@dataclass(frozen=True)
class Batch:
    """B windows, padded to N components. Log rows and alarms are flat: `row` is window * N + component."""

    mask: Tensor
    """[B, N] bool, which components are there."""
    kinds: Tensor
    """[B, N] int64."""
    adjacency: Tensor
    """[B, N, N] symmetric, rows sum to 1 or 0."""
    metrics: Tensor
    """[B, N, M, S]."""
    present: Tensor
    """[B, N, M]."""
    answered: Tensor
    """[B, N, M]."""
    line_counts: Tensor
    """[B, N, K]."""
    log_row: Tensor
    log_template: Tensor
    log_values: Tensor
    """[L], [L], [L, V]."""
    alarm_row: Tensor
    alarm_rule: Tensor
    alarm_values: Tensor
    """[A], [A], [A, W]."""
    gates: Gates | None = None

    def gated(self, gates: Gates) -> Batch:
        """The same batch behind gates."""
        return replace(self, gates=gates)


def collate(
    windows: Sequence[WindowFeatures], metrics: int, orders: Sequence[NDArray[np.int64]] | None = None
) -> Batch:
    """Pad windows into a batch with `metrics` metric columns.

    `orders[b][i]` is the position that component i of window b takes; in the topology's order where it is not given.
    """
    count, size = len(windows), max(window.size for window in windows)
    mask = np.zeros((count, size), dtype=bool)
    kinds = np.zeros((count, size), dtype=np.int64)
    adjacency = np.zeros((count, size, size), dtype=np.float32)
    values = np.zeros((count, size, metrics, len(SERIES)), dtype=np.float32)
    present = np.zeros((count, size, metrics), dtype=np.float32)
    answered = np.zeros_like(present)
    line_counts = np.zeros((count, size, windows[0].line_counts.shape[1]), dtype=np.float32)
    log_rows, alarm_rows = [], []
    for b, window in enumerate(windows):
        at = np.arange(window.size) if orders is None else orders[b]
        width = min(metrics, window.present.shape[1])
        mask[b, at] = True
        kinds[b, at] = window.kinds
        values[b, at, :width] = window.metrics[:, :width]
        present[b, at, :width] = window.present[:, :width]
        answered[b, at, :width] = window.answered[:, :width]
        line_counts[b, at] = window.line_counts
        if len(window.edges):
            adjacency[b, at[window.edges[:, 0]], at[window.edges[:, 1]]] = 1.0
            adjacency[b, at[window.edges[:, 1]], at[window.edges[:, 0]]] = 1.0
        log_rows.append(b * size + at[window.log_index[:, 0]])
        alarm_rows.append(b * size + at[window.alarm_index[:, 0]])
    adjacency /= np.maximum(adjacency.sum(axis=2, keepdims=True), 1.0)
    return Batch(
        mask=torch.from_numpy(mask),
        kinds=torch.from_numpy(kinds),
        adjacency=torch.from_numpy(adjacency),
        metrics=torch.from_numpy(values),
        present=torch.from_numpy(present),
        answered=torch.from_numpy(answered),
        line_counts=torch.from_numpy(line_counts),
        log_row=torch.from_numpy(np.concatenate(log_rows)),
        log_template=torch.from_numpy(np.concatenate([window.log_index[:, 1] for window in windows])),
        log_values=torch.from_numpy(np.concatenate([window.log_values for window in windows])),
        alarm_row=torch.from_numpy(np.concatenate(alarm_rows)),
        alarm_rule=torch.from_numpy(np.concatenate([window.alarm_index[:, 1] for window in windows])),
        alarm_values=torch.from_numpy(np.concatenate([window.alarm_values for window in windows])),
    )
