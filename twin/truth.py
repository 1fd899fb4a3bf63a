"""Ground truth: what was injected where, and how it ended. It stays outside whatever a policy can read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from twin.mechanics.conditions import Condition

AFTERMATH = 60.0
"""Seconds after the end of a fault in which a violation still counts as its impact: a process that was started anew
loads for most of a minute."""


@dataclass(slots=True)
class Incident:
    """One fault of the scenario, from injection to the end of its last condition. Times in simulated seconds."""

    fault: str
    kind: str
    """Kind and action, such as ``GPUChaos/powerCap``."""
    family: str
    targets: tuple[str, ...]
    """The components that carry the conditions: the root causes."""
    injected: float | None = None
    cleared: float | None = None
    cleared_by: str | None = None
    """``expired``, ``supervisor`` or the action, such as ``reboot node-1``."""
    first_impact: float | None = None
    """The first second from then on in which the SLO was violated, up to `AFTERMATH` after the end; None where it never
    was. Of several faults at a time nobody can say whose impact it is: each gets it."""
    open_conditions: set[tuple[str, Condition]] = field(default_factory=set)


@dataclass(slots=True)
class Benign:
    """Something that is meant to happen, such as a deployment: whoever takes it for a fault is wrong."""

    kind: str
    targets: tuple[str, ...]
    started: float
    ended: float | None = None


class Truth:
    """The incidents of one world, and what was none."""

    def __init__(self) -> None:
        self.incidents: dict[str, Incident] = {}
        self.benign: list[Benign] = []
        self._meant: dict[str, tuple[Benign, set[tuple[str, Condition]]]] = {}
        """What the scenario lets happen without its being a fault, and the conditions of it that are in place."""
        self._without_impact: list[Incident] = []

    def plan(self, incident: Incident) -> None:
        """Note a fault before it happens."""
        self.incidents[incident.fault] = incident
        self._without_impact.append(incident)

    def expect(self, name: str, event: Benign) -> None:
        """Note what is meant to happen under that name; it is among `benign` from its beginning."""
        self._meant[name] = (event, set())

    def injected(self, component: str, condition: Condition, time: float) -> None:
        """A condition was imposed."""
        if condition.cause in self._meant:
            event, there = self._meant[condition.cause]
            there.add((component, condition))
            if not any(event is begun for begun in self.benign):
                event.started = time
                self.benign.append(event)
            return
        incident = self.incidents[condition.cause]
        incident.injected = time if incident.injected is None else incident.injected
        incident.open_conditions.add((component, condition))

    def cleared(self, component: str, conditions: Iterable[Condition], time: float, by: str) -> None:
        """Conditions are gone; the incident ends with its last one."""
        for condition in conditions:
            event, there = self._meant.get(condition.cause, (None, set()))
            if event is not None and (component, condition) in there:
                there.remove((component, condition))
                event.ended = None if there else time
            incident = self.incidents.get(condition.cause)
            if incident is None or (component, condition) not in incident.open_conditions:
                continue
            incident.open_conditions.remove((component, condition))
            if not incident.open_conditions:
                incident.cleared, incident.cleared_by = time, by

    def violated(self, time: float) -> None:
        """The SLO was violated in the second that ends now."""
        waiting = []
        for incident in self._without_impact:
            over = incident.cleared is not None and incident.cleared < time - AFTERMATH
            if incident.injected is not None and incident.injected < time and not over:
                incident.first_impact = time
            elif not over:
                waiting.append(incident)
        self._without_impact = waiting

    @property
    def active(self) -> list[Incident]:
        """Incidents with a condition still in place."""
        return [i for i in self.incidents.values() if i.open_conditions]
