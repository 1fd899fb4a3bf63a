"""The process nova-api."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from twin.components import Component
from twin.mechanics import openstack as facts
from twin.mechanics.openstack import FLAVORS
from twin.openstack.nova import logs
from twin.openstack.nova.api.events import ServerExternalEventsController
from twin.openstack.nova.api.servers import ServersController, VolumeAttachmentController
from twin.openstack.nova.api.services import ServiceController
from twin.openstack.nova.compute.api import API
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import DBError, HTTPFault
from twin.openstack.oslo.frames import CELL, NOVA_ENTRY
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import ApiService, Operation, Response
from twin.openstack.site import Site

CELL0 = "00000000-0000-0000-0000-000000000000"
"""The cell of servers that found no host has the same id everywhere."""

Answer = Generator[Any, Any, Response]


class NovaApi(ApiService, AmqpService):
    """The compute API."""

    kind = "nova-api"
    program = "nova-api"
    port = 8774
    reaches_cells = True
    unexpected_error = logs.NOVA_UNEXPECTED
    entry = NOVA_ENTRY
    wsgi_logger = "nova.osapi_compute.wsgi.server"

    def __init__(self, site: Site, name: str, place: Component, workers: int = 1) -> None:
        super().__init__(site, name, place, workers)
        self.compute_api = API(self)
        servers = self.servers = ServersController(self, self.compute_api)
        volumes = VolumeAttachmentController(self, servers)
        events = ServerExternalEventsController(self, self.compute_api)
        self._operations: dict[str, Operation] = {
            "servers.create": servers.create,
            "servers.show": servers.show,
            "servers.detail": servers.detail,
            "servers.delete": servers.delete,
            "servers.action": servers.action,
            "volume_attachments.create": volumes.create,
            "volume_attachments.delete": volumes.delete,
            "interfaces.create": volumes.create_interface,
            "server_external_events.create": events.create,
            "keypairs.create": self._create_keypair,
            "keypairs.list": self._list_keypairs,
            "keypairs.delete": self._delete_keypair,
            "flavors.list": self._flavors,
            "os-services.list": self._services,
            "os-services.update": ServiceController(self).update,
        }

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._operations

    def refuse(self, context: Context, error: Exception) -> Response:
        """What a controller throws is told; what the middleware before it answers by itself is not."""
        response = super().refuse(context, error)
        self.say(logs.NOVA_THROWN, context, error if isinstance(error, HTTPFault) else logs.UNEXPECTED_API_ERROR)
        return response

    def log_access(self, context: Context, method: str, uri: str, response: Response, seconds: float) -> None:
        address = self.site.address(self.node)
        self.say(logs.NOVA_ACCESS, context, address, method, uri, response.status, response.length, seconds)

    # --- what is not about servers ----------------------------------------------------------------------------

    def _create_keypair(self, context: Context, name: str) -> Answer:
        yield from self.work(context, facts.API["keypairs"])
        key = (context.request.user, name)
        if key in self.site.tables.keypairs:
            raise HTTPFault(409, f"Key pair '{name}' already exists.")
        self.site.tables.keypairs[key] = self.world.streams["openstack/keypair"].hexadecimal(32, *key)
        return Response(200, {"name": name}, 2431)

    def _list_keypairs(self, context: Context) -> Answer:
        yield from self.work(context, facts.API["keypairs"])
        mine = [{"name": name} for user, name in self.site.tables.keypairs if user == context.request.user]
        return Response(200, mine, 16 + 560 * len(mine))

    def _delete_keypair(self, context: Context, name: str) -> Answer:
        yield from self.work(context, facts.API["keypairs"])
        if self.site.tables.keypairs.pop((context.request.user, name), None) is None:
            raise HTTPFault(404, f"Keypair {name} not found for user {context.request.user}")
        return Response(202)

    def _flavors(self, context: Context) -> Answer:
        yield from self.work(context, facts.API["flavors.list"])
        return Response(200, list(FLAVORS), 709)

    def _gather_result(self, context: Context, cell: str, statements: int) -> Steps:
        """Ask one cell; one that does not answer is logged, and left out."""
        try:
            yield from self.sql(context, statements)
        except DBError as error:
            uuid = CELL0 if cell == "cell0" else self.world.streams["openstack/cell"].uuid(cell)
            self.exception(logs.CELL_FAILED, context, error, uuid, entry=CELL)

    def _services(self, context: Context) -> Answer:
        work = facts.API["os-services.list"]
        yield from self.think(context, work.python)
        for cell in ("cell0", "cell1"):
            yield from self._gather_result(context, cell, work.statements // 2)
        yield from self.sql(context, 1)  # the aggregates, for the zones
        now = self.world.now + self.clock_offset
        rows = [
            {
                "binary": row.binary,
                "host": row.host,
                "state": "up" if row.up(now) else "down",
                "status": "disabled" if row.disabled else "enabled",
            }
            for row in self.site.tables.services.values()
        ]
        return Response(200, rows, 30 + 225 * len(rows))
