"""The API services that nova leans on: placement and neutron."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from twin.mechanics import openstack as facts
from twin.openstack.neutron import logs as neutron_logs
from twin.openstack.oslo.context import Context, own_request
from twin.openstack.oslo.messaging import AmqpService, Procedure
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import ApiService, Operation, Response
from twin.openstack.placement import logs as placement_logs
from twin.openstack.placement import microversions
from twin.openstack.tables import Server


class Placement(ApiService):
    """Resource providers and allocations."""

    kind = "placement"
    program = "placement-api"
    port = 8778
    wsgi_logger = "placement.deploy"
    unexpected_error = placement_logs.PLACEMENT_FAILED

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "candidates": self._candidates,
            "claim": self._claim,
            "release": self._release,
            "inventory": self.plain("inventory"),
        }

    def inner_context(self, context: Context) -> Context:
        return own_request(self.world, context)

    def log_access(self, context: Context, method: str, uri: str, response: Response, seconds: float) -> None:
        address = self.site.address(self.node)
        version = microversions.asked(method, uri)
        answer = (response.status, response.length)
        self.say(placement_logs.PLACEMENT_ACCESS, context, address, method, uri, *answer, version)

    def _candidates(self, context: Context) -> Generator[Any, Any, Response]:
        yield from self.work(context, facts.API["candidates"])
        tables = self.site.tables
        hosts = []
        for host in tables.providers:
            vcpus, memory = tables.free(host)
            disabled = tables.services[self.site.computes[host].name].disabled
            if vcpus >= facts.FLAVOR_VCPUS and memory >= facts.FLAVOR_MEMORY_MB and not disabled:
                hosts.append(host)
        return Response(200, hosts, 120 + 480 * len(hosts))

    def _claim(self, context: Context, server: Server, host: str) -> Generator[Any, Any, Response]:
        yield from self.work(context, facts.API["claim"])
        tables = self.site.tables
        vcpus, memory = tables.free(host)
        if tables.allocations.get(server.uuid) != host and (
            vcpus < facts.FLAVOR_VCPUS or memory < facts.FLAVOR_MEMORY_MB
        ):
            return Response(409, length=320)
        tables.allocations[server.uuid] = host
        return Response(204)

    def _release(self, context: Context, server: Server) -> Generator[Any, Any, Response]:
        yield from self.work(context, facts.API["release"])
        self.site.tables.allocations.pop(server.uuid, None)
        return Response(204)


class Neutron(ApiService, AmqpService):
    """Networks and ports. Its agents report through the message bus when a port is wired."""

    kind = "neutron-server"
    program = "neutron-server"
    port = 9696
    wsgi_logger = "neutron.wsgi"
    topic = "q-plugin"
    unexpected_error = neutron_logs.NEUTRON_FAILED

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "ports.create": self._create,
            "ports.delete": self._delete,
            "networks.list": self.plain("networks.list"),
        }

    @property
    def procedures(self) -> dict[str, Procedure]:
        return {"update_device_up": self._device_up}

    def inner_context(self, context: Context) -> Context:
        return own_request(self.world, context)

    def log_access(self, context: Context, method: str, uri: str, response: Response, seconds: float) -> None:
        address = self.site.address(self.node)
        self.say(neutron_logs.NEUTRON_ACCESS, context, address, method, uri, response.status, response.length, seconds)

    def _create(self, context: Context, server: Server) -> Generator[Any, Any, Response]:
        yield from self.work(context, facts.API["ports.create"])
        server.port = self.world.streams["neutron/port"].uuid(server.number, server.attempts)
        return Response(201, server.port, 1122)

    def _delete(self, context: Context, server: Server) -> Generator[Any, Any, Response]:
        yield from self.work(context, facts.API["ports.delete"])
        server.port = ""
        return Response(204)

    def _device_up(self, context: Context, server: Server) -> Steps:
        """The agent has wired the port: tell nova (`notify_nova_on_port_status_changes`)."""
        yield from self.work(context, facts.API["ports.up"])
        yield self.site.api.serve(
            context, "servers.events", "POST", "/v2.1/os-server-external-events", server=server, port=server.port
        )
