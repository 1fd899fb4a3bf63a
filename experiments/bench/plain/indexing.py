"""XLA's gather and scatter as NumPy's indexing. Terms are those of XLA's operation semantics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]


def gather(
    operand: Array,
    indices: Array,
    *,
    shape: Shape,
    dimension_numbers: Any,
    slice_sizes: Shape,
    mode: Any,
    fill_value: Any = None,
    **_: Any,
) -> Array:
    """Slices of an operand that begin at `indices` [..., K]."""
    d = dimension_numbers
    limits = np.array([operand.shape[dim] - slice_sizes[dim] for dim in d.start_index_map])
    if "FILL" not in str(mode):
        indices = np.clip(indices, 0, limits)
        if _rows(d, operand.shape, slice_sizes, shape):
            return operand.take(indices[..., 0], axis=0).reshape(shape)
        return operand[_places(d, operand.shape, slice_sizes, d.offset_dims, indices, shape)]
    inside = ((indices >= 0) & (indices <= limits)).all(axis=-1)
    found = operand[_places(d, operand.shape, slice_sizes, d.offset_dims, np.clip(indices, 0, limits), shape)]
    if inside.all():
        return found
    batch = [i for i in range(len(shape)) if i not in d.offset_dims]
    there = inside.reshape([shape[i] if i in batch else 1 for i in range(len(shape))])
    rest = fill_value if fill_value is not None else (np.nan if found.dtype.kind == "f" else np.iinfo(found.dtype).min)
    return np.where(there, found, np.array(rest, found.dtype))


def scatter(
    operand: Array,
    indices: Array,
    updates: Array,
    *,
    dimension_numbers: Any,
    adds: bool,
    unique_indices: bool,
    **_: Any,
) -> Array:
    """The operand with updates put in, or added, where `indices` [..., K] say; those outside are left out."""
    d = dimension_numbers
    windows = [dim for dim in range(operand.ndim) if dim not in (*d.inserted_window_dims, *d.operand_batching_dims)]
    sizes = [1] * operand.ndim
    for dim, at in zip(windows, d.update_window_dims, strict=True):
        sizes[dim] = updates.shape[at]
    limits = np.array([operand.shape[dim] - sizes[dim] for dim in d.scatter_dims_to_operand_dims])
    inside = ((indices >= 0) & (indices <= limits)).all(axis=-1)
    numbers = _Numbers(d)
    places = _places(numbers, operand.shape, sizes, d.update_window_dims, np.clip(indices, 0, limits), updates.shape)
    if not inside.all():
        batch = [1 if i in d.update_window_dims else size for i, size in enumerate(updates.shape)]
        there = np.broadcast_to(inside.reshape(batch), updates.shape)
        places = tuple(np.broadcast_to(place, updates.shape)[there] for place in places)
        updates = updates[there]
    after = operand.copy()
    if not adds:
        after[places] = updates
    elif unique_indices:
        after[places] += updates
    else:
        np.add.at(after, places, updates)
    return after


class _Numbers:
    """A scatter's dimension numbers under the names that a gather has for them."""

    def __init__(self, d: Any) -> None:
        self.collapsed_slice_dims = d.inserted_window_dims
        self.start_index_map = d.scatter_dims_to_operand_dims
        self.operand_batching_dims = d.operand_batching_dims
        self.start_indices_batching_dims = d.scatter_indices_batching_dims


def _rows(d: Any, operand: Shape, sizes: Sequence[int], shape: Shape) -> bool:
    """Whether whole rows of the operand's first axis are asked for, one after the other."""
    whole = sizes[0] == 1 and all(sizes[dim] == operand[dim] for dim in range(1, len(operand)))
    trailing = tuple(d.offset_dims) == tuple(range(len(shape) - len(d.offset_dims), len(shape)))
    return whole and trailing and d.start_index_map[:1] == (0,) and not d.operand_batching_dims


def _places(
    d: Any, operand: Shape, sizes: Sequence[int], offsets: Sequence[int], indices: Array, shape: Shape
) -> tuple[Array, ...]:
    """For each axis of the operand, where to look, in arrays that broadcast to `shape`."""
    batch = [i for i in range(len(shape)) if i not in offsets]
    kept = [dim for dim in range(len(operand)) if dim not in (*d.collapsed_slice_dims, *d.operand_batching_dims)]
    at = dict(zip(kept, offsets, strict=True))
    starts = dict(zip(d.start_index_map, range(len(d.start_index_map)), strict=True))
    batched = dict(zip(d.operand_batching_dims, d.start_indices_batching_dims, strict=True))
    places = []
    for dim in range(len(operand)):
        place: Array = np.zeros([1] * len(shape), np.intp)
        if dim in starts:
            place = indices[..., starts[dim]].reshape([shape[i] if i in batch else 1 for i in range(len(shape))])
        if dim in batched:
            place = place + _along(batch[batched[dim]], shape)
        if dim in at and sizes[dim] > 1:
            place = place + _along(at[dim], shape)
        places.append(place)
    return tuple(places)


def _along(axis: int, shape: Shape) -> Array:
    """0, 1, … along one axis of a shape."""
    return np.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))])
