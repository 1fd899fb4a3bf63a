"""Faults between the load balancer and its servers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.haproxy import BALANCED
from twin.mechanics.layers import Layer
from twin.quantities import Ratio
from twin.scenario.schema import Model


class Flap(Model):
    """The queue of a server's listening socket overflows: a share of new connections is refused, checks among them.

    It sits in the running program (`process`: it accepts too slowly) or in what was rolled out (`configuration`: a
    backlog that is too short).
    """

    failures: Annotated[Ratio, Field(gt=0.0, le=1.0)] = Field(0.6, description="share of connections refused")
    layer: Literal["process", "configuration"] = "process"


def _balanced(component: Component) -> Component | None:
    return component if component.kind in BALANCED else None


KINDS: dict[str, dict[str, FaultKind]] = {
    "BalancerChaos": {
        "flap": FaultKind(
            "balancer",
            "a service behind the load balancer",
            Flap,
            _balanced,
            lambda p, cause, _: (Condition(Layer(p.layer), "connect_failures", p.failures, cause),),
        ),
    },
}
