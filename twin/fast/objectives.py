"""Service-level objectives over a window of ticks, as `twin.slo` has them over one of seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from twin.slo import Objective

FEW = 8
"""Bad requests a tick up to which they are counted one by one."""
LEAST = 1e-6
"""Requests that nothing is divided by less than."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Judged:
    """Requests that met each of S objectives and that did not, in a ring of W ticks: the SLO's window."""

    good: Array
    """[S, W]"""
    bad: Array
    """[S, W]"""


def none(signals: int, window: int) -> Judged:
    """Nobody has been judged."""
    return Judged(jnp.zeros((signals, window)), jnp.zeros((signals, window)))


def objectives(wanted: Sequence[Objective], signals: Sequence[str]) -> NDArray[np.float32]:
    """[S, 2] the share that must show each signal, and within what; 0 and infinite where none is asked for."""
    found = {objective.signal: objective for objective in wanted}
    rows = [
        (found[s].share, np.inf if (limit := found[s].limit) is None else limit) if s in found else (0.0, np.inf)
        for s in signals
    ]
    return np.array(rows, np.float32)


def judge(judged: Judged, objective: Array, good: Array, bad: Array, tick: Array) -> tuple[Judged, Array, Array]:
    """A tick's good and bad [S] for objectives [S, 2]: the window, the loss [], whether the SLO is violated []."""
    window = judged.good.shape[1]
    here = (tick % window) == jnp.arange(window)
    after = Judged(
        jnp.where(here, good[:, None], judged.good),
        jnp.where(here, bad[:, None], judged.bad),
    )
    counts = objective[:, 0] > 0.0
    loss = jnp.where(counts, bad / jnp.maximum(good + bad, LEAST), 0.0).max()
    wrong = after.bad.sum(axis=1)
    everything = wrong + after.good.sum(axis=1)
    # An epsilon for shares such as 1 - 0.99, which is not 0.01.
    violated = (counts & (wrong > (1.0 - objective[:, 0] + 1e-6) * everything + LEAST)).any()
    return after, loss, violated


def counted(expected: Array, everybody: Array, draw: Array) -> Array:
    """How many of `everybody` [S] are bad where so many are `expected` [S]: whole requests where these, or those that
    are good, are few, which is where it matters that requests are whole. The few are Poisson draws, of which there is
    none where all are alike. `draw` [S]: uniform in (0, 1)."""
    # Not a half, which is what one dead replica of two costs: rounding must not decide. And not of less than one.
    mostly = (expected > 0.55 * everybody) & (everybody > 0.95)
    mean = jnp.where(mostly, everybody - expected, expected)
    term = total = jnp.exp(-mean)
    count = jnp.zeros_like(mean)
    for k in range(1, FEW):
        count = count + (draw > total)
        term = term * mean / k
        total = total + term
    few = jnp.where(mean < FEW / 2.0, jnp.minimum(count, everybody), mean)
    return jnp.where(mostly, everybody - few, few)
