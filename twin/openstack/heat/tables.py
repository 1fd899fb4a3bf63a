"""What heat's database holds: stacks and their resources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class ResourceRow:
    """A row of `resource`."""

    name: str
    type: str
    requires: tuple[str, ...]
    """Names of the resources that it needs."""
    id: str = ""
    """Of the physical resource (`physical_resource_id`)."""
    action: str = "INIT"
    status: str = "COMPLETE"


@dataclass(slots=True)
class Stack:
    """A row of `stack`, with its template's properties."""

    id: str
    name: str
    project: str
    created: float
    properties: dict[str, Any]
    resources: dict[str, ResourceRow] = field(default_factory=dict)
    action: str = "CREATE"
    status: str = "IN_PROGRESS"
    reason: str = "Stack CREATE started"

    def body(self) -> dict[str, Any]:
        """A stack as the API shows it."""
        return {
            "id": self.id,
            "stack_name": self.name,
            "stack_status": f"{self.action}_{self.status}",
            "stack_status_reason": self.reason,
            "resources": {name: f"{row.action}_{row.status}" for name, row in self.resources.items()},
        }


@dataclass
class StackTables:
    """Stacks by id."""

    stacks: dict[str, Stack] = field(default_factory=dict)

    def find(self, name: str) -> Stack | None:
        """A stack by its id or name."""
        if name in self.stacks:
            return self.stacks[name]
        return next((stack for stack in self.stacks.values() if stack.name == name), None)
