"""The `openstack stack` commands: they wait for heat with `--wait`, as its command line does."""

from __future__ import annotations

from typing import Any

from twin.openstack.oslo.service import Steps
from twin.openstack.tenants.client import ApiError, RequestError
from twin.openstack.tenants.commands import Commands

POLL = 5.0
"""Seconds between two looks (heatclient.common.event_utils.poll_for_events; it reads the stack's events, here it is the
stack itself)."""


def stack_create(commands: Commands, name: str, template: dict[str, Any]) -> Steps:
    """Create a stack and wait for it; its body. Raises RequestError where it failed."""
    session = commands.session
    uri = f"/v1/{session.project}/stacks"

    def body() -> Steps:
        yield from session.ask("heat-engine", "stacks.create", "POST", uri, name=name, template=template)
        while True:
            yield commands.world.clock.timeout(POLL)
            stack = yield from session.ask("heat-engine", "stacks.show", "GET", f"{uri}/{name}", name=name)
            if stack["stack_status"] == "CREATE_COMPLETE":
                return stack
            if stack["stack_status"] == "CREATE_FAILED":
                raise _failed(commands, "stacks.create", stack)

    return commands.run("stack create", body)


def stack_delete(commands: Commands, name: str) -> Steps:
    """Delete a stack and wait until it is gone. Raises RequestError where something of it does not go."""
    session = commands.session
    uri = f"/v1/{session.project}/stacks/{name}"

    def body() -> Steps:
        yield from session.ask("heat-engine", "stacks.delete", "DELETE", uri, name=name)
        while True:
            yield commands.world.clock.timeout(POLL)
            response = yield from session.send("heat-engine", "stacks.show", "GET", uri, name=name)
            if response.status == 404:
                return
            if response.status >= 400:
                raise session.failure("heat-engine", "stacks.show", response)
            if response.body["stack_status"] == "DELETE_FAILED":
                raise _failed(commands, "stacks.delete", response.body)

    return commands.run("stack delete", body)


def _failed(commands: Commands, operation: str, stack: dict[str, Any]) -> RequestError:
    status = stack["stack_status"]
    return RequestError(ApiError("state", "heat-engine", operation, 200, f"Stack {status}", commands.world.now))
