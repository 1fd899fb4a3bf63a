"""Recovery actions: what a policy may do to the cluster.

An action stops what it must stop, renews layers (`twin.mechanics.layers.RESETS`), takes its time and starts what it
stopped. Whether that cures anything follows from where the condition sits.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twin.components import Component
from twin.mechanics.conditions import Condition
from twin.mechanics.durations import DRAIN_LIMIT, DURATIONS
from twin.mechanics.layers import RESETS
from twin.process import Process, State

if TYPE_CHECKING:
    from twin.world import World

CATEGORIES: tuple[str, ...] = tuple(RESETS)
"""Categories in the order of the action space: noop, restart, recreate, reset-gpu, reboot, migrate, scale-out."""

PARAMETERS: tuple[str, ...] = ("gentle", "immediate")
"""Parameter bins: let work in flight finish first (at most `DRAIN_LIMIT` seconds), or not."""


@dataclass(frozen=True, slots=True)
class Action:
    """What to do, to which component, how."""

    category: str
    target: str = ""
    parameter: str = "gentle"

    def __str__(self) -> str:
        return f"{self.category} {self.target}".strip()


@dataclass(slots=True)
class Ticket:
    """An action in progress or done. Times in simulated seconds."""

    action: Action
    started: float
    legal: bool = True
    finished: float | None = None
    relieved: list[Condition] = field(default_factory=list)
    """Ground truth: conditions it cleared, or took the target out of the reach of."""


def legal(world: World, category: str, target: Component) -> bool:
    """Whether an operator could order this now.

    The target is of the right kind and there, and neither it nor what runs on it has an action in flight.
    """
    if any(component.name in world.in_flight for component in (target, *target.all_residents())):
        return False
    match category:
        case "restart" | "recreate":
            return isinstance(target, Process) and target.state is not State.ABSENT
        case "reset-gpu":
            return target.kind == "gpu"
        case "reboot":
            return target.kind == "node"
        case "migrate":
            return world.cluster.can_migrate(target)
        case "scale-out":
            return world.cluster.can_scale_out(target)
    return False


def carry_out(world: World, ticket: Ticket, target: Component) -> Generator[Any, Any, None]:
    """The SimPy process of one action."""
    action = ticket.action
    match action.category:
        case "migrate":
            yield from world.cluster.migrate(target, ticket)
        case "scale-out":
            yield from world.cluster.scale_out(target, ticket)
        case _:
            yield from _interrupt_and_renew(world, ticket, target)


def drain(world: World, processes: list[Process]) -> Generator[Any, Any, None]:
    """Let processes finish their work, at most `DRAIN_LIMIT` seconds."""
    for process in processes:
        process.drain()
    deadline = world.now + DRAIN_LIMIT
    while world.now < deadline and any(p.busy() for p in processes if p.up):
        yield world.clock.timeout(min(1.0, deadline - world.now))


def _interrupt_and_renew(world: World, ticket: Ticket, target: Component) -> Generator[Any, Any, None]:
    action = ticket.action
    affected = [c for c in (target, *target.all_residents()) if isinstance(c, Process)]
    affected = [p for p in affected if p.state is not State.ABSENT]
    if action.parameter == "gentle":
        yield from drain(world, affected)
    for process in affected:
        process.stop(action.category)
    target.taken_down(action.category)
    yield world.clock.timeout(DURATIONS[action.category])
    ticket.relieved += target.reset(RESETS[action.category], by=str(action))
    target.brought_back(action.category)
    for process in affected:
        process.start()
