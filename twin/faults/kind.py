"""What a fault kind is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twin.components import Component
from twin.mechanics.conditions import Condition
from twin.scenario.schema import Model


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One fault kind.

    `lands_on` maps a selected component to the one that carries the conditions (a pod to its GPU, say), or None where
    this fault cannot hit it. `family` groups kinds for the split into known and unknown faults; where it follows from
    the parameters, it is a function of them.
    """

    family: str | Callable[[Any], str]
    hits: str
    """What it can hit, in words, for error messages."""
    parameters: type[Model]
    lands_on: Callable[[Component], Component | None]
    conditions: Callable[[Any, str, Component], tuple[Condition, ...]]
    """(parameters, name of the fault, component hit) -> the conditions it puts there. A ScenarioError that it raises
    has the key's path within the fault."""
    unsupported: Mapping[str, str] = field(default_factory=dict)
    """Fields of the original's grammar that are refused, and why."""


def family(kind: FaultKind, parameters: Any) -> str:
    """The family of a fault of this kind with these parameters."""
    return kind.family if isinstance(kind.family, str) else kind.family(parameters)
