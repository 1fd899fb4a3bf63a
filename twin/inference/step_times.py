"""Step times of one engine: coefficients for the present state of its GPUs, and what was computed from them before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from twin.mechanics.engine_step import StepCost, step_cost
from twin.mechanics.hardware import Model

if TYPE_CHECKING:
    from twin.inference.gpu import Gpu

VECTOR_STEPS = 24
"""Stretches from this length on are summed by numpy: the same sums in the same order, sooner."""

State = tuple[tuple[float, float, float], ...]
"""(clock, bandwidth share, link share) of each GPU."""


class Coefficients:
    """The cost of steps while the GPUs stay as they are."""

    __slots__ = ("_fixed", "state", "step")

    def __init__(self, state: State, step: StepCost) -> None:
        self.state = state
        self.step = step
        self._fixed: dict[tuple[int, int], float] = {}

    def fixed(self, tokens: int, sequences: int) -> float:
        """Seconds that do not depend on contexts."""
        known = self._fixed.get((tokens, sequences))
        if known is None:
            known = self._fixed[tokens, sequences] = self.step.fixed(tokens, sequences)
        return known


class StepTimes:
    """Coefficients by activity; GPUs that share layers are as fast as the slowest of them."""

    def __init__(self, gpus: Sequence[Gpu], model: Model) -> None:
        self._gpus = gpus
        self._model = model
        self._known: dict[float, Coefficients] = {}

    def at(self, activity: float) -> Coefficients:
        """The coefficients for work of that activity now."""
        state = tuple((gpu.clock(activity), gpu.bandwidth_share, gpu.link_share) for gpu in self._gpus)
        known = self._known.get(activity)
        if known is None or known.state != state:
            clock, bandwidth, link = (min(parts) for parts in zip(*state, strict=True))
            step = step_cost(self._gpus[0].model, self._model, len(self._gpus), clock, bandwidth, link)
            known = self._known[activity] = Coefficients(state, step)
        return known


def stretch(
    began: float, steps: int, fixed: float, per_token: float, context: int, batch: int, host: float
) -> tuple[list[float], list[float], list[float]]:
    """GPU times, durations and ends of consecutive decode steps, each with `batch` tokens more of context.

    The ends are the ordered sums of the durations, whichever way they are computed, to the last bit.
    """
    if steps >= VECTOR_STEPS:
        gpu = fixed + per_token * np.arange(context, context + batch * steps, batch, dtype=np.float64)
        sums = np.empty(steps + 1)
        sums[0] = began
        np.maximum(gpu, host, out=sums[1:])
        return gpu.tolist(), sums[1:].tolist(), np.add.accumulate(sums)[1:].tolist()
    gpu_times, durations, ends = [], [], []
    end = began
    for _ in range(steps):
        gpu_seconds = fixed + per_token * context
        duration = gpu_seconds if gpu_seconds > host else host
        end += duration
        gpu_times.append(gpu_seconds)
        durations.append(duration)
        ends.append(end)
        context += batch
    return gpu_times, durations, ends
