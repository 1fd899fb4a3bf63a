"""The fast twin's decision as a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.bench.plain.plan import planned, words
from twin.fast import FastTwin

Decision = Callable[[NDArray[np.uint32], Any, NDArray[np.int32]], tuple[Any, ...]]
"""(words of keys [L, 2], lanes, actions [L, 3]) -> observation, lanes, reward, done, info: `FastTwin.step` of L lanes,
all in NumPy."""


FIRST, LAST = ((0, 0, 0), 0), ((0, -1, 0), (-1, -1, 0, 0, 0))
"""Axes of `FastTwin.step` under `vmap`, given and found: all lanes first, or those of states and observations last."""


def decision(twin: FastTwin, lanes: Any, axes: Any = FIRST) -> tuple[Decision, Any]:
    """A decision of lanes such as these, by NumPy; and the lanes as NumPy has them."""
    count = len(lanes.episode)
    where = axes[0][1]

    def given(leaf: Any) -> Any:
        """A key is two words to NumPy, which stand before lanes that are last."""
        key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jnp.moveaxis(words(leaf), 0, where) if key else leaf

    lanes = jax.tree.map(given, lanes)
    keys, actions = jnp.zeros((count, 2), jnp.uint32), jnp.zeros((count, 3), jnp.int32)
    plan, told = planned(jax.vmap(twin.step, *axes), keys, lanes, actions)

    def decide(keys: NDArray[np.uint32], lanes: Any, actions: NDArray[np.int32]) -> tuple[Any, ...]:
        # Overflows and the like are as silent as they are in XLA.
        with np.errstate(all="ignore"):
            found: tuple[Any, ...] = jax.tree.unflatten(told, plan(*jax.tree.leaves((keys, lanes, actions))))
        return found

    return decide, jax.tree.map(np.asarray, lanes)
