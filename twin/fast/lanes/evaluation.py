"""From a function of one lane to the same of all, with the lanes last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap
from jax.extend import core

from twin.fast.lanes import axes, indexing
from twin.fast.lanes.values import Rule, Value, alike, spread
from twin.fast.once import ONCE, once

Found = TypeVar("Found")
RULES: Final[dict[str, Rule]] = {**axes.RULES, **indexing.RULES}


def lanes_last(function: Callable[..., Found]) -> Callable[..., Found]:
    """The same function of arrays of one lane; under `jax.vmap` it is carried out with the lanes last.

    What it takes and gives has the lanes where `vmap` wants them, so that whoever calls it sees no difference. Where
    that is last too (`in_axes=-1`), nothing is turned round on the way."""
    # Compiled as a call, which JAX traces once for all who ask.
    called = jax.jit(function)
    one = custom_vmap(called)

    @one.def_vmap
    def many(size: int, batched: Sequence[Any], *arguments: Any) -> tuple[Any, Any]:
        leaves, structure = jax.tree.flatten(arguments)
        apart = jax.tree.leaves(tuple(batched))
        single = [
            jax.ShapeDtypeStruct(  # type: ignore[no-untyped-call]
                leaf.shape[1:] if own else leaf.shape, leaf.dtype, weak_type=jax.typeof(leaf).weak_type
            )
            for leaf, own in zip(leaves, apart, strict=True)
        ]
        traced, like = jax.make_jaxpr(called, return_shape=True)(*jax.tree.unflatten(structure, single))
        values = [
            Value(jnp.moveaxis(leaf, 0, -1) if own else leaf, bool(own))
            for leaf, own in zip(leaves, apart, strict=True)
        ]
        found = [jnp.moveaxis(spread(value, size), -1, 0) for value in evaluated(traced, values, size)]
        return jax.tree.unflatten(jax.tree.structure(like), found), jax.tree.map(lambda _: True, like)

    return wraps(function)(lambda *arguments: one(*arguments))


def evaluated(traced: core.ClosedJaxpr, arguments: Sequence[Value], size: int) -> list[Value]:
    """What a traced function finds, operation by operation."""
    jaxpr, known = traced.jaxpr, dict[Any, Value]()
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
    name, apart = primitive.name, any(value.apart for value in values)
    if name in CALLS:
        return CALLS[name](values, params, size)
    if not apart:
        found = primitive.bind(*(value.array for value in values), **params)
    elif name in ELEMENTWISE:
        found = primitive.bind(*alike(values, size), **params)
    else:
        rule = RULES.get(name)
        found = rule(primitive, values, params, size) if rule else None
        found = _by_jax(primitive, values, params) if found is None else found
    return [Value(each, apart) for each in (found if primitive.multiple_results else [found])]


def _by_jax(primitive: Any, values: Sequence[Value], params: dict[str, Any]) -> Any:
    """By JAX's own rule, which may put lanes first meanwhile."""
    where = [-1 if value.apart else None for value in values]
    return jax.vmap(lambda *arrays: primitive.bind(*arrays, **params), where, -1)(*(value.array for value in values))


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

    turns = {name: params[name] for name in ("length", "reverse", "unroll")}
    end, told = lax.scan(turn, begin, [value.array for value in over], **turns)
    return [Value(each, True) for each in (*end, *told)]


CALLS: Final[dict[str, Callable[[Sequence[Value], dict[str, Any], int], list[Value]]]] = {
    **dict.fromkeys(("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "custom_vmap_call"), _call),
    "scan": _scan,
}
ELEMENTWISE: Final = frozenset((
    "abs", "add", "add_any", "and", "atan2", "bitcast_convert_type", "ceil", "clamp", "convert_element_type", "copy",
    "cos", "div", "eq", "erf", "erf_inv", "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow",
    "is_finite", "le", "lgamma", "log", "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "nextafter", "not",
    "or", "pow", "reduce_precision", "rem", "round", "rsqrt", "select_n", "shift_left", "shift_right_arithmetic",
    "shift_right_logical", "sign", "sin", "sqrt", "square", "stop_gradient", "sub", "tan", "tanh", "xor",
))  # fmt: skip
"""Operations on each element by itself."""
