"""One life of a scenario as it is compared, in either twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    """[T] requests that somebody works on or that wait."""
    completed: float
    """Requests."""
    latency: Mapping[str, NDArray[np.float64]]
    """Signal -> [B] requests by their latency (`twin.fast.latency`)."""

    @property
    def seconds(self) -> float:
        """From the warm-up to the horizon."""
        return len(self.loss) * self.tick

    def quantile(self, signal: str, share: float) -> float:
        """Seconds that a share of the requests took at most; NaN where nobody was counted."""
        return quantile(self.latency[signal], share) if signal in self.latency else float("nan")

    def recovery(self) -> float:
        """Seconds to recovery, those to the horizon where it does not come; NaN where nothing was violated."""
        each = max(1, round(self.tick))
        seconds = [bool(v) for v in (np.repeat(self.violated, each) if self.tick >= 1.0 else self.violated)]
        found = recovery(seconds, 0.0, float(len(seconds)))
        return float("nan") if found.seconds is None else found.seconds
