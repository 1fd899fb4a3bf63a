"""Whom the monitoring system does not reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.mechanics.conditions import Condition

if TYPE_CHECKING:
    from twin.components import Component
    from twin.world import World


def blind(world: World, place: Component, condition: Condition) -> list[bool]:
    """Each component of a world that has not lived yet: whether no exporter of it is reached while a condition on
    `place` holds, as the SimPy twin's network has it."""
    network = world.network
    place.conditions.append(condition)
    network.conditions_changed(place)
    found = [not network.scraped(component) for component in world.components.values()]
    place.conditions.remove(condition)
    network.conditions_changed(place)
    return found
