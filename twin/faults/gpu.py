"""Faults of GPUs: conditions on their settings, firmware, link and board."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.quantities import Power
from twin.scenario.schema import Model


def _gpu(component: Component) -> Component | None:
    """The GPU itself, a pod's GPU, or the first GPU of a node."""
    candidates = (component, *component.places(), *component.residents)
    return next((c for c in candidates if c.kind == "gpu"), None)


class PowerCap(Model):
    """`nvidia-smi -pl`: the board power limit is lowered. A volatile setting of the device."""

    power_limit: Annotated[Power, Field(gt=0)]


class FallOffBus(Model):
    """The GPU stops answering on PCIe. With `persistent`, a re-enumeration of the bus does not bring it back."""

    persistent: bool = False


KINDS: dict[str, dict[str, FaultKind]] = {
    "GPUChaos": {
        "powerCap": FaultKind(
            "gpu-power",
            "a GPU, a pod or a node with a GPU",
            PowerCap,
            _gpu,
            lambda p, cause, _: (Condition(Layer.SETTINGS, "power_limit", p.power_limit, cause),),
        ),
        "fallOffBus": FaultKind(
            "gpu-bus",
            "a GPU, a pod or a node with a GPU",
            FallOffBus,
            _gpu,
            lambda p, cause, _: (Condition(Layer.BOARD if p.persistent else Layer.BUS, "off_bus", 1.0, cause),),
        ),
    },
}
