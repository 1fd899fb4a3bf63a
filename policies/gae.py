"""Generalised advantage estimation with a discount per second.

The layout is Gymnasium's NEXT_STEP autoreset: the step that ends an episode returns the episode's final observation,
and the step after it resets, whatever the action. So ``values[t + 1]`` is the value of the final observation of a step
that ended an episode (what a truncated one bootstraps with), and the resetting step is no transition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Advantages:
    """Advantages and returns of a rollout, [T, E]; zero where `valid` is not set."""

    advantages: NDArray[np.float32]
    returns: NDArray[np.float32]
    valid: NDArray[np.bool_]


def gae(
    rewards: Array,
    values: Array,
    terminated: Array,
    truncated: Array,
    resets: Array,
    elapsed: Array,
    *,
    gamma: float,
    lam: float,
    final: Array | None = None,
) -> Advantages:
    """Advantages after Schulman et al., High-Dimensional Continuous Control Using GAE (ICLR 2016), equation 16.

    rewards, terminated, truncated, resets, elapsed [T, E]: what step t returned; `resets` marks the steps that only
    reset; `elapsed` in seconds. values [T + 1, E]: of the observation before each step, and after the last.
    final [T, E]: where the next episode begins in the step that ends one (SAME_STEP autoreset), the value of the final
    observation of the steps that end one; then there are no resets.
    `gamma` is the discount of one second, `lam` the decay of the trace per decision.

    A terminated step has no future; a truncated one is worth the value of its final observation. No trace crosses
    the end of an episode.
    """
    steps, environments = rewards.shape
    if values.shape != (steps + 1, environments):
        raise ValueError(f"values must be [{steps + 1}, {environments}], got {list(values.shape)}")
    valid = ~resets.astype(bool)
    advantages = np.zeros((steps, environments), np.float64)
    following = np.zeros(environments, np.float64)
    for t in reversed(range(steps)):
        discount = gamma ** elapsed[t]
        ended = terminated[t].astype(bool) | truncated[t].astype(bool)
        after = values[t + 1] if final is None else np.where(ended, final[t], values[t + 1])
        future = np.where(terminated[t].astype(bool), 0.0, discount * after)
        delta = rewards[t] + future - values[t]
        following = np.where(valid[t], delta + np.where(ended, 0.0, discount * lam * following), 0.0)
        advantages[t] = following
    returns = np.where(valid, advantages + values[:-1], 0.0)
    return Advantages(advantages.astype(np.float32), returns.astype(np.float32), valid)
