"""From probabilities to an action, without torch: the same code decides in training, evaluation and deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin.streams import Stream

Mode = Literal["argmax", "sample"]


@dataclass(frozen=True, slots=True)
class LogProbs:
    """Log-probabilities for one observation: category [C], target [C, N], parameter [C, N, P]."""

    category: NDArray[np.float32]
    target: NDArray[np.float32]
    parameter: NDArray[np.float32]


def decide(log_probs: LogProbs, mode: Mode, stream: Stream, decision: int) -> NDArray[np.int64]:
    """The action [3]: the most probable at each level, or a draw keyed by the number of the decision."""
    pick = _largest if mode == "argmax" else _inverse
    category = pick(log_probs.category, stream, decision, 0)
    target = pick(log_probs.target[category], stream, decision, 1)
    parameter = pick(log_probs.parameter[category, target], stream, decision, 2)
    return np.array([category, target, parameter], np.int64)


def probability(log_probs: LogProbs, action: NDArray[np.int64]) -> float:
    """Joint probability of an action."""
    c, n, p = (int(part) for part in action)
    return float(np.exp(log_probs.category[c] + log_probs.target[c, n] + log_probs.parameter[c, n, p]))


def _largest(log_probs: NDArray[np.float32], stream: Stream, decision: int, level: int) -> int:
    return int(log_probs.argmax())


def _inverse(log_probs: NDArray[np.float32], stream: Stream, decision: int, level: int) -> int:
    """Inversion; what has no probability is never chosen, whatever the rounding."""
    probabilities = np.exp(log_probs.astype(np.float64))
    possible = np.flatnonzero(probabilities > 0)
    cumulative = np.cumsum(probabilities[possible])
    drawn = stream.uniform(decision, level) * cumulative[-1]
    return int(possible[min(int(np.searchsorted(cumulative, drawn, side="right")), len(possible) - 1)])
