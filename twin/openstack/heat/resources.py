"""The resources of a stack: how each is made through its service's API, when it is there, how it is deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from twin.openstack.heat.tables import ResourceRow, Stack
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError, HttpError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps


class ResourceInError(CloudError):
    """The service says that the resource has failed."""

    module = "heat.common.exception"
    text = 'Went to status {resource_status} due to "{status_reason}"'


class Resource(Flow):
    """heat.engine.resource.Resource: one of a type, for all stacks."""

    service_name: ClassVar[str]
    label: ClassVar[str]
    """The class's name, as heat prints a resource."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.clients = service.clients

    handle_create: Callable[[Context, Stack], Steps]
    """Ask for it; its id."""

    def check_create_complete(self, context: Context, row: ResourceRow) -> Steps:
        """Whether it is there. Raises ResourceInError."""
        return True
        yield

    def handle_delete(self, context: Context, stack: Stack, row: ResourceRow) -> Steps:
        """Ask for its end; what is gone already is none of heat's business."""
        yield from ()

    def check_delete_complete(self, context: Context, row: ResourceRow) -> Steps:
        """Whether it is gone."""
        return True
        yield

    def ask(self, context: Context, operation: str, method: str, uri: str, **arguments: Any) -> Steps:
        """A request to its service; the body."""
        return self.clients.request(context, self.service_name, operation, method, uri, **arguments)

    def gone(self, context: Context, operation: str, method: str, uri: str, **arguments: Any) -> Steps:
        """A request whose 404 is as good as an answer; whether it was one."""
        try:
            yield from self.ask(context, operation, method, uri, **arguments)
        except HttpError as error:
            if error.status != 404:
                raise
            return True
        return False


class Net(Resource):
    source = "heat.engine.resources.openstack.neutron.net"
    service_name, label = "neutron-server", "Net"

    def handle_create(self, context: Context, stack: Stack) -> Steps:
        body = yield from self.ask(context, "networks.create", "POST", "/v2.0/networks", name=f"{stack.name}-network")
        return body["id"]

    def check_create_complete(self, context: Context, row: ResourceRow) -> Steps:
        body = yield from self.ask(context, "networks.show", "GET", f"/v2.0/networks/{row.id}", network_id=row.id)
        return body["status"] == "ACTIVE"

    def handle_delete(self, context: Context, stack: Stack, row: ResourceRow) -> Steps:
        yield from self.gone(context, "networks.delete", "DELETE", f"/v2.0/networks/{row.id}", network_id=row.id)


class Subnet(Resource):
    source = "heat.engine.resources.openstack.neutron.subnet"
    service_name, label = "neutron-server", "Subnet"

    def handle_create(self, context: Context, stack: Stack) -> Steps:
        network, cidr = stack.resources["network"].id, stack.properties.get("cidr", "10.42.0.0/24")
        body = yield from self.ask(context, "subnets.create", "POST", "/v2.0/subnets", network_id=network, cidr=cidr)
        return body["id"]

    def handle_delete(self, context: Context, stack: Stack, row: ResourceRow) -> Steps:
        yield from self.gone(context, "subnets.delete", "DELETE", f"/v2.0/subnets/{row.id}", subnet_id=row.id)


class Port(Resource):
    source = "heat.engine.resources.openstack.neutron.port"
    service_name, label = "neutron-server", "Port"

    def handle_create(self, context: Context, stack: Stack) -> Steps:
        network = stack.resources["network"].id
        body = yield from self.ask(context, "ports.create", "POST", "/v2.0/ports", network_id=network)
        return body["id"]

    def handle_delete(self, context: Context, stack: Stack, row: ResourceRow) -> Steps:
        yield from self.gone(context, "ports.delete", "DELETE", f"/v2.0/ports/{row.id}", port_id=row.id)


class Server(Resource):
    source = "heat.engine.resources.openstack.nova.server"
    service_name, label = "nova-api", "Server"

    def handle_create(self, context: Context, stack: Stack) -> Steps:
        given = {name: stack.properties[name] for name in ("flavor", "image") if name in stack.properties}
        network = stack.resources["network"].id
        body = yield from self.ask(
            context,
            "servers.create",
            "POST",
            "/v2.1/servers",
            name=f"{stack.name}-server",
            networks=(network,),
            **given,
        )
        return body["id"]

    def check_create_complete(self, context: Context, row: ResourceRow) -> Steps:
        body = yield from self.ask(context, "servers.show", "GET", f"/v2.1/servers/{row.id}", server_id=row.id)
        if body["status"] == "ERROR":
            fault = body.get("fault") or "Unknown"
            raise ResourceInError(resource_status="ERROR", status_reason=f"Message: {fault}, Code: 500")
        return body["status"] == "ACTIVE"

    def handle_delete(self, context: Context, stack: Stack, row: ResourceRow) -> Steps:
        yield from self.gone(context, "servers.delete", "DELETE", f"/v2.1/servers/{row.id}", server_id=row.id)

    def check_delete_complete(self, context: Context, row: ResourceRow) -> Steps:
        return (yield from self.gone(context, "servers.show", "GET", f"/v2.1/servers/{row.id}", server_id=row.id))


class CinderVolume(Resource):
    source = "heat.engine.resources.openstack.cinder.volume"
    service_name, label = "cinder-api", "CinderVolume"

    def handle_create(self, context: Context, stack: Stack) -> Steps:
        size = stack.properties.get("size", 1)
        body = yield from self.ask(
            context, "volumes.create", "POST", "/v3/volumes", size=size, name=f"{stack.name}-volume"
        )
        return body["id"]

    def check_create_complete(self, context: Context, row: ResourceRow) -> Steps:
        body = yield from self.ask(context, "volumes.show", "GET", f"/v3/volumes/{row.id}", volume_id=row.id)
        if body["status"] == "error":
            raise ResourceInError(resource_status="error", status_reason="Unknown")
        return body["status"] == "available"

    def handle_delete(self, context: Context, stack: Stack, row: ResourceRow) -> Steps:
        yield from self.gone(context, "volumes.delete", "DELETE", f"/v3/volumes/{row.id}", volume_id=row.id)

    def check_delete_complete(self, context: Context, row: ResourceRow) -> Steps:
        try:
            body = yield from self.ask(context, "volumes.show", "GET", f"/v3/volumes/{row.id}", volume_id=row.id)
        except HttpError as error:
            if error.status != 404:
                raise
            return True
        if body["status"] in ("error", "error_deleting"):
            raise ResourceInError(resource_status=body["status"], status_reason="delete")
        return False


class CinderVolumeAttachment(Resource):
    source = "heat.engine.resources.openstack.cinder.volume"
    service_name, label = "nova-api", "CinderVolumeAttachment"

    def handle_create(self, context: Context, stack: Stack) -> Steps:
        server, volume = stack.resources["server"].id, stack.resources["volume"].id
        uri = f"/v2.1/servers/{server}/os-volume_attachments"
        yield from self.ask(context, "volume_attachments.create", "POST", uri, server_id=server, volume_id=volume)
        return volume

    def check_create_complete(self, context: Context, row: ResourceRow) -> Steps:
        status = yield from self._status(context, row)
        if status == "error":
            raise ResourceInError(resource_status=status, status_reason="Volume attachment failed")
        return status == "in-use"

    def handle_delete(self, context: Context, stack: Stack, row: ResourceRow) -> Steps:
        server = stack.resources["server"].id
        uri = f"/v2.1/servers/{server}/os-volume_attachments/{row.id}"
        yield from self.gone(context, "volume_attachments.delete", "DELETE", uri, server_id=server, volume_id=row.id)

    def check_delete_complete(self, context: Context, row: ResourceRow) -> Steps:
        status = yield from self._status(context, row)
        if status in ("error", "error_detaching"):
            raise ResourceInError(resource_status=status, status_reason="Volume detachment failed")
        return status in ("available", "gone")

    def _status(self, context: Context, row: ResourceRow) -> Steps:
        uri = f"/v3/volumes/{row.id}"
        try:
            body = yield from self.clients.request(context, "cinder-api", "volumes.show", "GET", uri, volume_id=row.id)
        except HttpError as error:
            if error.status != 404:
                raise
            return "gone"
        return body["status"]


RESOURCES: dict[str, tuple[type[Resource], str, tuple[str, ...]]] = {
    "network": (Net, "OS::Neutron::Net", ()),
    "subnet": (Subnet, "OS::Neutron::Subnet", ("network",)),
    "port": (Port, "OS::Neutron::Port", ("network", "subnet")),
    "server": (Server, "OS::Nova::Server", ("network", "port")),
    "volume": (CinderVolume, "OS::Cinder::Volume", ()),
    "volume_attachment": (CinderVolumeAttachment, "OS::Cinder::VolumeAttachment", ("server", "volume")),
}
"""A stack's resources by name: class, type, what each needs."""
