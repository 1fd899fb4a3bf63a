"""Latencies as counts in bins, so that thousands of lives can be added up and their quantiles read."""

from __future__ import annotations

from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

SHORTEST, LONGEST, BINS = 0.01, 1000.0, 240
"""Seconds between which the bins are, and how many: each is 5 % longer than the one before."""
EDGES: Final[NDArray[np.float32]] = np.geomspace(SHORTEST, LONGEST, BINS - 1).astype(np.float32)
"""[B - 1] upper ends of all bins but the last, which has none."""


def spread(count: Array, within: Array) -> Array:
    """[B] counts by bin, where `count` [...] requests each have a share `within` [..., B - 1] at most as long as each
    edge."""
    ends = jnp.concatenate([jnp.zeros_like(within[..., :1]), within, jnp.ones_like(within[..., :1])], axis=-1)
    shares = jnp.diff(ends, axis=-1)
    return (count[..., None] * shares).reshape(-1, BINS).sum(axis=0)


def counted(seconds: NDArray[np.floating]) -> NDArray[np.float64]:
    """[B] how many of these latencies are in each bin."""
    return np.bincount(np.searchsorted(EDGES, seconds), minlength=BINS).astype(np.float64)


def quantile(counts: NDArray[np.floating], share: float) -> float:
    """Seconds that a share of the requests take at most, evenly distributed over the logarithm within a bin; NaN where
    nobody was counted."""
    total = float(counts.sum())
    if total <= 0.0:
        return float("nan")
    reached = np.cumsum(counts) / total
    at = int(np.searchsorted(reached, share - 1e-9))
    if at == 0:
        return SHORTEST
    if at >= BINS - 1:
        return LONGEST
    before = float(reached[at - 1])
    part = (share - before) / max(float(reached[at]) - before, 1e-12)
    low, high = float(EDGES[at - 1]), float(EDGES[at])
    return float(low * (high / low) ** min(max(part, 0.0), 1.0))
