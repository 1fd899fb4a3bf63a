"""Faults of what neutron's agents look after: flows, DHCP servers, packet sizes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.node import Node
from twin.quantities import Ratio
from twin.scenario.model import Model


class FlowLoss(Model):
    """Flows of ports on a host's bridge are gone, and its agent's program believes that they are there.

    New ports are wired as ever. They come back when the agent writes all flows anew: at its start, or when it finds the
    switch itself restarted.
    """

    share: Annotated[Ratio, Field(gt=0, le=1)] = Field(1.0, description="of the ports on the bridge")


class DhcpDead(Model):
    """The DHCP agent's dnsmasq processes are killed: at once (`process`; the agent starts them again within a minute,
    if it is there), or whenever they are started, by what lies in the agent's run-time files (`container`)."""

    layer: Literal["process", "container"] = "process"


class MtuMismatch(Model):
    """A machine's interface to the others takes smaller packets than tenants' networks are told: on the machine (it
    came up so; a boot sets it right), or in an agent's rolled-out settings. Small packets pass, large ones vanish."""

    mtu: int = Field(1400, ge=576, le=1499, description="bytes; the others have 1500")


def _agent(kind: str, component: Component) -> Component | None:
    """The agent itself, or the one on the machine that is meant or on which the component is."""
    if component.kind == kind:
        return component
    for machine in (component, *component.places()):
        found = next((resident for resident in machine.residents if resident.kind == kind), None)
        if found is not None:
            return found
    return None


def _switch_agent(component: Component) -> Component | None:
    return _agent("neutron-openvswitch-agent", component)


def _dhcp_agent(component: Component) -> Component | None:
    return _agent("neutron-dhcp-agent", component)


def _interface(component: Component) -> Component | None:
    """A machine, or an agent's settings."""
    return component if isinstance(component, Node) or component.kind == "neutron-openvswitch-agent" else None


def _mtu(parameters: MtuMismatch, cause: str, component: Component) -> tuple[Condition, ...]:
    layer = Layer.NETWORK if isinstance(component, Node) else Layer.CONFIGURATION
    return (Condition(layer, "mtu", float(parameters.mtu), cause),)


def _dead(parameters: DhcpDead, cause: str, _: Component) -> tuple[Condition, ...]:
    again = 1.0 if parameters.layer == "process" else 2.0
    return (Condition(Layer(parameters.layer), "dhcp_dead", again, cause),)


KINDS: dict[str, dict[str, FaultKind]] = {
    "NetworkAgentChaos": {
        "flowLoss": FaultKind(
            "neutron-agent",
            "a host with a neutron-openvswitch-agent, or the agent",
            FlowLoss,
            _switch_agent,
            lambda p, cause, _: (Condition(Layer.PROCESS, "flows_lost", p.share, cause),),
        ),
        "dhcpDead": FaultKind(
            "neutron-agent", "a machine with a neutron-dhcp-agent, or the agent", DhcpDead, _dhcp_agent, _dead
        ),
        "mtuMismatch": FaultKind("network", "a machine, or a neutron-openvswitch-agent", MtuMismatch, _interface, _mtu),
    },
}
