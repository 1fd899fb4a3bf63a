"""Small tables read at many places, and counts by place, without gather and scatter: those go number by number."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from twin.fast.once import once

FEW = 16
"""Rows of a table up to which comparing with each is cheaper than reading one by one."""


def stacked(*columns: Array) -> Array:
    """[C, V] columns, each [V] or several of them [..., V], of which all are floats afterwards."""
    return jnp.concatenate([column.astype(jnp.float32).reshape(-1, column.shape[-1]) for column in columns])


def read(table: Array, place: Array) -> Array:
    """[C, M] the columns [C, V] of a table at the places [M], which are all in it."""
    if table.shape[1] > FEW:
        return table[:, place]
    found = jnp.broadcast_to(table[:, :1], (table.shape[0], place.shape[0]))
    for i in range(1, table.shape[1]):
        found = jnp.where((place == i)[None, :], table[:, i : i + 1], found)
    return found


def counts(place: Array, size: int, what: Sequence[Array]) -> Array:
    """[C, V] sums of some columns [M] by the place [M] of each entry, `size` places."""
    place, columns = once((place, jnp.stack(what).astype(jnp.float32)))
    here = (place[:, None] == jnp.arange(size)[None, :]).astype(jnp.float32)
    return jnp.matmul(columns, here, precision="highest")
