"""Call-site mutations of programs: what share of which calls and jobs they spoil, measured by probes of the SimPy twin.

A mutation changes code, which the arrays do not have. So its effect is measured at compile time: the same healthy life
is lived with and without it, and for each call and each stage of a job it is counted how many more fail. The effect
sits on the layer of the program that carries the mutation, and goes when that is renewed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import numpy as np
from numpy.typing import NDArray

from twin.fast.conditions import Effects
from twin.fast.errors import NotCompiledError
from twin.mechanics.conditions import Condition

if TYPE_CHECKING:
    from twin.components import Component
    from twin.fast.openstack.scripts import Tables
    from twin.world import World

PARAMETER = "mutation"


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Mutated:
    """What U mutations do."""

    fails: NDArray[np.float32]
    """[U, V] share of calls and stages that fail."""
    rows: NDArray[np.float32]
    """[U, V] share of jobs that never end."""


def count(world: World) -> int:
    """Mutations of a world."""
    return len({c.cause for plan in world.plans for _, c in plan.conditions if c.parameter == PARAMETER})


def effects(world: World, condition: Condition, component: Component) -> Effects | None:
    """The channel of a mutation; None of other conditions."""
    if condition.parameter != PARAMETER:
        return None
    raise NotCompiledError(f"the mutation '{condition.code}' of {component.name}")


def mutated(world: World, tables: Tables, size: int, visits: int) -> Mutated:
    """Those of a world."""
    return Mutated(np.zeros((size, visits), np.float32), np.zeros((size, visits), np.float32))
