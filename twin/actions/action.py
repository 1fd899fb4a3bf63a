"""What can be ordered, and what became of an order."""

from __future__ import annotations

from dataclasses import dataclass, field

from twin.mechanics.conditions import Condition
from twin.mechanics.layers import RESETS

CATEGORIES: tuple[str, ...] = tuple(RESETS)
"""Categories in the order of the action space; the first is noop: wait."""

PARAMETERS: tuple[str, ...] = ("gentle", "immediate")
"""Parameter bins: let work in flight finish first (at most `DRAIN_LIMIT` seconds), or not."""


@dataclass(frozen=True, slots=True)
class Action:
    """What to do, to which component, how."""

    category: str
    target: str = ""
    parameter: str = "gentle"

    def __str__(self) -> str:
        return f"{self.category} {self.target}".strip()


@dataclass(slots=True)
class Ticket:
    """An action in progress or done. Times in simulated seconds."""

    action: Action
    started: float
    legal: bool = True
    refusal: str = ""
    """Why it is not legal."""
    finished: float | None = None
    relieved: list[Condition] = field(default_factory=list)
    """Ground truth: conditions it cleared, or took the target out of the reach of."""
