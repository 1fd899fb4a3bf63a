"""An operation: how an operator does one category of action on one cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twin.actions.action import Ticket
from twin.components import Component
from twin.mechanics.durations import DRAIN_LIMIT
from twin.process import Process

if TYPE_CHECKING:
    from twin.world import World

Steps = Generator[Any, Any, None]
"""What an operation does, in simulated time: a SimPy process."""


def target_and_residents(target: Component) -> Iterable[Component]:
    """What most actions occupy: the target and all that runs on it."""
    yield target
    yield from target.all_residents()


@dataclass(frozen=True, slots=True)
class Operation:
    """When an action can be ordered, and what then happens."""

    refusal: Callable[[Component], str]
    """(target) -> why it cannot be ordered now, as an operator would be told; empty where it can."""
    carry_out: Callable[[Component, Ticket], Steps]
    """(target, ticket) -> the steps; what it relieves goes onto the ticket."""
    occupies: Callable[[Component], Iterable[Component]] = target_and_residents
    """(target) -> what is busy until it is done."""


def drain(world: World, processes: list[Process]) -> Steps:
    """Let processes finish their work, at most `DRAIN_LIMIT` seconds."""
    for process in processes:
        process.drain()
    deadline = world.now + DRAIN_LIMIT
    while world.now < deadline and any(p.busy() for p in processes if p.up):
        yield world.clock.timeout(min(1.0, deadline - world.now))
