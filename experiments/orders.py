"""Actions that a person orders at given times: `300s replace node-1 immediate`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from experiments.errors import UserError
from twin.actions import CATEGORIES, PARAMETERS, Action, Ticket, refusal_of
from twin.quantities import parse
from twin.scenario.errors import nearest
from twin.world import World


@dataclass(frozen=True, slots=True)
class Order:
    """One action, at a simulated second."""

    at: float
    action: Action
    text: str
    """As it was given."""


def read_orders(texts: Iterable[str]) -> tuple[Order, ...]:
    """Orders from their texts: a time, a category, a target and, where wanted, a parameter.

    Raises UserError for a text that is none, with the nearest name of an action or parameter that does not exist.
    """
    return tuple(_read(text) for text in texts)


def _read(text: str) -> Order:
    words = text.split()
    if not 3 <= len(words) <= 4:
        raise UserError(f"--do {text!r}: expected a time, an action and a target, such as '300s reboot node-1'")
    time, category, target, *parameter = words
    try:
        at = parse(time, "duration")
    except ValueError as error:
        raise UserError(f"--do {text!r}: {error}") from None
    if category not in CATEGORIES[1:]:
        raise UserError(f"--do {text!r}: no action '{category}'{nearest(category, CATEGORIES[1:])}")
    if parameter and parameter[0] not in PARAMETERS:
        raise UserError(f"--do {text!r}: no parameter '{parameter[0]}'{nearest(parameter[0], PARAMETERS)}")
    return Order(at, Action(category, target, *parameter), text)


def give(world: World, orders: Sequence[Order]) -> None:
    """Have the orders carried out at their times.

    Raises UserError at once for a time past the horizon or a target that does not exist, and when its time has come for
    an order that is not legal then.
    """
    for order in orders:
        if order.at >= world.spec.horizon:
            raise UserError(f"--do {order.text!r}: the run ends at {world.spec.horizon:.0f} s")
        if order.action.target not in world.components:
            raise UserError(f"--do {order.text!r}: {refusal_of(world, order.action)}")
    for order in orders:
        world.clock.at(order.at, partial(_carry_out, world, order))


def _carry_out(world: World, order: Order, _: object) -> None:
    ticket = world.apply(order.action)
    if not ticket.legal:
        what = f"{order.action.category} cannot be ordered on {order.action.target}"
        raise UserError(f"--do {order.text!r}: {what} at {world.now:.0f} s: {ticket.refusal}")


def told(tickets: Iterable[Ticket]) -> list[str]:
    """What became of the orders, a line each."""
    return [
        f"{ticket.started:.0f} s: {ticket.action} {ticket.action.parameter}, "
        + ("still under way" if ticket.finished is None else f"done at {ticket.finished:.0f} s")
        for ticket in tickets
    ]
