"""Many lanes at once with the lanes as the last axis of every array, where `jax.vmap` puts them first.

A cluster's arrays are short (four replicas, seven hosts) and its lanes are thousands. With lanes last, neighbours in
memory are the same quantity of neighbouring lanes, so that each arithmetic loop fills a processor's vector registers;
looking something up in a short array becomes a few selections, and a sum along one a few additions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_batching import custom_vmap
from jax.extend import core

from twin.fast.once import ONCE, once

Found = TypeVar("Found")
SHORT: Final = 16
"""Axes up to this length are looked up element by element."""
SHORT_PRODUCT: Final = 96
"""Products of matrices are written out along axes up to this length."""


def lanes_last(function: Callable[..., Found]) -> Callable[..., Found]:
    """The same function of arrays of one lane; under `jax.vmap` it is carried out with the lanes last.

    What it takes and gives has the lanes where `vmap` wants them, so that whoever calls it sees no difference."""
    one = custom_vmap(function)

    @one.def_vmap
    def many(size: int, batched: Sequence[Any], *arguments: Any) -> tuple[Any, Any]:
        leaves, tree = jax.tree.flatten(arguments)
        of_lane = jax.tree.leaves(tuple(batched))
        single = [
            jax.ShapeDtypeStruct(leaf.shape[1:] if apart else leaf.shape, leaf.dtype)
            for leaf, apart in zip(leaves, of_lane, strict=True)
        ]
        traced, shape = jax.make_jaxpr(function, return_shape=True)(*jax.tree.unflatten(tree, single))
        values = [
            Value(jnp.moveaxis(leaf, 0, -1) if apart else leaf, bool(apart))
            for leaf, apart in zip(leaves, of_lane, strict=True)
        ]
        found = [jnp.moveaxis(spread(value, size), -1, 0) for value in evaluated(traced, values, size)]
        return jax.tree.unflatten(jax.tree.structure(shape), found), jax.tree.map(lambda _: True, shape)

    return wraps(function)(lambda *arguments: one(*arguments))


@dataclass(frozen=True, slots=True)
class Value:
    """An array, and whether its last axis are the lanes; where not, it is the same in all of them."""

    array: Any
    apart: bool


def spread(value: Value, size: int) -> Array:
    """With lanes as the last axis, in any case."""
    array: Array = value.array
    return array if value.apart else jnp.broadcast_to(jnp.expand_dims(array, -1), (*np.shape(array), size))


def _alike(values: Sequence[Value], size: int) -> list[Array]:
    """Of one shape: axes of length one, and numbers, stand beside any."""
    shapes = [np.shape(value.array)[:-1] if value.apart else np.shape(value.array) for value in values]
    shape = np.broadcast_shapes(*shapes)
    found = []
    for value, own in zip(values, shapes, strict=True):
        array = value.array
        if own != shape and value.apart:
            array = jnp.broadcast_to(array.reshape(*(1,) * (len(shape) - len(own)), *array.shape), (*shape, size))
        elif own != shape:
            array = jnp.broadcast_to(array, shape)
        found.append(spread(Value(array, value.apart), size))
    return found


def evaluated(traced: core.ClosedJaxpr, arguments: Sequence[Value], size: int) -> list[Value]:
    """What a traced function finds, operation by operation."""
    known: dict[Any, Value] = {}
    jaxpr = traced.jaxpr
    known.update(zip(jaxpr.constvars, (Value(array, False) for array in traced.consts), strict=True))
    known.update(zip(jaxpr.invars, arguments, strict=True))

    def of(what: Any) -> Value:
        return Value(what.val, False) if isinstance(what, core.Literal) else known[what]

    for equation in jaxpr.eqns:
        values = [of(what) for what in equation.invars]
        found = _carried_out(equation.primitive, values, equation.params, size)
        known.update(zip(equation.outvars, found, strict=True))
    return [of(what) for what in jaxpr.outvars]


def _carried_out(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> list[Value]:
    name = primitive.name
    if name in CALLS:
        return CALLS[name](values, params, size)
    if not any(value.apart for value in values):
        found = primitive.bind(*(value.array for value in values), **params)
        return [Value(each, False) for each in (found if primitive.multiple_results else [found])]
    if name in ELEMENTWISE:
        found = primitive.bind(*_alike(values, size), **params)
    elif name in RULES and (changed := RULES[name](primitive, values, params, size)) is not None:
        found = changed
    else:
        found = _by_jax(primitive, values, params)
    return [Value(each, True) for each in (found if primitive.multiple_results else [found])]


def _by_jax(primitive: Any, values: Sequence[Value], params: dict[str, Any]) -> Any:
    """What has no rule here, by JAX's own, which may put lanes first meanwhile."""
    axes = [-1 if value.apart else None for value in values]
    return jax.vmap(lambda *arrays: primitive.bind(*arrays, **params), axes, -1)(*(value.array for value in values))


# --- calls and loops -------------------------------------------------------------------------------------------------


def _call(values: Sequence[Value], params: dict[str, Any], size: int) -> list[Value]:
    if params.get("name") == ONCE:
        return [Value(once(value.array), value.apart) for value in values]
    inner = next(params[key] for key in ("jaxpr", "call_jaxpr", "call") if key in params)
    return evaluated(inner, values, size)


def _scan(values: Sequence[Value], params: dict[str, Any], size: int) -> list[Value]:
    """What is carried is each lane's own; what is scanned over keeps its first axis."""
    constants, carried = params["num_consts"], params["num_carry"]
    fixed, begin = values[:constants], [spread(value, size) for value in values[constants : constants + carried]]
    over = values[constants + carried :]

    def turn(carry: list[Array], arrays: list[Array]) -> tuple[list[Array], list[Array]]:
        now = [Value(array, value.apart) for array, value in zip(arrays, over, strict=True)]
        found = evaluated(params["jaxpr"], [*fixed, *(Value(each, True) for each in carry), *now], size)
        each = [spread(value, size) for value in found]
        return each[:carried], each[carried:]

    end, told = lax.scan(
        turn,
        begin,
        [value.array for value in over],
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [Value(each, True) for each in (*end, *told)]


CALLS: Final[dict[str, Callable[[Sequence[Value], dict[str, Any], int], list[Value]]]] = {
    **dict.fromkeys(("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "custom_vmap_call"), _call),
    "scan": _scan,
}


# --- operations on axes ----------------------------------------------------------------------------------------------

Rule = Callable[[Any, Sequence[Value], dict[str, Any], int], Any]
"""(primitive, values, parameters, lanes) -> what it finds with lanes last; None where the rule knows nothing."""


def _same_axes(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    """The axes it names are counted from the first."""
    return primitive.bind(*(spread(value, size) for value in values), **params)


def _broadcast(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    shape, dimensions = params["shape"], params["broadcast_dimensions"]
    return lax.broadcast_in_dim(values[0].array, (*shape, size), (*dimensions, len(shape)))


def _reshape(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    return lax.reshape(values[0].array, (*params["new_sizes"], size))


def _transpose(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    order = params["permutation"]
    return lax.transpose(values[0].array, (*order, len(order)))


def _slice(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    strides = params["strides"]
    return lax.slice(
        values[0].array,
        (*params["start_indices"], 0),
        (*params["limit_indices"], size),
        None if strides is None else (*strides, 1),
    )


def _pad(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    if values[1].apart:
        return None
    return lax.pad(values[0].array, values[1].array, (*params["padding_config"], (0, 0, 0)))


def _dot(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    """A product of short matrices, term by term."""
    (left, right), (both_left, both_right) = params["dimension_numbers"]
    a, b = (value.array for value in values)
    if len(left) != 1 or both_left or both_right or a.shape[left[0]] > SHORT_PRODUCT:
        return None
    a, b = (spread(value, size) for value in values)
    rows = a.ndim - 2
    found = None
    for k in range(a.shape[left[0]]):
        one = lax.index_in_dim(a, k, left[0], keepdims=False)
        other = lax.index_in_dim(b, k, right[0], keepdims=False)
        one = lax.expand_dims(one, range(rows, rows + other.ndim - 1))
        other = lax.expand_dims(other, range(rows))
        term = one * other
        found = term if found is None else found + term
        if k % SHORT == SHORT - 1:
            found = once(found)  # an expression of many more terms no longer becomes a vector loop
    return found


def _gather(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    operand, indices = values
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    if not indices.apart:
        if params["mode"] == lax.GatherScatterMode.FILL_OR_DROP and numbers.operand_batching_dims:
            return None
        more = lax.GatherDimensionNumbers(
            (*numbers.offset_dims, _rank(operand, indices, numbers)),
            numbers.collapsed_slice_dims,
            numbers.start_index_map,
            numbers.operand_batching_dims,
            numbers.start_indices_batching_dims,
        )
        return lax.gather(
            operand.array, indices.array, more, (*sizes, size), mode=params["mode"], fill_value=params["fill_value"]
        )
    return _looked_up(operand, indices, numbers, sizes, params["mode"], params["fill_value"])


def _rank(operand: Value, indices: Value, numbers: Any) -> int:
    """Of what a gather finds in one lane."""
    return len(numbers.offset_dims) + np.ndim(indices.array) - indices.apart - 1


def _looked_up(operand: Value, indices: Value, numbers: Any, sizes: Sequence[int], mode: Any, fill: Any) -> Any:
    """Single elements along one short axis: for each that there is, whether it is asked for."""
    if len(numbers.start_index_map) != 1:
        return None
    axis = numbers.start_index_map[0]
    shape = operand.array.shape[:-1] if operand.apart else operand.array.shape
    others = [d for d in range(len(shape)) if d != axis]
    whole = all(sizes[d] == (1 if d in numbers.operand_batching_dims else shape[d]) for d in others)
    if numbers.collapsed_slice_dims != (axis,) or not whole or not 0 < shape[axis] <= SHORT:
        return None
    rank = _rank(operand, indices, numbers)
    batch = [d for d in range(rank) if d not in numbers.offset_dims]
    kept = [d for d in others if d not in numbers.operand_batching_dims]
    to = dict(zip(kept, numbers.offset_dims, strict=True))
    to.update(
        (d, batch[at]) for d, at in zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True)
    )
    asked = lax.index_in_dim(indices.array, 0, indices.array.ndim - 2, keepdims=False)
    found_shape = [0] * rank
    for at, d in enumerate(batch):
        found_shape[d] = asked.shape[at]
    for d, at in to.items():
        found_shape[at] = shape[d]
    full = (*found_shape, asked.shape[-1])
    asked = lax.broadcast_in_dim(asked, full, (*batch, rank))
    if mode == lax.GatherScatterMode.FILL_OR_DROP:
        found = jnp.full(full, _missing(operand.array.dtype, fill), operand.array.dtype)
        first = 0
    else:
        # Clipped: whoever asks beyond an end gets what is there.
        found, first = None, 0
        asked = lax.clamp(np.array(0, asked.dtype), asked, np.array(shape[axis] - 1, asked.dtype))
    for i in range(first, shape[axis]):
        part = lax.index_in_dim(operand.array, i, axis, keepdims=False)
        places = [to[d] for d in others] + ([rank] if operand.apart else [])
        if sorted(places) != places:
            order = sorted(range(len(places)), key=places.__getitem__)
            part, places = lax.transpose(part, order), sorted(places)
        part = lax.broadcast_in_dim(part, full, places)
        found = part if found is None else lax.select(asked == i, part, found)
    return found


def _missing(dtype: Any, fill: Any) -> Any:
    """What JAX gives for an index that is not there."""
    if fill is not None:
        return fill
    if jnp.issubdtype(dtype, jnp.inexact):
        return np.nan
    if jnp.issubdtype(dtype, jnp.bool_):
        return True
    limits = jnp.iinfo(dtype)
    return limits.min if jnp.issubdtype(dtype, jnp.signedinteger) else limits.max


def _scatter(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    """Where the same places change in all lanes."""
    operand, indices, updates = values
    if indices.apart:
        return None
    numbers = params["dimension_numbers"]
    changed = lax.ScatterDimensionNumbers(
        (*numbers.update_window_dims, np.ndim(updates.array) - updates.apart),
        numbers.inserted_window_dims,
        numbers.scatter_dims_to_operand_dims,
        numbers.operand_batching_dims,
        numbers.scatter_indices_batching_dims,
    )
    return primitive.bind(
        spread(operand, size), indices.array, spread(updates, size), **{**params, "dimension_numbers": changed}
    )


def _dynamic_slice(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    operand, *starts = values
    sizes = params["slice_sizes"]
    if not any(start.apart for start in starts):
        indices = [start.array for start in starts]
        return lax.dynamic_slice(operand.array, [*indices, jnp.zeros_like(indices[0])], (*sizes, size))
    shape = operand.array.shape[:-1] if operand.apart else operand.array.shape
    moving = [d for d, start in enumerate(starts) if sizes[d] != shape[d]]
    if len(moving) != 1 or sizes[moving[0]] != 1 or not operand.apart or not 0 < shape[moving[0]] <= SHORT:
        return None
    axis, start = moving[0], spread(starts[moving[0]], size)
    start = lax.clamp(np.array(0, start.dtype), start, np.array(shape[axis] - 1, start.dtype))
    found = None
    for i in range(shape[axis]):
        part = lax.slice_in_dim(operand.array, i, i + 1, axis=axis)
        here = lax.broadcast_in_dim(start == i, part.shape, (part.ndim - 1,))
        found = part if found is None else lax.select(here, part, found)
    return found


def _dynamic_update(primitive: Any, values: Sequence[Value], params: dict[str, Any], size: int) -> Any:
    operand, update, *starts = values
    if any(start.apart for start in starts):
        return None
    indices = [start.array for start in starts]
    return lax.dynamic_update_slice(spread(operand, size), spread(update, size), [*indices, jnp.zeros_like(indices[0])])


ELEMENTWISE: Final = frozenset(
    [
        "abs",
        "add",
        "add_any",
        "and",
        "atan2",
        "ceil",
        "clamp",
        "convert_element_type",
        "copy",
        "copy_p",
        "cos",
        "div",
        "eq",
        "erf",
        "erf_inv",
        "exp",
        "exp2",
        "expm1",
        "floor",
        "ge",
        "gt",
        "imag",
        "integer_pow",
        "is_finite",
        "le",
        "lgamma",
        "log",
        "log1p",
        "logistic",
        "lt",
        "max",
        "min",
        "mul",
        "ne",
        "neg",
        "nextafter",
        "not",
        "or",
        "pow",
        "real",
        "reduce_precision",
        "rem",
        "round",
        "rsqrt",
        "select_n",
        "shift_left",
        "shift_right_arithmetic",
        "shift_right_logical",
        "sign",
        "sin",
        "sqrt",
        "square",
        "stop_gradient",
        "sub",
        "tan",
        "tanh",
        "xor",
        "bitcast_convert_type",
    ]
)
RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(
        ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_or", "reduce_and", "argmax", "argmin", "concatenate", "stack", "cumsum", "cummax", "cummin", "cumprod", "rev", "sort", "split",
         "squeeze"),
        _same_axes,
    ),
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "pad": _pad,
    "dot_general": _dot,
    "gather": _gather,
    "scatter": _scatter,
    "scatter-add": _scatter,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update,
}  # fmt: skip
