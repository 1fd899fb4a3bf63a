"""Conditions: what a fault changes in the mechanics of a component."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from twin.mechanics.layers import Layer


@dataclass(frozen=True, slots=True)
class Parameter:
    """A quantity of the mechanics that conditions can change: its unit, its healthy value, how several combine."""

    unit: str
    neutral: float
    combine: Callable[[Iterable[float]], float]


def _any_of(shares: Iterable[float]) -> float:
    """The share hit by at least one of several independent shares."""
    return 1.0 - math.prod(1.0 - share for share in shares)


PARAMETERS: dict[str, Parameter] = {
    "power_limit": Parameter("W", math.inf, min),  # board power limit below the default
    "off_bus": Parameter("bool", 0.0, max),  # the device no longer answers on PCIe
    "crash": Parameter("bool", 0.0, max),  # the process cannot live: it dies now and at every start
    "memory_taken": Parameter("bytes", 0.0, sum),  # resident memory of foreign processes
    "memory_growth": Parameter("bytes/s", 0.0, sum),  # how fast the foreign process reaches that size
    "memory_adjustment": Parameter("ratio", 0.0, min),  # oom_score_adj / 1000 of the foreign processes
    "cpu_stress": Parameter("workers", 0.0, sum),  # foreign runnable threads
    "service_time": Parameter("ratio", 1.0, math.prod),  # service-time multiplier
    "latency": Parameter("s", 0.0, sum),  # that packets take longer
    "jitter": Parameter("s", 0.0, sum),  # by which that varies, either way
    "correlation": Parameter("ratio", 0.0, max),  # of the delays of packets of one time
    "loss": Parameter("ratio", 0.0, _any_of),  # of packets
    "corruption": Parameter("ratio", 0.0, _any_of),  # of packets, which their checksum reveals
    "duplicate": Parameter("ratio", 0.0, sum),  # of packets
    "bandwidth": Parameter("bytes/s", math.inf, min),  # of a token bucket
    "blocked": Parameter("bool", 0.0, max),  # no packet passes
    "dns_failure": Parameter("bool", 0.0, max),  # names do not resolve
}
"""Every parameter a condition may name."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Which packets of a component a condition concerns: those it sends, receives or both, to or from whom."""

    direction: Literal["to", "from", "both"] = "to"
    peers: frozenset[str] = frozenset()
    """Names of the components (or nodes) at the other end; empty for all."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One change of mechanics: `parameter` has `value` as long as `layer` is not renewed or the fault lifted.

    `cause` is the name of the fault; it is ground truth and is never shown to an interpreter or policy.
    """

    layer: Layer
    parameter: str
    value: float
    cause: str
    traffic: Traffic = Traffic()
    """Of parameters that concern packets, which packets."""

    def __post_init__(self) -> None:
        if self.parameter not in PARAMETERS:
            raise ValueError(f"no such parameter: {self.parameter}; known: {', '.join(PARAMETERS)}")


def effective(conditions: Iterable[Condition], parameter: str) -> float:
    """The combined value of `parameter` under the given conditions, or its neutral value."""
    known = PARAMETERS[parameter]
    values = [c.value for c in conditions if c.parameter == parameter]
    return float(known.combine(values)) if values else known.neutral
