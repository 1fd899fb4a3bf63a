"""The `openstack` command line: each command is a new Python process that finds by name what it is told to change.

A command loads the client, gets a token, looks names up (first as if they were ids, which the service answers with a
404 that means nothing), makes its one call and ends. It fails with what the API says, or by stumbling over an answer
in which something is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twin.mechanics.tenants import CLI_SPREAD, CLI_STARTUP
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import Response
from twin.openstack.tenants.client import ApiError, RequestError, Session
from twin.openstack.tenants.resources import RESOURCES, Resource

STUMBLES = (TypeError, KeyError, AttributeError, IndexError, ValueError)
"""What Python raises in a client to which an answer makes no sense."""


class CommandLine:
    """Somebody who types `openstack` commands, one after the other."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.site = session.site
        self.world = session.world
        self.commands = 0
        """Commands begun so far."""

    # --- a command -----------------------------------------------------------------------------------------------

    def run(self, name: str, body: Callable[[], Steps]) -> Steps:
        """One command as a process: what its body returns. Raises RequestError."""
        self.commands += 1
        stream = self.world.streams["tenants/cli"]
        yield self.world.clock.timeout(stream.lognormal(CLI_STARTUP, CLI_SPREAD, *self.session.key, self.commands))
        self.session.forget_token()
        try:
            return (yield from body())
        except STUMBLES as error:
            if not self.site.mutated:
                raise
            message = f"{type(error).__name__}: {error}"
            raise RequestError(ApiError("api", "client", name, 0, message, self.world.now)) from error

    def find(self, kind: str, name: str) -> Steps:
        """The id of something known by name or id. Raises RequestError where it is not there, or there twice."""
        found = yield from self._look_up(kind, name)
        return found["id"]

    def _look_up(self, kind: str, name: str) -> Steps:
        resource = RESOURCES[kind]
        if self._offers(resource.service, resource.show):
            response = yield from self._show(resource, name)
            if response.status == 200:
                return response.body
            if response.status not in (400, 404):
                raise self.session.failure(resource.service, resource.show, response)
        filters = {"name": name} if resource.service == "neutron-server" else {}
        uri = f"{resource.path}?name={name}"
        listed = yield from self.session.ask(resource.service, resource.list, "GET", uri, **filters)
        matching = [one for one in listed if one["name"] == name]
        if len(matching) != 1:
            which = "No" if not matching else "More than one"
            message = f"{which} {kind} with a name or ID of '{name}' exists."
            raise RequestError(ApiError("state", resource.service, resource.list, 404, message, self.world.now))
        return matching[0]

    def _show(self, resource: Resource, id: str) -> Steps:
        return self.session.send(
            resource.service, resource.show, "GET", f"{resource.path}/{id}", **{resource.argument: id}
        )

    def _offers(self, service: str, operation: str) -> bool:
        return operation in self.site.endpoint(service).operations

    # --- commands that ask ---------------------------------------------------------------------------------------

    def show(self, kind: str, name: str) -> Steps:
        """`openstack <kind> show <name>`: its fields."""

        def body() -> Steps:
            found = yield from self._look_up(kind, name)
            resource = RESOURCES[kind]
            if kind != "server" or found["id"] == name:
                return found
            response: Response = yield from self._show(resource, found["id"])  # the list has not everything
            if response.status >= 400:
                raise self.session.failure(resource.service, resource.show, response)
            return response.body

        return self.run(f"{kind} show", body)

    def list(self, kind: str, **filters: str) -> Steps:
        """`openstack <kind> list`: all of them, or those that a filter of the API lets through."""
        resource = RESOURCES[kind]
        query = "&".join(f"{key}={value}" for key, value in filters.items())
        uri = resource.path + ("/detail" if resource.service in ("nova-api", "cinder-api") and query == "" else "")
        uri += f"?{query}" if query else ""

        def body() -> Steps:
            return (yield from self.session.ask(resource.service, resource.list, "GET", uri, **filters))

        return self.run(f"{kind} list", body)

    # --- commands that change something --------------------------------------------------------------------------

    def act(
        self,
        command: str,
        service: str,
        operation: str,
        request: str,
        names: Mapping[str, tuple[str, str]] | None = None,
        **arguments: Any,
    ) -> Steps:
        """A command that finds what it is about and makes one call; the answer's body.

        `names` maps an argument of the operation to the kind and name of what has that id; `request` is method and
        path, with ``{argument}`` where an id stands.
        """

        def body() -> Steps:
            ids = {}
            for argument, (kind, name) in (names or {}).items():
                ids[argument] = yield from self.find(kind, name)
            method, path = request.split(" ")
            answer = yield from self.session.ask(service, operation, method, path.format(**ids), **ids, **arguments)
            return dict(answer) if command.endswith(" create") else answer  # it prints what it has made

        return self.run(command, body)
