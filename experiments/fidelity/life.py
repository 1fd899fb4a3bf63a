"""One life of a scenario as it is compared, in either twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin.fast.latency import quantile
from twin.slo import recovery


@dataclass(frozen=True)
class Life:
    """From the warm-up to the horizon, in T ticks of `tick` seconds."""

    tick: float
    loss: NDArray[np.float32]
    """[T] bad share."""
    violated: NDArray[np.bool_]
    """[T]"""
    queue: NDArray[np.float32]
    """[T] requests that somebody works on or that wait; empty where nobody counted."""
    completed: float
    """Requests."""
    latency: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Signal -> [B] requests by their latency (`twin.fast.latency`)."""
    cost: float = 0.0
    """Of the actions, in seconds of full outage (`twin.env.ACTION_COST`)."""

    @property
    def seconds(self) -> float:
        """From the warm-up to the horizon."""
        return len(self.loss) * self.tick

    @property
    def loss_seconds(self) -> float:
        """Integral of the loss: seconds of full outage."""
        return float(self.loss.sum() * self.tick)

    @property
    def violation_seconds(self) -> float:
        """Seconds with the SLO violated."""
        return float(self.violated.sum() * self.tick)

    @property
    def total_reward(self) -> float:
        """What the environment pays for it."""
        return -self.loss_seconds - self.cost

    def quantile(self, signal: str, share: float) -> float:
        """Seconds that a share of the requests took at most; NaN where nobody was counted."""
        return quantile(self.latency[signal], share) if signal in self.latency else float("nan")

    @property
    def recovery(self) -> float:
        """Seconds to recovery, those to the horizon where it does not come; NaN where nothing was violated."""
        each = max(1, round(self.tick))
        seconds = [bool(v) for v in np.repeat(self.violated, each)]
        found = recovery(seconds, 0.0, float(len(seconds)))
        return float("nan") if found.seconds is None else found.seconds
