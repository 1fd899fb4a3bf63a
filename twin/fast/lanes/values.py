"""Arrays of one lane, and of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import Array

SHORT: Final = 16
"""Axes up to this length are looked up element by element."""


@dataclass(frozen=True, slots=True)
class Value:
    """An array, and whether its last axis are the lanes; where not, it is the same in all of them."""

    array: Any
    apart: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """In one lane."""
        shape: tuple[int, ...] = np.shape(self.array)
        return shape[:-1] if self.apart else shape


Rule = Callable[[Any, Sequence[Value], dict[str, Any], int], Any]
"""(primitive, values, its parameters, lanes) -> what it finds, with the lanes last; None where the rule does not know
this case."""


def spread(value: Value, size: int) -> Array:
    """With `size` lanes as the last axis, in any case."""
    array: Array = value.array
    return array if value.apart else jnp.broadcast_to(jnp.expand_dims(array, -1), (*np.shape(array), size))


def alike(values: Sequence[Value], size: int) -> list[Array]:
    """All of one shape: numbers, and axes of length one, stand beside any."""
    shape = np.broadcast_shapes(*(value.shape for value in values))
    found = []
    for value in values:
        array, own = value.array, value.shape
        if own != shape:
            lanes = (size,) if value.apart else ()
            array = jnp.broadcast_to(jnp.reshape(array, (*(1,) * (len(shape) - len(own)), *own, *lanes)), shape + lanes)
        found.append(spread(Value(array, value.apart), size))
    return found
