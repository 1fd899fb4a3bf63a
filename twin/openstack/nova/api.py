"""nova-api: accepts servers, shows them, deletes them, and takes neutron's events."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from twin.mechanics import openstack as facts
from twin.openstack.nova import logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.wsgi import ApiService, Operation, Response, expect
from twin.openstack.tables import Server


class NovaApi(ApiService, AmqpService):
    """The compute API. A server is accepted (202) once it is in the database and conductor has been told."""

    kind = "nova-api"
    program = "nova-api"
    port = 8774
    unexpected_error = logs.NOVA_UNEXPECTED
    wsgi_logger = "nova.osapi_compute.wsgi.server"

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "servers.create": self._create,
            "servers.show": self._show,
            "servers.detail": self._detail,
            "servers.delete": self._delete,
            "servers.events": self._events,
        }

    def log_access(self, context: Context, method: str, uri: str, response: Response, seconds: float) -> None:
        if response.status >= 500:
            self.say(logs.NOVA_THROWN, context, logs.UNEXPECTED_API_ERROR)
        address = self.site.address(self.node)
        self.say(logs.NOVA_ACCESS, context, address, method, uri, response.status, response.length, seconds)

    def _create(self, context: Context, server: Server) -> Generator[Any, Any, Response]:
        site, work = self.site, facts.API["servers.create"]
        yield from self.think(context, work.python)
        image = f"/v2/images/{site.image}"
        expect((yield site.glance.serve(context, "images.show", "GET", image, image_id=site.image)), "glance")
        networks = f"/v2.0/networks?id={site.network}"
        expect((yield site.neutron.serve(context, "networks.list", "GET", networks)), "neutron")
        yield from self.sql(context, work.statements)
        site.tables.servers[server.uuid] = server
        yield from self.cast(context, "conductor", "schedule_and_build_instances", server=server)
        return Response(202, server.uuid, 860)

    def _show(self, context: Context, uuid: str) -> Generator[Any, Any, Response]:
        yield from self.work(context, facts.API["servers.show"])
        server = self.site.tables.servers.get(uuid)
        if server is None:
            return Response(404, length=111)
        return Response(200, server.status, 1893 if server.host else 1520)

    def _detail(self, context: Context) -> Generator[Any, Any, Response]:
        yield from self.work(context, facts.API["servers.detail"])
        mine = [(s.uuid, s.status) for s in self.site.tables.servers.values() if s.project == context.request.project]
        return Response(200, mine, 211 + 1682 * len(mine))  # bytes on CloudLab: 211 without a server, 1893 with one

    def _delete(self, context: Context, uuid: str) -> Generator[Any, Any, Response]:
        yield from self.work(context, facts.API["servers.delete"])
        server = self.site.tables.servers.get(uuid)
        if server is None:
            return Response(404, length=111)
        compute = self.site.computes[server.host] if server.host else None
        alive = compute is not None and self.site.heard_from(compute.name)
        if alive and server.task == "deleting":
            self.say(logs.NOVA_DELETING, context, instance=uuid)
            return Response(204, length=203)
        server.task = "deleting"
        if compute is not None and alive:
            yield from self.cast(context, compute.topic, "terminate_instance", server=server)
            return Response(204, length=203)
        if compute is not None:
            self.say(logs.NOVA_LOCAL_DELETE, context, server.host, instance=uuid)
        yield from self._delete_locally(context, server)
        return Response(204, length=203)

    def _delete_locally(self, context: Context, server: Server) -> Generator[Any, Any, None]:
        """Without its host: the network and the allocation go now, the guest when the host comes back."""
        site = self.site
        if server.port:
            uri = f"/v2.0/ports/{server.port}"
            expect((yield site.neutron.serve(context, "ports.delete", "DELETE", uri, server=server)), "neutron")
        uri = f"/allocations/{server.uuid}"
        expect((yield site.placement.serve(context, "release", "DELETE", uri, server=server)), "placement")
        yield from self.sql(context, facts.API["servers.delete"].statements)
        site.deleted(server)

    def _events(self, context: Context, server: Server, port: str) -> Generator[Any, Any, Response]:
        yield from self.work(context, facts.API["servers.events"])
        if server.uuid not in self.site.tables.servers or server.host is None:
            self.say(logs.NOVA_THROWN, context, "No instances found for any event")
            return Response(404, length=296)
        self.say(logs.NOVA_EVENT, context, "network-vif-plugged", port, server.uuid, server.host)
        compute = self.site.computes[server.host]
        yield from self.cast(context, compute.topic, "external_instance_event", server=server, port=port)
        return Response(200, length=380)
