"""Faults of the message broker: its nodes hear each other no more, or one's memory grows."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition, Traffic
from twin.mechanics.layers import Layer
from twin.quantities import Size
from twin.scenario.errors import ScenarioError, nearest
from twin.scenario.schema import Model


class Partition(Model):
    """A rule on a node's machine drops what it and other nodes of the broker send each other; clients get through.

    Without `peers`, it is cut off from all the others.
    """

    peers: tuple[str, ...] | None = Field(None, description="nodes of the broker at the other end, such as rabbitmq-1")


class MemoryAlarm(Model):
    """A node's memory grows without end: a plugin leaks. Past the watermark it blocks all publishers."""

    growth: Annotated[Size, Field(gt=0, description="bytes a second")] = 1e9
    size: Annotated[Size, Field(gt=0, description="bytes at which it stops to grow")] = 40e9


def _broker(component: Component) -> Component | None:
    return component if component.kind == "rabbitmq" else None


def _machine(component: Component) -> Component | None:
    """The machine of a node of the broker: the rule is in its network."""
    return component.place if component.kind == "rabbitmq" else None


def _cut(parameters: Partition, cause: str, machine: Component) -> tuple[Condition, ...]:
    components = machine.world.components
    brokers = [c for c in components.values() if c.kind == "rabbitmq"]
    nodes = {c.name for c in brokers if c.place is not machine}
    for name in parameters.peers or ():
        if name not in nodes:
            raise ScenarioError(f"no other node of the broker '{name}'{nearest(name, nodes)}", ("peers",))
    peers = frozenset(parameters.peers or nodes)
    own = frozenset(c.name for c in brokers if c.place is machine)
    if not peers:
        raise ScenarioError("a broker of one node has nobody to be cut off from; give the cluster three controllers")
    return (Condition(Layer.NETWORK, "blocked", 1.0, cause, Traffic("both", peers, own)),)


def _growth(parameters: MemoryAlarm, cause: str, _: Component) -> tuple[Condition, ...]:
    return (
        Condition(Layer.PROCESS, "memory_leak", parameters.growth, cause),
        Condition(Layer.PROCESS, "leak_limit", parameters.size, cause),
    )


HITS = "a node of the message broker"

KINDS: dict[str, dict[str, FaultKind]] = {
    "BrokerChaos": {
        "partition": FaultKind("broker", HITS, Partition, _machine, _cut),
        "memoryAlarm": FaultKind("broker", HITS, MemoryAlarm, _broker, _growth),
    },
}
