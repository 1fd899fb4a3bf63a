"""Faults of the network: Chaos Mesh's NetworkChaos (netem, token bucket, partition) and DNSChaos."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.faults.selection import choose, select
from twin.mechanics.conditions import Condition, Traffic
from twin.mechanics.layers import Layer
from twin.process import Process
from twin.quantities import go_duration
from twin.scenario.schema import Model, Selector

HITS = "a pod, a service or a node"
UNSUPPORTED = {
    "externalTargets": "nothing outside the cluster is modelled; name the other end with target",
    "device": "a pod and a node have one interface",
    "targetDevice": "a pod and a node have one interface",
    "remoteCluster": "there is one cluster",
    "rate": "use action bandwidth",
}
"""Fields of Chaos Mesh's NetworkChaos that are refused, and why."""

_RATE = re.compile(r"^\s*(\d+)\s*([tgmk]?)bps\s*$", re.IGNORECASE)


def _seconds(value: Any) -> float:
    seconds = go_duration(value)
    if seconds < 0:
        raise ValueError(f"expected a duration of 0 or more, got {value!r}")
    return seconds


def _share(value: Any) -> float:
    """A percentage without its sign, as Chaos Mesh writes them: '25' is a quarter."""
    try:
        percentage = float(value)
    except (TypeError, ValueError):
        percentage = -1.0
    if not 0 <= percentage <= 100:
        raise ValueError(f"expected a percentage from '0' to '100', got {value!r}")
    return percentage / 100.0


def _rate(value: Any) -> float:
    """Bytes a second. As tc has it, bps are bytes a second; as Chaos Mesh has it, the steps are of 1024."""
    match = _RATE.match(value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError(f"expected a rate such as 1mbps (bytes a second), got {value!r}")
    return int(match[1]) * 1024.0 ** ("", "k", "m", "g", "t").index(match[2].lower())


Span = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str)]
Percentage = Annotated[float, BeforeValidator(_share, json_schema_input_type=str | float)]
ByteRate = Annotated[float, BeforeValidator(_rate, json_schema_input_type=str)]


class _Delay(Model):
    latency: Span
    jitter: Span = 0.0
    correlation: Percentage = 0.0


class _Loss(Model):
    loss: Percentage
    correlation: Percentage = Field(0.0, description="read and not used: losses are independent")


class _Corrupt(Model):
    corrupt: Percentage
    correlation: Percentage = Field(0.0, description="read and not used: corruptions are independent")


class _Duplicate(Model):
    duplicate: Percentage
    correlation: Percentage = Field(0.0, description="read and not used: duplicates are independent")


class _Bandwidth(Model):
    rate: ByteRate
    limit: int = Field(ge=1, description="bytes that may wait; TCP fills them, so they are not counted")
    buffer: int = Field(ge=1, description="bytes that pass at once after a pause; not counted")
    peakrate: int | None = Field(None, ge=0, description="read and not used")
    minburst: int | None = Field(None, ge=0, description="read and not used")


class _Target(Model):
    """The other end."""

    mode: Literal["one", "all", "fixed", "fixed-percent", "random-max-percent"] = "all"
    value: str | None = Field(None, coerce_numbers_to_str=True)
    selector: Selector


class _Packets(Model):
    direction: Literal["to", "from", "both"] = "to"
    target: _Target | None = None


class _Shaped(_Packets):
    """Packets are shaped where they leave, so `from` and `both` need a target, where those of the other way leave."""

    @model_validator(mode="after")
    def _other_end(self) -> _Shaped:
        if self.direction != "to" and self.target is None:
            raise ValueError(f"direction {self.direction} needs a target: packets are shaped where they leave")
        return self


class Delay(_Shaped):
    """Packets that a pod sends take longer (netem)."""

    delay: _Delay


class Loss(_Shaped):
    """Some packets that a pod sends are lost (netem)."""

    loss: _Loss


class Corrupt(_Shaped):
    """Some packets that a pod sends have a bit flipped (netem); their checksum shows it."""

    corrupt: _Corrupt


class Duplicate(_Shaped):
    """Some packets that a pod sends arrive twice (netem)."""

    duplicate: _Duplicate


class Bandwidth(_Shaped):
    """A token bucket holds back what a pod sends."""

    bandwidth: _Bandwidth


class Netem(_Shaped):
    """Several of netem's at once."""

    delay: _Delay | None = None
    loss: _Loss | None = None
    corrupt: _Corrupt | None = None
    duplicate: _Duplicate | None = None

    @model_validator(mode="after")
    def _some(self) -> Netem:
        if self.delay is None and self.loss is None and self.corrupt is None and self.duplicate is None:
            raise ValueError("expected delay, loss, corrupt, duplicate or several of them")
        return self


class Partition(_Packets):
    """No packet passes, to or from the target; without one, to or from anybody."""


class Dns(Model):
    """Names do not resolve in a pod, or on a node. Open connections stay."""

    container_names: tuple[str, ...] | None = None


DNS_UNSUPPORTED = {"patterns": "all names fail together; leave it out", "scope": "all names fail together"}


def _pod_or_node(component: Component) -> Component | None:
    """What has an interface: a pod or service, a node, or the node of a device."""
    if isinstance(component, Process) or component.kind == "node":
        return component
    return next((place for place in component.places() if place.kind == "node"), None)


def _layer(component: Component) -> Layer:
    return Layer.NETWORK if component.kind == "node" else Layer.CONTAINER


def _traffic(parameters: _Packets, cause: str, component: Component) -> Traffic:
    target = parameters.target
    if target is None:
        return Traffic(parameters.direction)
    path = ("target", "selector")
    candidates = select(component.world, target.selector, lambda c: _pod_or_node(c) is not None, path)
    chosen = choose(component.world, f"{cause}/target", target.mode, target.value, candidates, ("target",))
    return Traffic(parameters.direction, frozenset(c.name for c in chosen if c is not component))


def _shape(parameters: _Shaped, cause: str, component: Component) -> tuple[Condition, ...]:
    values: dict[str, float] = {}
    for part in (getattr(parameters, name, None) for name in SHAPES):
        match part:
            case _Delay():
                values |= {"latency": part.latency, "jitter": part.jitter, "correlation": part.correlation}
            case _Loss():
                values["loss"] = part.loss
            case _Corrupt():
                values["corruption"] = part.corrupt
            case _Duplicate():
                values["duplicate"] = part.duplicate
            case _Bandwidth():
                values["bandwidth"] = part.rate
    traffic, layer = _traffic(parameters, cause, component), _layer(component)
    return tuple(Condition(layer, name, value, cause, traffic) for name, value in values.items())


def _partition(parameters: Partition, cause: str, component: Component) -> tuple[Condition, ...]:
    return (Condition(_layer(component), "blocked", 1.0, cause, _traffic(parameters, cause, component)),)


def _dns(_: Dns, cause: str, component: Component) -> tuple[Condition, ...]:
    return (Condition(_layer(component), "dns_failure", 1.0, cause),)


SHAPES: dict[str, type[_Shaped]] = {
    "delay": Delay,
    "loss": Loss,
    "corrupt": Corrupt,
    "duplicate": Duplicate,
    "bandwidth": Bandwidth,
    "netem": Netem,
}
"""NetworkChaos' actions that shape packets; the parameters of each are in the field of its name."""

KINDS: dict[str, dict[str, FaultKind]] = {
    "NetworkChaos": {
        **{
            action: FaultKind("network", HITS, parameters, _pod_or_node, _shape, UNSUPPORTED)
            for action, parameters in SHAPES.items()
        },
        "partition": FaultKind("network", HITS, Partition, _pod_or_node, _partition, UNSUPPORTED),
    },
    "DNSChaos": {
        "error": FaultKind("dns", HITS, Dns, _pod_or_node, _dns, DNS_UNSUPPORTED),
    },
}
