"""A spare machine takes another one's role, and the other one goes away for repair."""

from __future__ import annotations

from twin.actions.action import Ticket
from twin.actions.operation import Steps
from twin.components import Component
from twin.mechanics.durations import REPAIR


def hand_over(spare: Component, target: Component, by: str) -> None:
    """The hardware of the spare node takes the target's role: what is wrong with it comes along.

    `target` is a node, or a GPU that gets the first GPU of the spare node.
    """
    own = [c for c in spare.residents if c.kind == "gpu"]
    pairs = [(own[0], target)] if target.kind == "gpu" else [(spare, target)]
    if target.kind == "node":
        pairs += zip(own, [c for c in target.residents if c.kind == "gpu"], strict=False)
    for source, role in pairs:
        for condition in list(source.conditions):
            role.world.truth.injected(role.name, condition, role.world.now)
            role.impose(condition)
        source.renew(source.layers, by)


def away_for_repair(machine: Component, ticket: Ticket) -> Steps:
    """A machine is out of the cluster until it is mended, and then a spare again; meanwhile it counts as busy."""
    world = machine.world
    everything = (machine, *machine.all_residents())
    for component in everything:
        world.in_flight[component.name] = ticket
    yield world.clock.timeout(REPAIR)
    machine.brought_back("replace")
    for component in everything:
        del world.in_flight[component.name]
