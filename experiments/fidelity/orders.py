"""What is done about a fault in a comparison: one action near what it hit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from twin.actions import Action
from twin.components import Component
from twin.world import World

REACTION = 40.0
"""Seconds after a fault at which something is done about it, on the next decision."""


@dataclass(frozen=True, slots=True)
class Order:
    """An action and the second at which it is ordered."""

    action: Action
    time: float


def order(world: World, category: str) -> Order | None:
    """The action of a category against the first fault of a world that has not lived yet; None where it has no
    target there or no fault. It is ordered immediately, without a drain."""
    if not world.plans:
        return None
    plan = world.plans[0]
    target = next((c for c in _around(world, plan.conditions[0][0]) if world.legal(category, c)), None)
    if target is None:
        return None
    interval = world.spec.control.interval
    time = math.ceil((plan.at + REACTION) / interval) * interval
    return None if time >= world.spec.horizon else Order(Action(category, target.name, "immediate"), time)


def _around(world: World, hit: Component) -> Iterator[Component]:
    """What was hit, then what is near to it, then everything."""
    yield hit
    yield from hit.places()
    yield from hit.all_residents()
    yield from world.components.values()
