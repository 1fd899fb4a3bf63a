"""The protocol of everything that decides."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twin.spaces import Observation


class Policy(Protocol):
    """Decides on the control-interval grid, from observations only."""

    name: str

    def reset(self, seed: int) -> None:
        """A new episode begins; forget the last one. Random choices are drawn from `seed`."""

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """The action [3] (category, target, parameter) for one observation of `twin.spaces`, legal by its masks."""
