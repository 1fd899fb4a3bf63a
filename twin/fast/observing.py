"""What a policy sees of the arrays: the observation of `twin.spaces`, in either cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from twin.actions import PARAMETERS
from twin.fast.cluster import Cluster
from twin.spaces import AGE_LIMIT, SEVERITIES
from twin.telemetry.records import LEVELS


def observe(
    cluster: Cluster, episode: Any, constant: Mapping[str, Array], state: Any, flow: Any, now: Array
) -> dict[str, Array]:
    """The observation of one lane; `constant` has what never changes (kind, adjacent)."""
    values, present = cluster.features(episode, state, flow)
    category, target, parameter = _masks(cluster.legal(episode, state, now))
    return {
        "features": values,
        "present": present.astype(jnp.int8),
        "age": jnp.where(present, 0.0, AGE_LIMIT),
        **constant,
        "busy": cluster.occupied(episode, state).astype(jnp.int8),
        "lines": jnp.zeros((values.shape[0], len(LEVELS))),
        "alarms": jnp.zeros((values.shape[0], len(SEVERITIES))),
        "mask_category": category,
        "mask_target": target,
        "mask_parameter": parameter,
    }


def _masks(legal: Array) -> tuple[Array, Array, Array]:
    """Category [C], target [C, N] and parameter [C, N, P] masks; waiting has target 0 and parameter 0."""
    target = legal.at[0].set(False).at[0, 0].set(True)
    parameter = jnp.repeat(target[:, :, None], len(PARAMETERS), axis=2).at[0, :, 1:].set(False)
    return tuple(mask.astype(jnp.int8) for mask in (target.any(axis=1), target, parameter))  # type: ignore[return-value]
