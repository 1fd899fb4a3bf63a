"""Step times of one engine: coefficients for the present state of its GPUs, and what was computed from them before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twin.mechanics.engine_step import StepCost, step_cost
from twin.mechanics.hardware import Model

if TYPE_CHECKING:
    from twin.inference.gpu import Gpu

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
