"""Labelled windows: what an interpreter learns from.

Windows come from what a world lets be observed, labels from its truth.
"""

from __future__ import annotations

from collections.abc import Iterator

from llm.dataset import HEALTHY, LabelledWindow
from twin.scenario import Scenario
from twin.streams import Streams
from twin.truth import Incident
from twin.world import World

WINDOW = 60.0
"""Seconds of telemetry in a window: what `twin.env` hands to an interpreter."""
EVERY = 20.0
"""Seconds between two windows of a run."""
ONSET = 5.0
"""Seconds after the injection before a window is labelled with the fault: one scrape."""
AFTERMATH = 30.0
"""Seconds after a fault cleared in which a window still carries its label.

Later windows are left out until all of the fault has passed out of them.
"""
HEALTHY_WINDOWS = 3
"""Healthy windows kept of a run with faults, so that they do not crowd out the rest."""


def labelled(scenario: Scenario, seed: int, offset: float = 0.0) -> Iterator[LabelledWindow]:
    """Live through a scenario without a policy and yield windows with their labels.

    `offset` in [0, 1) shifts the grid of windows within `EVERY`. The label is the fault's family, `none` where no fault
    touches the window; the root causes are the components that carry the conditions. Ambiguous windows are left out.
    """
    world = World(scenario, seed)
    run = f"{scenario.metadata.name}/{seed}"
    healthy, most = 0, HEALTHY_WINDOWS if world.truth.incidents else 2 * HEALTHY_WINDOWS
    end = max(WINDOW, world.spec.control.warmup) + offset * EVERY
    while end <= world.spec.horizon:
        world.run(until=end)
        found = label(list(world.truth.incidents.values()), end - WINDOW, end)
        if found is not None and (found[0] != HEALTHY or healthy < most):
            healthy += found[0] == HEALTHY
            yield LabelledWindow(world.observe(WINDOW), found[0], found[1], run)
        end += EVERY


def label(incidents: list[Incident], start: float, end: float) -> tuple[str, tuple[str, ...]] | None:
    """The fault type and root causes of a window, or None where it can be read either way.

    With several faults the one injected first names the type, and all their targets are root causes.
    """
    begun = [i for i in incidents if i.injected is not None and i.injected < end]
    touching = [i for i in begun if i.cleared is None or i.cleared > start]
    if not touching:
        return HEALTHY, ()
    plain = [
        i
        for i in touching
        if i.injected is not None and i.injected <= end - ONSET and (i.cleared or end) > end - AFTERMATH
    ]
    if not plain:
        return None
    first = min(plain, key=lambda i: i.injected or 0.0)
    return first.family, tuple(dict.fromkeys(target for i in plain for target in i.targets))


def offset_of(seed: int) -> float:
    """The shift of a seed's grid of windows."""
    return Streams(seed)["labelling/offset"].uniform()
