"""Spare capacity: slots that can take a replica, machines that can take another one's role."""

from __future__ import annotations

from collections.abc import Sequence

from twin.actions import Ticket
from twin.actions.renewal import gpus_on
from twin.components import Component
from twin.inference.replica import Replica
from twin.process import Process, State


class Spares:
    """What is idle now, up, and not cordoned, in the order in which it would be taken."""

    def __init__(self, replicas: Sequence[Replica], in_flight: dict[str, Ticket]) -> None:
        self._replicas = replicas
        self._in_flight = in_flight
        self.cordoned: set[str] = set()
        """Nodes on which nothing new is placed."""

    def slots(self, ticket: Ticket | None = None, besides: Component | None = None) -> list[Replica]:
        """Unused replica slots, on other nodes than `besides`; those that `ticket` has reserved count as free."""
        return [
            slot
            for slot in self._replicas
            if slot.state is State.ABSENT
            and slot.place_up
            and slot.node is not besides
            and slot.node.name not in self.cordoned
            and self._in_flight.get(slot.name, ticket) is ticket
        ]

    def machine_for(self, target: Component, ticket: Ticket | None = None) -> Component | None:
        """A node on which nothing runs and that has the GPUs to take the role of a node, or of a single GPU."""
        needed = 1 if target.kind == "gpu" else gpus_on(target)
        besides = target.place if target.kind == "gpu" else target
        for slot in self.slots(ticket, besides):
            node = slot.node
            free = self._in_flight.get(node.name, ticket) is ticket
            if (
                free
                and gpus_on(node) >= needed
                and not any(isinstance(c, Process) and c.state is not State.ABSENT for c in node.all_residents())
            ):
                return node
        return None
