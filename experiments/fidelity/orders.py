"""What is done about a fault in a comparison: one action at what it hit, or nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from twin.actions import Action
from twin.components import Component
from twin.fast.operations import (
    COMPILED,
    ON_GATEWAY,
    ON_GPU,
    ON_HEAD,
    ON_NODE,
    ON_PROGRAM,
    ON_REPLICA,
)
from twin.world import World

REACTION = 40.0
"""Seconds after a fault at which something is done about it, on the next decision."""
NOTHING = "noop"


@dataclass(frozen=True, slots=True)
class Order:
    """An action and the second at which it is ordered."""

    action: Action
    time: float


def order(world: World, category: str) -> Order | None:
    """The action of a category against the first fault of a world that has not lived yet; None where it has no
    target there or no fault. It is ordered immediately, without a drain."""
    plans = world._plans
    if category == NOTHING or not plans:
        return None
    hit = plans[0].conditions[0][0]
    target = _target(world, hit, category)
    if target is None:
        return None
    interval = world.spec.control.interval
    time = math.ceil((plans[0].at + REACTION) / interval) * interval
    return None if time >= world.spec.horizon else Order(Action(category, target.name, "immediate"), time)


def categories() -> tuple[str, ...]:
    """Those that both twins carry out, and doing nothing."""
    return (NOTHING, *sorted(COMPILED - {NOTHING}))


def _target(world: World, hit: Component, category: str) -> Component | None:
    around = (hit, *hit.places(), *hit.all_residents())

    def nearest(kind: str) -> Component | None:
        return next((component for component in around if component.kind == kind), None)

    if category in ON_NODE:
        node = nearest("node")
        return node if node is not None and any(c.kind == "vllm" for c in node.all_residents()) else None
    if category in ON_GPU:
        return nearest("gpu")
    if category in ON_REPLICA:
        return nearest("vllm")
    if category in ON_HEAD:
        return world.components["ray-head"]
    if category in ON_GATEWAY:
        return world.components["nginx-proxy"]
    return (
        (hit if hit.kind in ("vllm", "ray-head", "nginx", "model-store") else nearest("vllm"))
        if category in ON_PROGRAM
        else None
    )
