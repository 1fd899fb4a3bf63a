"""A line of the parity of both twins: how far two versions of a component are from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

TICK_BAR, SIMPY_BAR = 1e-5, 0.02


@dataclass(frozen=True)
class Line:
    """How far two versions of a component are from each other, relative to the larger of what they say and 1."""

    component: str
    quantity: str
    beside: str
    error: float
    bar: float

    @property
    def holds(self) -> bool:
        """Whether it is within its bar."""
        return self.error <= self.bar


def apart(one: Any, other: Any) -> float:
    """The largest difference, relative to the larger of both and 1."""
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    same = a == b  # times that never come, too
    scale = np.maximum(1.0, np.maximum(np.abs(a), np.abs(b)))
    with np.errstate(invalid="ignore"):
        return float(np.where(same, 0.0, np.abs(a - b) / scale).max())


def relative(one: float, other: float) -> float:
    """How far the first is from the second, as a share of that."""
    return abs(one - other) / max(abs(other), 1e-9)


def deaths_apart(component: str, ours: Any, theirs: Any) -> Line:
    """The deaths of a process in a crash loop, by when they come after the first."""
    if len(ours) != len(theirs):
        return Line(component, f"deaths ({len(ours)} beside {len(theirs)})", "SimPy", 1.0, SIMPY_BAR)
    apart = [relative(a - ours[0], b - theirs[0]) for a, b in zip(ours[1:], theirs[1:], strict=True)]
    return Line(component, "seconds to each death", "SimPy", float(max(apart)), SIMPY_BAR)
