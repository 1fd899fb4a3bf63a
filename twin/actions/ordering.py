"""Ordering an action: whether it is legal, and its life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.actions.action import CATEGORIES, PARAMETERS, Action, Ticket
from twin.actions.operation import Operation, Steps
from twin.actions.renewal import OPERATIONS
from twin.components import Component
from twin.scenario.errors import nearest

if TYPE_CHECKING:
    from twin.world import World


def operation(world: World, category: str) -> Operation | None:
    """How this cluster does it; the cluster's own way goes before the general one."""
    return world.cluster.operations.get(category) or OPERATIONS.get(category)


def refusal(world: World, category: str, target: Component) -> str:
    """Why the action cannot be ordered on the target now; empty where it can.

    The target is of the right kind, there, not already so, has a place to go to where it needs one, and neither it nor
    what else the action occupies has an action in flight.
    """
    found = operation(world, category)
    if found is None:
        return "this cluster has no such action"
    reason = found.refusal(target)
    if reason or not world.in_flight:
        return reason
    if any(component.name in world.in_flight for component in found.occupies(target)):
        return "an action on it is in flight"
    return ""


def legal(world: World, category: str, target: Component) -> bool:
    """Whether an operator could order this now."""
    return not refusal(world, category, target)


def refusal_of(world: World, action: Action) -> str:
    """Why an action cannot be ordered now, with the nearest names for what does not exist; empty where it can."""
    if action.category not in CATEGORIES:
        return f"no action '{action.category}'{nearest(action.category, CATEGORIES)}"
    if action.parameter not in PARAMETERS:
        return f"no parameter '{action.parameter}'{nearest(action.parameter, PARAMETERS)}"
    if action.category == "noop":
        return ""
    target = world.components.get(action.target)
    if target is None:
        return f"no component '{action.target}'{nearest(action.target, world.components)}"
    return refusal(world, action.category, target)


def order(world: World, action: Action) -> Ticket:
    """Begin an action; it runs while the world does. An illegal one changes nothing."""
    ticket = Ticket(action, world.now)
    ticket.refusal = refusal_of(world, action)
    ticket.legal = not ticket.refusal
    found = operation(world, action.category)
    if not ticket.legal or found is None:  # noop has no operation
        ticket.finished = world.now
        return ticket
    target = world.components[action.target]
    occupied = [component.name for component in found.occupies(target)]
    for name in occupied:
        world.in_flight[name] = ticket
    world.clock.process(_live(world, found, target, ticket, occupied))
    return ticket


def _live(world: World, found: Operation, target: Component, ticket: Ticket, occupied: list[str]) -> Steps:
    yield from found.carry_out(target, ticket)
    ticket.finished = world.now
    for name in occupied:
        if world.in_flight.get(name) is ticket:
            del world.in_flight[name]
