"""What breaks, as arrays: conditions of faults in slots, each with the channels of its cluster.

A condition changes one parameter of the mechanics (`twin.mechanics.conditions`). What that does to a program near it is
computed once, by the mechanics that the SimPy twin uses, and kept as *channels*: numbers such as how many times longer
a step takes. Each cluster has channels of its own (`CHANNELS`); the arrays know nothing else of a fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from twin.fast.background import plans
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer

if TYPE_CHECKING:
    from twin.components import Component
    from twin.world import World

LAYERS: Final = tuple(Layer)
LAYER: Final = {layer: i for i, layer in enumerate(LAYERS)}

Effects = dict[str, float]
"""Channel -> value."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Conditions:
    """K slots of conditions, with E channels."""

    place: NDArray[np.int32]
    """[K] the component that carries the condition; -1 where the slot is not used."""
    layer: NDArray[np.int32]
    """[K] position in `LAYERS`."""
    begins: NDArray[np.float32]
    """[K] seconds."""
    ends: NDArray[np.float32]
    """[K] infinite where it stays until it is healed."""
    channels: NDArray[np.float32]
    """[K, E] 0 where it does nothing."""


def slots(world: World) -> int:
    """How many slots the conditions of a world take."""
    return sum(len(plan.conditions) for plan in plans(world))


def drawn(
    world: World,
    size: int,
    channel: Mapping[str, int],
    effects: Callable[[Condition, Component], Effects],
    noticed: Callable[[Condition], float] = lambda condition: math.inf,
) -> Conditions:
    """The conditions of a world in `size` slots. `noticed`: seconds after which the cluster itself ends a condition.

    Raises NotCompiledError, by way of `effects`."""
    place, layer = np.full(size, -1, np.int32), np.zeros(size, np.int32)
    begins, ends = np.full(size, np.inf, np.float32), np.full(size, np.inf, np.float32)
    channels = np.zeros((size, len(channel)), np.float32)
    numbers = {name: i for i, name in enumerate(world.components)}
    carried = [(plan, component, condition) for plan in plans(world) for component, condition in plan.conditions]
    for slot, (plan, component, condition) in enumerate(carried):
        place[slot], layer[slot] = numbers[component.name], LAYER[condition.layer]
        begins[slot] = plan.at
        ends[slot] = min(math.inf if plan.until is None else plan.until, plan.at + noticed(condition))
        for name, value in effects(condition, component).items():
            channels[slot, channel[name]] = value
    return Conditions(place, layer, begins, ends, channels)


def present(conditions: Conditions, healed: Array, now: Array) -> Array:
    """[K] which conditions hold at second `now`; `healed` [K] are gone before their time."""
    begun = jnp.asarray(conditions.begins) <= now
    return begun & (now < jnp.asarray(conditions.ends)) & ~healed
