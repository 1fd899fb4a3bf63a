"""Heat's times and limits: pure data, seconds."""

from __future__ import annotations

from twin.mechanics.openstack import Work

POLL = 1.0
"""Between two looks at a resource that is being made (`TaskRunner.run`'s wait)."""
STACK_ACTION_TIMEOUT = 3600.0
"""`stack_action_timeout`."""

API: dict[str, Work] = {
    "stacks.create": Work(0.25, 12),
    "stacks.show": Work(0.06, 6),
    "stacks.list": Work(0.06, 6),
    "stacks.delete": Work(0.08, 8),
}
"""Requests about stacks (assumed)."""
CHECK = Work(0.05, 8)
"""One resource taken up by a worker (assumed)."""
