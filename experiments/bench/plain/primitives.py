"""What NumPy does for each primitive of JAX's that the twin uses; one that is not here is an error that names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from experiments.bench.plain import threefry
from experiments.bench.plain.indexing import gather, scatter

Array = NDArray[Any]
Call = Callable[..., Any]
Maker = Callable[[Mapping[str, Any], tuple[int, ...]], Call]
"""(parameters of an equation, shape of its result) -> what NumPy calls with its inputs."""

ELEMENTWISE: Final[Mapping[str, Call]] = {
    "abs": np.abs, "add": np.add, "add_any": np.add, "and": np.bitwise_and, "atan2": np.arctan2, "ceil": np.ceil,
    "copy": np.asarray, "cos": np.cos, "eq": np.equal, "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1,
    "floor": np.floor, "ge": np.greater_equal, "gt": np.greater, "is_finite": np.isfinite, "le": np.less_equal,
    "log": np.log, "log1p": np.log1p, "lt": np.less, "max": np.maximum, "min": np.minimum, "mul": np.multiply,
    "ne": np.not_equal, "neg": np.negative, "nextafter": np.nextafter, "not": np.invert, "or": np.bitwise_or,
    "pow": np.power, "rem": np.fmod, "sign": np.sign, "sin": np.sin, "sqrt": np.sqrt, "square": np.square,
    "stop_gradient": np.asarray, "sub": np.subtract, "tanh": np.tanh, "xor": np.bitwise_xor,
    "shift_left": np.left_shift, "shift_right_logical": np.right_shift, "shift_right_arithmetic": np.right_shift,
    "rsqrt": lambda x: np.reciprocal(np.sqrt(x)),
    "logistic": lambda x: np.reciprocal(np.exp(-x) + np.float32(1.0)),
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "div": lambda x, y: np.divide(x, y) if x.dtype.kind == "f" else np.trunc(x / y).astype(x.dtype),
    "select_n": lambda which, *cases: (
        np.where(which, cases[1], cases[0]) if which.dtype == bool else np.choose(which, cases)
    ),
    "erf": special.erf, "erfc": special.erfc,  # SciPy's, which comes with JAX: NumPy has none
    "random_wrap": np.asarray, "random_unwrap": np.asarray, "random_fold_in": threefry.fold_in,
}  # fmt: skip
"""Called as they are."""


def _broadcast(p: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
    dims = p["broadcast_dimensions"]

    def call(x: Array) -> Array:
        words = range(len(shape) - (np.ndim(x) - len(dims)), len(shape))  # of a key
        sizes = dict(zip((*dims, *words), np.shape(x), strict=True))
        return np.broadcast_to(np.reshape(x, [sizes.get(i, 1) for i in range(len(shape))]), shape)

    return call


def _sliced(p: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
    steps = p["strides"] or [1] * len(p["start_indices"])
    parts = tuple(slice(*part) for part in zip(p["start_indices"], p["limit_indices"], steps, strict=True))
    return lambda x: x[parts]


def _summed(p: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
    axes = _axes(p)
    return lambda x: np.add.reduce(x, axis=axes, dtype=x.dtype)


def _reduced(by: np.ufunc) -> Maker:
    def maker(p: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
        axes = _axes(p)
        return lambda x: by.reduce(x, axis=axes)

    return maker


def _axes(p: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(axis) for axis in p["axes"])


def _extreme(find: Callable[..., Array]) -> Maker:
    def maker(p: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
        (axis,), dtype = _axes(p), p["index_dtype"]
        return lambda x: find(x, axis=axis).astype(dtype)

    return maker


def _running(by: np.ufunc) -> Maker:
    def maker(p: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
        axis, reverse = p["axis"], p["reverse"]

        def call(x: Array) -> Array:
            if not reverse:
                return by.accumulate(x, axis=axis, dtype=x.dtype)
            return np.flip(by.accumulate(np.flip(x, axis), axis=axis, dtype=x.dtype), axis)

        return call

    return maker


def _product(p: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
    """A matrix product of any axes."""
    (left, right), (batch, same) = p["dimension_numbers"]

    def call(x: Array, y: Array) -> Array:
        rows = [i for i in range(x.ndim) if i not in (*left, *batch)]
        columns = [i for i in range(y.ndim) if i not in (*right, *same)]
        inner = int(np.prod([x.shape[i] for i in left]))
        together = [x.shape[i] for i in batch]
        a = x.transpose(*batch, *rows, *left).reshape(*together, -1, inner)
        b = y.transpose(*same, *right, *columns).reshape(*together, inner, -1)
        found: Array = np.matmul(a, b).reshape(shape)
        return found

    return call


def _cast(p: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
    dtype = p["new_dtype"]
    return lambda x: np.asarray(x).astype(dtype, copy=False)


def _dynamic_slice(p: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
    sizes = p["slice_sizes"]

    def call(x: Array, *starts: Any) -> Array:
        begins = [min(max(int(s), 0), n - size) for s, n, size in zip(starts, x.shape, sizes, strict=True)]
        return x[tuple(slice(b, b + size) for b, size in zip(begins, sizes, strict=True))]

    return call


def _dynamic_update(p: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
    def call(x: Array, update: Array, *starts: Any) -> Array:
        begins = [min(max(int(s), 0), n - size) for s, n, size in zip(starts, x.shape, update.shape, strict=True)]
        after = x.copy()
        after[tuple(slice(b, b + size) for b, size in zip(begins, update.shape, strict=True))] = update
        return after

    return call


def _iota(p: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
    along = [-1 if i == p["dimension"] else 1 for i in range(len(shape))]
    counted = np.arange(shape[p["dimension"]], dtype=p["dtype"]).reshape(along)
    return lambda: np.broadcast_to(counted, shape)


def _scattering(adds: bool) -> Maker:
    def maker(p: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
        return lambda x, indices, updates: scatter(x, indices, updates, adds=adds, **p)

    return maker


SHAPED: Final[Mapping[str, Maker]] = {
    "argmax": _extreme(np.argmax),
    "argmin": _extreme(np.argmin),
    "bitcast_convert_type": lambda p, shape: lambda x: np.ascontiguousarray(x).view(p["new_dtype"]),
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda p, shape: lambda *xs: np.concatenate(xs, axis=p["dimension"]),
    "convert_element_type": _cast,
    "cumprod": _running(np.multiply),
    "cumsum": _running(np.add),
    "cummax": _running(np.maximum),
    "dot_general": _product,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update,
    "expand_dims": lambda p, shape: lambda x: x.reshape(shape),
    "gather": lambda p, shape: lambda x, indices: gather(x, indices, shape=shape, **p),
    "integer_pow": lambda p, shape: lambda x: np.power(x, x.dtype.type(p["y"])),
    "iota": _iota,
    "random_bits": lambda p, shape: lambda key: threefry.bits(key, p["shape"]),
    "random_split": lambda p, shape: lambda key: threefry.split(key, p["shape"]),
    "reduce_and": _reduced(np.logical_and),
    "reduce_max": _reduced(np.maximum),
    "reduce_min": _reduced(np.minimum),
    "reduce_or": _reduced(np.logical_or),
    "reduce_prod": _reduced(np.multiply),
    "reduce_sum": _summed,
    "reshape": lambda p, shape: lambda x: np.reshape(x, shape),
    "rev": lambda p, shape: lambda x: np.flip(x, p["dimensions"]),
    "round": lambda p, shape: np.rint,
    "scatter": _scattering(False),
    "scatter-add": _scattering(True),
    "slice": _sliced,
    "squeeze": lambda p, shape: lambda x: np.reshape(x, shape),
    "stack": lambda p, shape: lambda *xs: np.stack(xs, axis=p["axis"]),
    "transpose": lambda p, shape: lambda x: x.transpose(p["permutation"]),
}
"""Made for the parameters of an equation."""


def call_of(name: str, parameters: Mapping[str, Any], shape: tuple[int, ...]) -> Call:
    """What NumPy calls for an equation. Raises NotImplementedError for a primitive that is not here."""
    if name in ELEMENTWISE:
        return ELEMENTWISE[name]
    if name in SHAPED:
        return SHAPED[name](parameters, shape)
    raise NotImplementedError(f"the NumPy version has no '{name}': add it to experiments/bench/plain/primitives.py")
