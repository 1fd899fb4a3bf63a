"""Users who come back: after an answer, as in closed loops and conversations, or after a failure, as with retries.

Pools of a fluid: who thinks comes back at rate 1 / think, who pauses before the next attempt at 1 / pause. An attempt
is a request of its own; what share of those in flight are first, second, … attempts is kept as one mean for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import Array

from twin.fast.objectives import LEAST
from twin.inference.clients import RESERVE

if TYPE_CHECKING:
    from twin.fast.inference.episodes import Episode
    from twin.fast.inference.levels import Levels
    from twin.fast.inference.state import State


@dataclass(frozen=True)
class Coming:
    """Who asks in a tick."""

    arrived: Array
    """[] requests."""
    lengths: Array
    """[3] their mean prompt, answer, and tokens to compute."""
    thinking: Array
    """[] users who think, without those who ask now."""
    pausing: Array
    """[A] users who pause after attempt 1, 2, …, alike."""
    mix: Array
    """[A + 1] shares of first, second, … attempts among requests in flight."""
    credit: Array
    """[] retries that the budget allows."""


def coming(world: Episode, state: State, gateway: Levels, dt: float) -> Coming:
    """Who asks now; `gateway`: the levels of the gateway, where demand is changed."""
    asked = jnp.asarray(world.arrivals)[jnp.minimum(state.tick - world.since, world.arrivals.shape[0] - 1)]
    back = state.thinking * jnp.minimum(1.0, dt / world.think)
    count = asked[0] + back
    lengths = (asked[0] * asked[1:] + back * jnp.asarray(world.returning)) / jnp.maximum(count, LEAST)
    thinking = state.thinking - back
    if world.pauses.shape[0] == 0:
        return Coming(count, lengths, thinking, state.pausing, state.mix, state.credit)
    pause = jnp.asarray(world.pauses) * jnp.exp(gateway["backoff"])
    again = state.pausing * (1.0 - jnp.exp(-dt / jnp.maximum(pause, 1e-3)))
    credit = jnp.where(
        jnp.isfinite(world.allowance), jnp.minimum(RESERVE, state.credit + world.allowance * count), RESERVE
    )
    attempts = jnp.concatenate([count[None], again])
    total = attempts.sum()
    flying = state.decoding.sum() + state.queued.sum() + state.waiting
    mix = state.mix + (attempts / jnp.maximum(total, LEAST) - state.mix) * total / jnp.maximum(total + flying, LEAST)
    mean = (count * lengths + again.sum() * state.asked) / jnp.maximum(total, LEAST)
    return Coming(total, mean, thinking, state.pausing - again, mix, credit)


def after(world: Episode, come: Coming, gateway: Levels, completed: Array, failed: Array) -> tuple[Array, Array, Array]:
    """(thinking [], pausing [A], credit []) after so many answers and failures."""
    if world.pauses.shape[0] == 0:
        thinking = come.thinking + completed * world.again[0] + failed * world.again[1]
        return thinking, come.pausing, come.credit
    allowed = world.retries + gateway["retries"]
    attempts = come.mix.shape[0]
    tries = jnp.arange(1, attempts) <= allowed
    wish = failed * come.mix[: attempts - 1] * tries
    share = jnp.where(
        jnp.isfinite(world.allowance), jnp.minimum(1.0, come.credit / jnp.maximum(wish.sum(), LEAST)), 1.0
    )
    retried = wish * share
    thinking = come.thinking + completed * world.again[0] + (failed - retried.sum()) * world.again[1]
    return thinking, come.pausing + retried, come.credit - retried.sum()
