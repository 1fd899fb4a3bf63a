"""Failures that nobody injects, as plans: drawn beforehand by the streams of the SimPy twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin import faults

if TYPE_CHECKING:
    from twin.faults import Plan
    from twin.world import World


def plans(world: World) -> list[Plan]:
    """Every fault of a world that has not lived yet: the scenario's, then those of its background up to the horizon.

    What a failure finds broken already it does not break once more. Here that is what an earlier failure broke and
    nobody has mended by the plan; what an operator may have mended meanwhile counts as broken still.
    """
    found = list(world.plans)
    for time, happen in faults.weather(world):
        if time >= world.spec.horizon:
            break
        plan = happen()
        if plan is None:
            continue
        broken = {
            (component.name, condition.layer, condition.parameter)
            for other in found
            if other.at <= time and (other.until is None or other.until > time)
            for component, condition in other.conditions
        }
        if not any((component.name, c.layer, c.parameter) in broken for component, c in plan.conditions):
            found.append(plan)
    return found
