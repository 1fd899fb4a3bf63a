"""Recovery actions in flight, in slots: ordered, interrupting what they must stop, done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from twin.actions import CATEGORIES
from twin.fast.conditions import LAYER
from twin.mechanics.layers import RESETS, Part

NUMBER: Final = {category: i for i, category in enumerate(CATEGORIES)}
SLOTS = 8
"""Actions that can be in flight at a time."""
PARTS: Final = tuple(Part)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Orders:
    """J slots. Seconds."""

    category: Array
    """[J] int32: 0 where there is none."""
    target: Array
    """[J] int32: the component."""
    gentle: Array
    """[J] bool."""
    interrupts: Array
    """[J] when it stops what it must stop."""
    finishes: Array
    """[J] when it is done."""

    @property
    def active(self) -> Array:
        """[J] whether there is one."""
        return self.category > 0


def none() -> Orders:
    """Nothing in flight."""
    number, never = jnp.zeros(SLOTS, jnp.int32), jnp.full(SLOTS, jnp.inf)
    return Orders(number, number, jnp.zeros(SLOTS, bool), never, never)


def free(orders: Orders) -> Array:
    """[J] the slot that the next order takes; none where all are taken."""
    empty = ~orders.active
    return (jnp.arange(SLOTS) == jnp.argmax(empty)) & empty


def begun(orders: Orders, here: Array, action: Array, now: Array, drains: Array, seconds: Array) -> Orders:
    """With `action` [3] (category, target, parameter) in the slots `here` [J]; it interrupts after `drains` seconds and
    takes `seconds` from then on."""

    def put(old: Array, new: Array) -> Array:
        return jnp.where(here, new, old)

    return Orders(
        put(orders.category, action[0]),
        put(orders.target, action[1]),
        put(orders.gentle, action[2] == 0),
        put(orders.interrupts, now + drains),
        put(orders.finishes, now + drains + seconds),
    )


def finishing(orders: Orders, now: Array) -> Array:
    """[J] those that are done now."""
    return orders.active & (now >= orders.finishes)


def interrupting(orders: Orders, now: Array, categories: Iterable[str]) -> Array:
    """[J] those of some categories that keep what they are about stopped."""
    return orders.active & (now >= orders.interrupts) & among(orders.category, categories)


def cleared(orders: Orders, done: Array) -> Orders:
    """Without those that are done [J]."""
    return replace(
        orders,
        category=jnp.where(done, 0, orders.category),
        interrupts=jnp.where(done, jnp.inf, orders.interrupts),
        finishes=jnp.where(done, jnp.inf, orders.finishes),
    )


def renews(orders: Orders, reached: Array, layer: Array, done: Array) -> Array:
    """[K] conditions on layers that what is done has renewed; `reached` [J, 3, K] says which of them are on its target,
    on residents of that, on its device."""
    bits = jnp.asarray(_RENEWS)[orders.category]
    found = (bits[:, :, None] >> layer[None, None, :]) & 1 > 0
    return (reached & found & done[:, None, None]).any(axis=(0, 1))


def among(category: Array, names: Iterable[str]) -> Array:
    """[...] whether a category [...] is one of these. A few comparisons: cheaper than looking it up in a table."""
    found = jnp.zeros(category.shape, bool)
    for number in sorted(NUMBER[name] for name in set(names)):
        found = found | (category == number)
    return found


def _resets() -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """[C, 3] which layers a category renews on its target, its residents, its device: a bit for each."""
    found = np.zeros((len(CATEGORIES), len(PARTS)), np.int32)
    for category, resets in RESETS.items():
        for reset in resets:
            for layer in reset.layers:
                found[NUMBER[category], PARTS.index(reset.part)] |= 1 << LAYER[layer]
    return found


_RENEWS = _resets()
