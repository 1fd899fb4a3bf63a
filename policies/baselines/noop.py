"""Do nothing: what the cluster's own supervisors achieve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.spaces import Observation


class Noop:
    """Never acts."""

    name = "no-op"

    def reset(self, seed: int) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """No-op, on target 0 with parameter 0."""
        return np.zeros(3, np.int64)
