"""Episodes of a suite in the fast twin: the vector environments that policies train in."""

from __future__ import annotations

from collections.abc import Callable

from policies.policy import Policy
from policies.vector_rollout import VectorSeats
from twin.scenario import Suite

EPISODES = 24
"""Seeds of each scenario that are drawn beforehand: episodes of a training begin with one of them."""


def fast_seats(suite: Suite, environments: int, seed: int, teacher: Callable[[], Policy] | None = None) -> VectorSeats:
    """A source of rollouts in `environments` clusters, shared out among the kinds and sizes of clusters in the suite by
    how many of its scenarios have them. Raises NotCompiledError."""
    from twin.fast import compile_each
    from twin.fast.vector import FastVectorEnv

    twins = compile_each(suite, suite.seeds[:EPISODES])
    episodes = sum(len(twin.last) for twin in twins)
    envs = [
        FastVectorEnv(twin, max(1, round(environments * len(twin.last) / episodes)), arrays="jax") for twin in twins
    ]
    return VectorSeats(envs, seed, teacher)
