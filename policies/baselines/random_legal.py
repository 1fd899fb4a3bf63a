"""Act at random, but legally."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.spaces import Observation
from twin.streams import Streams


class RandomLegal:
    """Uniform over the legal categories, then over the category's legal targets, then over the target's parameters."""

    name = "random-legal"

    def __init__(self) -> None:
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Draws come from `seed`, keyed by the number of the decision."""
        self._stream = Streams(seed)["policy/random-legal"]
        self._decisions = 0

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """A legal action [3]."""
        self._decisions += 1
        category = self._one_of(observation["mask_category"], 0)
        target = self._one_of(observation["mask_target"][category], 1)
        parameter = self._one_of(observation["mask_parameter"][category, target], 2)
        return np.array([category, target, parameter], np.int64)

    def _one_of(self, mask: NDArray[np.int8], level: int) -> int:
        return int(self._stream.choice(np.flatnonzero(mask).tolist(), self._decisions, level))
