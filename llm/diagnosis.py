"""What the interpreter says: what broke, where, and whether it is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twin.telemetry.window import Window


@dataclass(frozen=True, slots=True)
class Evidence:
    """A log line, alarm or metric that the diagnosis rests on; `weight` in [0, 1]."""

    component: str
    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The interpretation of one window."""

    state: NDArray[np.float32]
    """[D] semantic state vector."""
    fault_types: Mapping[str, float]
    """Probability of each known fault type, ``none`` among them; sums to 1."""
    root_causes: Mapping[str, float]
    """Probability of being the root cause, by component name; sums to 1."""
    unknown: float
    """Score in [0, 1] that this is a fault of no known type."""
    evidence: tuple[Evidence, ...] = ()


class Interpreter(Protocol):
    """Anything that can read a window."""

    @property
    def state_size(self) -> int:
        """Length of the state vector."""

    @property
    def fault_types(self) -> tuple[str, ...]:
        """The known fault types in a fixed order, ``none`` among them: the keys of `Diagnosis.fault_types`."""

    def interpret(self, window: Window) -> Diagnosis:
        """Interpret one window; the topology is the window's."""
