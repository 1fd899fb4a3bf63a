"""A service is stopped, by hand or by mistake, and its supervisor knows that it is to stay so."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.openstack.oslo.service import Service
from twin.process import SIGKILL, Process
from twin.scenario.schema import Model

SIGNALS = {"SIGTERM": 15, "SIGKILL": SIGKILL}


class Stop(Model):
    """The service is stopped and stays so: until the fault's end, when somebody starts it, or a restart before that."""

    signal: Literal["SIGTERM", "SIGKILL"] = "SIGTERM"


class BusyWorkers(Model):
    """Requests that never end hold workers of a service (a native call that nobody interrupts): it takes connections,
    and what they ask waits. A new process has none of them."""

    workers: int = Field(1000, ge=1, description="that are held; all of them where there are fewer")


def _workers(component: Component) -> Component | None:
    return component if isinstance(component, Service) and component.logs_oslo else None


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
        "busyWorkers": FaultKind(
            "overload",
            "an OpenStack service",
            BusyWorkers,
            _workers,
            lambda p, cause, _: (Condition(Layer.PROCESS, "workers_held", float(p.workers), cause),),
        ),
    },
}
"""Fault kinds by kind and action."""
