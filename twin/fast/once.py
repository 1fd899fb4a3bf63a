"""Where the compiler must not look further back: what many loops read is computed once, not in each of them."""

from __future__ import annotations

from typing import Final, TypeVar

import jax
from jax.experimental.xla_metadata import set_xla_metadata

Arrays = TypeVar("Arrays")


def once(arrays: Arrays) -> Arrays:
    """The same, computed once. Without this the compiler computes them anew in every loop that reads them, of which it
    makes dozens, because each of their operations by itself is cheap; it does not look behind a call (and on processors
    it drops `lax.optimization_barrier` before it makes loops)."""
    with set_xla_metadata(inlineable="false"):  # type: ignore[no-untyped-call]
        found: Arrays = _computed_once(arrays)
    return found


@jax.jit
def _computed_once(arrays: Arrays) -> Arrays:
    return arrays


ONCE: Final = "_computed_once"
"""What the call is called in a traced function."""
