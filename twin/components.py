"""Components: everything in the simulated cluster that has a name, a place and layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from twin.mechanics.conditions import PARAMETERS, Condition, effective
from twin.mechanics.layers import Layer, Part, Reset
from twin.telemetry.records import LogTemplate, Metric

if TYPE_CHECKING:
    from twin.world import World


class Component:
    """A part of the cluster.

    Subclasses model what the real thing does and log what it logs. They read conditions through `value`; they never
    know which fault is present.
    """

    kind: ClassVar[str]
    layers: ClassVar[frozenset[Layer]]
    metrics: tuple[Metric, ...] = ()

    def __init__(self, world: World, name: str, place: Component | None = None) -> None:
        self.world = world
        self.name = name
        self.place = place
        """What it runs on."""
        self.residents: list[Component] = []
        """What is placed on it."""
        self.conditions: list[Condition] = []
        self._below: tuple[object, tuple[Component, ...]] | None = None
        """What is placed on it at any depth, and the arrangement of the world for which that was found."""
        self.depends_on: list[Component] = []
        """Whom it calls: the edges of the topology."""
        if place is not None:
            place.residents.append(self)
        world.register(self)

    # --- conditions -------------------------------------------------------------------------------------------

    def value(self, parameter: str) -> float:
        """The effective value of a parameter of the mechanics on this component."""
        if not self.conditions:
            return PARAMETERS[parameter].neutral
        return effective(self.conditions, parameter)

    def impose(self, condition: Condition) -> None:
        """Put a condition on one of this component's layers."""
        if condition.layer not in self.layers:
            raise ValueError(f"{self.name} ({self.kind}) has no layer {condition.layer}")
        self.conditions.append(condition)
        self._conditions_noted()
        self.conditions_changed()

    def lift(self, condition: Condition) -> None:
        """Remove a condition if it is still there."""
        if condition in self.conditions:
            self.conditions.remove(condition)
            self._conditions_noted()
            self.conditions_changed()

    def renew(self, layers: frozenset[Layer], by: str) -> list[Condition]:
        """Renew layers; return the conditions that went with them. `by` names who renewed them, for the truth."""
        gone = [c for c in self.conditions if c.layer in layers]
        if gone:
            self.conditions = [c for c in self.conditions if c.layer not in layers]
            self.world.truth.cleared(self.name, gone, self.world.now, by)
            self._conditions_noted()
            self.conditions_changed()
        return gone

    def reset(self, resets: Iterable[Reset], by: str) -> list[Condition]:
        """Renew what an action on this component renews, here, on its residents and on its device."""
        gone: list[Condition] = []
        for reset in resets:
            for component in self._part(reset.part):
                gone += component.renew(reset.layers, by)
        return gone

    def _part(self, part: Part) -> Iterable[Component]:
        match part:
            case Part.TARGET:
                return (self,)
            case Part.RESIDENTS:
                return tuple(self.all_residents())
            case Part.DEVICE:
                return self.devices()

    def devices(self) -> Sequence[Component]:
        """The devices it has contexts on."""
        return (self.place,) if self.place is not None and Layer.CONTEXT in self.place.layers else ()

    def _conditions_noted(self) -> None:
        self.world.arrangement = object()
        self.world.network.conditions_changed(self)
        self.surroundings_changed()

    def conditions_changed(self) -> None:
        """Called when conditions came or went: react as the real component would."""

    def taken_down(self, action: str) -> None:
        """Called when an operator takes it down for `action` (a node loses power, a GPU its clients)."""

    def brought_back(self, action: str) -> None:
        """Called when it comes back from `action`."""

    # --- the machine under it ---------------------------------------------------------------------------------

    clock_offset: float = 0.0
    """How far the clock it reads is off, seconds: its machine's, and its own where only it was told another time."""
    muted: bool = False
    """Whether it logs nothing: none of its threads runs, or its machine has no power, or no room on the disk."""

    def surroundings_changed(self) -> None:
        """Take clock and log from the place it is on, and hand them on to what is placed on it."""
        place = self.place
        self.clock_offset = self.value("clock_offset") + (place.clock_offset if place is not None else 0.0)
        self.muted = bool(self.value("frozen")) or (place is not None and place.mutes_residents)
        for resident in self.residents:
            resident.surroundings_changed()

    @property
    def mutes_residents(self) -> bool:
        """Whether nothing that is placed on it can log."""
        return self.muted

    # --- place ------------------------------------------------------------------------------------------------

    def move(self, place: Component) -> None:
        """Change what it runs on."""
        if self.place is not None:
            self.place.residents.remove(self)
        self.place = place
        place.residents.append(self)
        self.surroundings_changed()
        self.world.topology_changed()

    def places(self) -> Iterator[Component]:
        """What it runs on, and what that runs on, outwards."""
        place = self.place
        while place is not None:
            yield place
            place = place.place

    def all_residents(self) -> Sequence[Component]:
        """Everything placed on it, at any depth, in the order of placement; who is on several devices once."""
        if self._below is None or self._below[0] is not self.world.arrangement:
            found: dict[Component, None] = {}
            for resident in self.residents:
                found[resident] = None
                found.update(dict.fromkeys(resident.all_residents()))
            self._below = (self.world.arrangement, tuple(found))
        return self._below[1]

    # --- telemetry --------------------------------------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        """Whether its exporter answers a scrape: it and every place under it are up, and the network lets it pass."""
        return all(place.up for place in self.places()) and self.up and self.world.network.scraped(self)

    @property
    def up(self) -> bool:
        """Whether it is there and running."""
        return True

    def sample(self) -> Sequence[float]:
        """The current values of `metrics`, in their order. Called by the scraper only."""
        return ()

    def log(self, template: LogTemplate, *args: Any) -> None:
        """Reach a log statement."""
        if not self.muted:
            self.world.recorder.log(self.world.now, self.name, template, args, self.clock_offset)
