"""Operations that name axes: counted from the first, they are the same with an axis more behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from jax import Array, lax

from twin.fast.lanes.values import SHORT, Rule, Value, spread
from twin.fast.once import once

WRITTEN_OUT: Final = 96
"""Products of matrices are written out along axes up to this length."""


def _same(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    return primitive.bind(*(spread(value, size) for value in values), **params)


def _broadcast(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Array:
    shape, dimensions = params["shape"], params["broadcast_dimensions"]
    return lax.broadcast_in_dim(values[0].array, (*shape, size), (*dimensions, len(shape)))


def _reshape(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Array:
    return lax.reshape(values[0].array, (*params["new_sizes"], size))


def _transpose(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Array:
    order = params["permutation"]
    return lax.transpose(values[0].array, (*order, len(order)))


def _slice(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Array:
    strides = params["strides"] and (*params["strides"], 1)
    return lax.slice(values[0].array, (*params["start_indices"], 0), (*params["limit_indices"], size), strides)


def _pad(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Array | None:
    if values[1].apart:
        return None
    return lax.pad(spread(values[0], size), values[1].array, (*params["padding_config"], (0, 0, 0)))


def _product(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Array | None:
    """Of short matrices, term by term."""
    (left, right), (both, _) = params["dimension_numbers"]
    if both or len(left) != 1 or not 0 < values[0].shape[left[0]] <= WRITTEN_OUT:
        return None
    a, b = (spread(value, size) for value in values)
    rows, found = a.ndim - 2, None
    for k in range(a.shape[left[0]]):
        one = lax.index_in_dim(a, k, left[0], keepdims=False)
        other = lax.index_in_dim(b, k, right[0], keepdims=False)
        one = lax.expand_dims(one, range(rows, rows + other.ndim - 1))
        term = one * lax.expand_dims(other, range(rows))
        found = term if found is None else found + term
        if k % SHORT == SHORT - 1:
            found = once(found)  # of many more terms at once the compiler makes no vector loop
    return found


RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(
        (
            "reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_or", "reduce_and", "argmax", "argmin",
            "cumsum", "cumprod", "cummax", "cummin", "concatenate", "stack", "split", "squeeze", "rev", "sort",
        ),
        _same,
    ),
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "pad": _pad,
    "dot_general": _product,
}  # fmt: skip
