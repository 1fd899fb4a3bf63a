"""An administrator's command line: a token, then requests to the public APIs, which fail where the APIs fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twin.actions import Ticket
from twin.mechanics.durations import COMMAND
from twin.openstack.oslo.context import new_context
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import Response
from twin.openstack.site import Site
from twin.streams import Key

if TYPE_CHECKING:
    from twin.world import World

POLL = 2.0
"""Seconds between two looks at something that changes."""
PATIENCE = 600.0
"""Seconds after which an administrator stops waiting for a server that moves or is built (assumed)."""

NO_ANSWER = Response(503, message="The client has no token.")


def name_of(world: World, ticket: Ticket) -> tuple[Key, ...]:
    """An order's name for its draws: what is to be done to what, and for which time."""
    action = ticket.action
    before = [other.action for other in world.tickets if other.legal and other.started < ticket.started]
    again = sum(one.category == action.category and one.target == action.target for one in before)
    return ("operator", action.category, action.target, again)


class Administrator:
    """Whoever carries out one order: a script of `openstack` commands with one token."""

    def __init__(self, site: Site, ticket: Ticket) -> None:
        self.site = site
        self.world: World = site.world
        self.key = name_of(site.world, ticket)
        self.token = ""
        self.sent = 0

    def begin(self) -> Steps:
        """Start the client and get a token; whether keystone gave one."""
        yield self.world.clock.timeout(COMMAND)
        self.token = ""
        response = yield from self._send("keystone", "token", "POST", "/v3/auth/tokens")
        if response.status >= 400:
            return False
        self.token = response.body["id"]
        return True

    def ask(self, service: str, operation: str, method: str, uri: str, **arguments: Any) -> Steps:
        """One request; its Response."""
        if not self.token:
            return NO_ANSWER
        return (yield from self._send(service, operation, method, uri, **arguments))

    def _send(self, service: str, operation: str, method: str, uri: str, **arguments: Any) -> Steps:
        self.sent += 1
        context = new_context(self.world, "admin", "admin", *self.key, self.sent, token=self.token)
        response: Response = yield self.site.endpoint(service).serve(context, operation, method, uri, **arguments)
        return response

    def server_action(self, uuid: str, action: str, **parameters: Any) -> Steps:
        """POST servers/{id}/action; whether nova accepted it."""
        uri = f"/v2.1/servers/{uuid}/action"
        response = yield from self.ask(
            "nova-api", "servers.action", "POST", uri, server_id=uuid, action=action, **parameters
        )
        return response.status < 400

    def lists_servers(self) -> Steps:
        """`openstack server list --all-projects`; whether nova answered."""
        response = yield from self.ask("nova-api", "servers.detail", "GET", "/v2.1/servers/detail?all_tenants=True")
        return response.status < 400

    def lists_volumes(self) -> Steps:
        """`openstack volume list --all-projects`; whether cinder answered."""
        response = yield from self.ask("cinder-api", "volumes.list", "GET", "/v3/volumes/detail?all_tenants=1")
        return response.status < 400

    def until(self, done: Callable[[], bool], patience: float = PATIENCE) -> Steps:
        """Look every two seconds; whether it came to that in time."""
        deadline = self.world.now + patience
        while not done():
            if self.world.now >= deadline:
                return False
            yield self.world.clock.timeout(POLL)
        return True
