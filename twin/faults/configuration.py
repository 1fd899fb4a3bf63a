"""Configuration drift: a rollout brings settings that do not fit, and starts the service anew with them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.mechanics.openstack import CPU_ALLOCATION_RATIO
from twin.openstack.nova.compute.service import NovaCompute
from twin.openstack.oslo.messaging import AmqpService
from twin.quantities import Ratio
from twin.scenario.schema import Model


class BrokerPassword(Model):
    """The rolled-out `transport_url` has a password that RabbitMQ does not accept."""


class AllocationRatio(Model):
    """The rolled-out `cpu_allocation_ratio` of a compute host is too small: placement finds it full."""

    ratio: Annotated[Ratio, Field(gt=0.0, lt=CPU_ALLOCATION_RATIO)] = 0.1


def _on_the_bus(component: Component) -> Component | None:
    return component if isinstance(component, AmqpService) else None


def _compute(component: Component) -> Component | None:
    return component if isinstance(component, NovaCompute) else None


KINDS: dict[str, dict[str, FaultKind]] = {
    "RolloutChaos": {
        "brokerPassword": FaultKind(
            "configuration",
            "a service that uses RabbitMQ",
            BrokerPassword,
            _on_the_bus,
            lambda _, cause, __: (Condition(Layer.CONFIGURATION, "broker_password_wrong", 1.0, cause),),
        ),
        "cpuAllocationRatio": FaultKind(
            "configuration",
            "a nova-compute",
            AllocationRatio,
            _compute,
            lambda p, cause, _: (Condition(Layer.CONFIGURATION, "cpu_allocation_ratio", p.ratio, cause),),
        ),
    },
}
