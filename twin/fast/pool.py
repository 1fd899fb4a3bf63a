"""Episodes of one shape, of which each lane lives through one.

What is the same in all of them, topology above all, is no lane's own: it is a constant, so that what follows from it
alone is computed when the twin is compiled.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def common(pool: Any) -> Any:
    """The fields [E, …] that are the same in all E episodes, without that axis; None for the others."""
    return jax.tree.map(_same, pool)


def _same(field: Any) -> np.ndarray[Any, Any] | None:
    if isinstance(field, jax.core.Tracer):
        return None
    values = np.asarray(field)
    exact = values.dtype.kind != "f"
    return values[0] if np.array_equal(values, np.broadcast_to(values[:1], values.shape), equal_nan=not exact) else None


def one(pool: Any, shared: Any, number: Array) -> Any:
    """One episode of the pool; `shared` is what `common` found of it."""
    fields, structure = jax.tree.flatten(pool)
    alike = jax.tree.leaves(shared, is_leaf=lambda field: field is None)
    found = [field[number] if same is None else jnp.asarray(same) for field, same in zip(fields, alike, strict=True)]
    return jax.tree.unflatten(structure, found)
