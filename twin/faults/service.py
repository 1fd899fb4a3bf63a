"""A service is stopped, by hand or by mistake, and its supervisor knows that it is to stay so."""

from __future__ import annotations

from typing import Literal

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.process import SIGKILL, Process
from twin.scenario.schema import Model

SIGNALS = {"SIGTERM": 15, "SIGKILL": SIGKILL}


class Stop(Model):
    """The service is stopped and stays so: until the fault's end, when somebody starts it, or a restart before that."""

    signal: Literal["SIGTERM", "SIGKILL"] = "SIGTERM"


def _service(component: Component) -> Component | None:
    openstack = component.world.spec.cluster.kind == "openstack"
    return component if openstack and isinstance(component, Process) else None


KINDS: dict[str, dict[str, FaultKind]] = {
    "ServiceChaos": {
        "stop": FaultKind(
            "process",
            "a service of an OpenStack cluster",
            Stop,
            _service,
            lambda p, cause, _: (Condition(Layer.PROCESS, "unit_stopped", float(SIGNALS[p.signal]), cause),),
        ),
    },
}
"""Fault kinds by kind and action."""
