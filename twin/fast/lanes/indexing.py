"""Reading and writing at indices.

Where all lanes have the same index, whole rows of lanes move. Where each has its own, short arrays are read element by
element: is this the one that is asked for?
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from twin.fast.lanes.values import SHORT, Rule, Value, spread

FILL: Final = lax.GatherScatterMode.FILL_OR_DROP


def _gather(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Array | None:
    operand, indices = values
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    rank = len(numbers.offset_dims) + len(indices.shape) - 1
    if indices.apart:
        return _read(operand, indices, numbers, sizes, rank, params)
    further = lax.GatherDimensionNumbers(
        (*numbers.offset_dims, rank),
        numbers.collapsed_slice_dims,
        numbers.start_index_map,
        numbers.operand_batching_dims,
        numbers.start_indices_batching_dims,
    )
    how = {name: params[name] for name in ("mode", "fill_value")}
    return lax.gather(operand.array, indices.array, further, (*sizes, size), **how)


def _read(
    operand: Value, indices: Value, numbers: Any, sizes: Sequence[int], rank: int, params: dict[str, Any]
) -> Array | None:
    """Single elements along one short axis of an operand."""
    if len(numbers.start_index_map) != 1:
        return None
    axis, shape = numbers.start_index_map[0], operand.shape
    others = [d for d in range(len(shape)) if d != axis]
    whole = all(sizes[d] == (1 if d in numbers.operand_batching_dims else shape[d]) for d in others)
    if numbers.collapsed_slice_dims != (axis,) or not whole or not 0 < shape[axis] <= SHORT:
        return None
    # Where the axes of indices, and the other axes of the operand, are in what is found.
    batch = [d for d in range(rank) if d not in numbers.offset_dims]
    kept = [d for d in others if d not in numbers.operand_batching_dims]
    to = dict(zip(kept, numbers.offset_dims, strict=True))
    pairs = zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True)
    to.update((d, batch[at]) for d, at in pairs)
    asked = lax.index_in_dim(indices.array, 0, len(indices.shape) - 1, keepdims=False)
    lengths = {**dict(zip(batch, asked.shape, strict=False)), **{at: shape[d] for d, at in to.items()}}
    full = (*(lengths[d] for d in range(rank)), asked.shape[-1])
    asked = lax.broadcast_in_dim(asked, full, (*batch, rank))
    places = [to[d] for d in others] + [rank] * operand.apart
    order = sorted(range(len(places)), key=places.__getitem__)

    def element(i: int) -> Array:
        part = lax.transpose(lax.index_in_dim(operand.array, i, axis, keepdims=False), order)
        return lax.broadcast_in_dim(part, full, [places[d] for d in order])

    if params["mode"] == FILL:
        found, first = jnp.full(full, _missing(operand.array.dtype, params["fill_value"]), operand.array.dtype), 0
    else:
        asked, found, first = _inside(asked, shape[axis]), element(0), 1
    for i in range(first, shape[axis]):
        found = lax.select(asked == i, element(i), found)
    return found


def _inside(asked: Array, length: int) -> Array:
    """Whoever asks beyond an end gets what is there."""
    return lax.clamp(np.array(0, asked.dtype), asked, np.array(length - 1, asked.dtype))


def _missing(dtype: Any, fill: Any) -> Any:
    """What JAX gives for an index that is not there."""
    if fill is not None:
        return fill
    if jnp.issubdtype(dtype, jnp.inexact):
        return np.nan
    if jnp.issubdtype(dtype, jnp.bool_):
        return True
    return np.iinfo(dtype).min if jnp.issubdtype(dtype, jnp.signedinteger) else np.iinfo(dtype).max


def _scatter(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    operand, indices, updates = values
    if indices.apart:
        return None
    numbers = params["dimension_numbers"]
    further = lax.ScatterDimensionNumbers(
        (*numbers.update_window_dims, len(updates.shape)),
        numbers.inserted_window_dims,
        numbers.scatter_dims_to_operand_dims,
        numbers.operand_batching_dims,
        numbers.scatter_indices_batching_dims,
    )
    given = {**params, "dimension_numbers": further}
    return primitive.bind(spread(operand, size), indices.array, spread(updates, size), **given)


def _dynamic_slice(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Array | None:
    operand, *starts = values
    sizes, shape = params["slice_sizes"], operand.shape
    if not any(start.apart for start in starts):
        return lax.dynamic_slice(operand.array, _further(starts), (*sizes, size))
    moving = [d for d, length in enumerate(shape) if sizes[d] != length]
    if len(moving) != 1 or sizes[moving[0]] != 1 or not operand.apart or shape[moving[0]] > SHORT:
        return None
    axis = moving[0]
    asked = _inside(spread(starts[axis], size), shape[axis])
    found: Array = lax.slice_in_dim(operand.array, 0, 1, axis=axis)
    for i in range(1, shape[axis]):
        here = lax.broadcast_in_dim(asked == i, found.shape, (found.ndim - 1,))
        found = lax.select(here, lax.slice_in_dim(operand.array, i, i + 1, axis=axis), found)
    return found


def _dynamic_update(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Array | None:
    operand, update, *starts = values
    if any(start.apart for start in starts):
        return None
    return lax.dynamic_update_slice(spread(operand, size), spread(update, size), _further(starts))


def _further(starts: Sequence[Value]) -> list[Array]:
    """Starts of a slice that takes all lanes."""
    indices = [start.array for start in starts]
    return [*indices, jnp.zeros_like(indices[0])]


RULES: Final[dict[str, Rule]] = {
    "gather": _gather,
    "scatter": _scatter,
    "scatter-add": _scatter,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update,
}
