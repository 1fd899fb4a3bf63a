"""Servers and what can be done to them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from twin.mechanics import openstack as facts
from twin.mechanics.openstack import DEFAULT_FLAVOR, FLAVORS
from twin.openstack.nova import exception
from twin.openstack.nova.compute.api import API
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError, HTTPFault
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import Response
from twin.openstack.tables import Server

Answer = Generator[Any, Any, Response]

NOT_RESIZED = "Instance has not been resized."
EXPECTED = (400, 403, 404, 409, 413)
"""Codes of the errors that the controllers hand to the client (`wsgi.expected_errors`)."""


class ServersController(Flow):
    """nova.api.openstack.compute.servers.ServersController, and the action controllers beside it."""

    source = "nova.api.openstack.compute.servers"

    def __init__(self, service: AmqpService, compute_api: API) -> None:
        super().__init__(service)
        self.compute_api = compute_api
        self._actions: dict[str, Callable[..., Steps]] = {
            "os-start": self._start_server,
            "os-stop": self._stop_server,
            "reboot": self._action_reboot,
            "resize": self._action_resize,
            "confirmResize": self._action_confirm_resize,
            "revertResize": self._action_revert_resize,
            "migrate": self._migrate,
            "os-migrateLive": self._migrate_live,
            "evacuate": self._evacuate,
            "rebuild": self._action_rebuild,
            "os-resetState": self._reset_state,
            "createImage": self._action_create_image,
        }

    # --- read -------------------------------------------------------------------------------------------------

    def show(self, context: Context, server_id: str) -> Answer:
        """GET servers/{id}."""
        yield from self.think(context, facts.API["servers.show"].python)
        yield from self.sql(context, facts.API["servers.show"].statements)
        instance = yield from self._get_server(context, server_id)
        yield from self._add_security_groups(context, [instance])
        return Response(200, self._view(instance), 1893 if instance.host else 1520)

    def detail(self, context: Context) -> Answer:
        """GET servers/detail."""
        work = facts.API["servers.detail"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        mine = self.site.tables.of(context.request.project)
        yield from self._add_security_groups(context, mine)
        return Response(200, [self._view(instance) for instance in mine], 1893 if len(mine) <= 1 else 1700 * len(mine))

    def _add_security_groups(self, context: Context, servers: Sequence[Server]) -> Steps:
        network_api = self.compute_api.network_api
        uuids = [server.uuid for server in servers]
        yield from network_api.get_instances_security_groups_bindings(context, uuids)

    def _get_server(self, context: Context, server_id: str) -> Steps:
        try:
            instance = yield from self.compute_api.get(context, server_id)
        except exception.InstanceNotFound as error:
            raise HTTPFault(404, str(error)) from error
        return instance

    def _view(self, instance: Server) -> dict[str, Any]:
        return {
            "id": instance.uuid,
            "name": instance.name,
            "status": instance.status,
            "OS-EXT-STS:task_state": instance.task_state,
            "OS-EXT-STS:vm_state": instance.vm_state,
            "OS-EXT-SRV-ATTR:host": instance.host,
            "flavor": instance.flavor.name,
            "addresses": {"ports": list(instance.ports)},
            "fault": instance.fault if instance.vm_state == "error" else "",
            "os-extended-volumes:volumes_attached": list(instance.volumes),
        }

    # --- create and delete ------------------------------------------------------------------------------------

    def create(
        self,
        context: Context,
        name: str,
        flavor: str = DEFAULT_FLAVOR,
        image: str = "",
        networks: Sequence[str] = (),
        volume: str = "",
        key_name: str | None = None,
        min_count: int = 1,
        security_groups: Sequence[str] = (),
    ) -> Answer:
        """POST servers: 202 once nova-conductor has been told."""
        work = facts.API["servers.create"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        if flavor not in FLAVORS:
            raise HTTPFault(400, f"Flavor {flavor} could not be found.")
        if key_name is not None and (context.request.user, key_name) not in self.site.tables.keypairs:
            raise HTTPFault(400, "Invalid key_name provided.")
        try:
            instances = yield from self.compute_api.create(
                context,
                name,
                FLAVORS[flavor],
                image,
                requested_networks=networks,
                block_device_mapping=volume,
                key_name=key_name,
                min_count=min_count,
                security_groups=security_groups,
            )
        except (exception.QuotaError, exception.PortLimitExceeded) as error:
            raise HTTPFault(403, str(error)) from error
        except (exception.Invalid, exception.NotFound) as error:
            raise HTTPFault(400, str(error)) from error
        return Response(202, {"id": instances[0].uuid}, 860)

    def delete(self, context: Context, server_id: str) -> Answer:
        """DELETE servers/{id}."""
        work = facts.API["servers.delete"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        instance = yield from self._get_server(context, server_id)
        try:
            yield from self.compute_api.delete(context, instance)
        except exception.InstanceNotFound as error:
            raise HTTPFault(404, "Instance could not be found") from error
        return Response(204, length=203)

    # --- actions ----------------------------------------------------------------------------------------------

    def action(self, context: Context, server_id: str, action: str, **parameters: Any) -> Answer:
        """POST servers/{id}/action."""
        work = facts.API["servers.action"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        instance = yield from self._get_server(context, server_id)
        method = self._actions.get(action)
        if method is None:
            raise HTTPFault(400, f"There is no such action: {action}")
        try:
            yield from method(context, instance, **parameters)
        except CloudError as error:
            if error.code in EXPECTED and error.module.startswith("nova"):
                raise HTTPFault(error.code, str(error)) from error
            raise
        return Response(202)

    def _start_server(self, context: Context, instance: Server) -> Steps:
        yield from self.compute_api.start(context, instance)

    def _stop_server(self, context: Context, instance: Server) -> Steps:
        yield from self.compute_api.stop(context, instance)

    def _action_reboot(self, context: Context, instance: Server, type: str = "SOFT") -> Steps:
        yield from self.compute_api.reboot(context, instance, type)

    def _action_resize(self, context: Context, instance: Server, flavor: str) -> Steps:
        yield from self.compute_api.resize(context, instance, flavor)

    def _action_confirm_resize(self, context: Context, instance: Server) -> Steps:
        try:
            yield from self.compute_api.confirm_resize(context, instance)
        except exception.MigrationNotFoundByStatus as error:
            raise HTTPFault(400, NOT_RESIZED) from error

    def _action_revert_resize(self, context: Context, instance: Server) -> Steps:
        try:
            yield from self.compute_api.revert_resize(context, instance)
        except exception.MigrationNotFoundByStatus as error:
            raise HTTPFault(400, NOT_RESIZED) from error

    def _migrate(self, context: Context, instance: Server, host: str | None = None) -> Steps:
        yield from self.compute_api.resize(context, instance, host=host)

    def _migrate_live(self, context: Context, instance: Server, host: str | None = None) -> Steps:
        yield from self.compute_api.live_migrate(context, instance, host=host)

    def _evacuate(self, context: Context, instance: Server, host: str | None = None) -> Steps:
        try:
            yield from self.compute_api.evacuate(context, instance, host=host)
        except exception.ComputeServiceInUse as error:
            raise HTTPFault(400, str(error)) from error

    def _action_rebuild(self, context: Context, instance: Server, image: str) -> Steps:
        yield from self.compute_api.rebuild(context, instance, image)

    def _reset_state(self, context: Context, instance: Server, state: str = "error") -> Steps:
        yield from self.compute_api.reset_state(context, instance, state)

    def _action_create_image(self, context: Context, instance: Server, name: str) -> Steps:
        yield from self.compute_api.snapshot(context, instance, name)


class VolumeAttachmentController(Flow):
    """nova.api.openstack.compute.volumes.VolumeAttachmentController, and the one of interfaces."""

    source = "nova.api.openstack.compute.volumes"

    def __init__(self, service: AmqpService, servers: ServersController) -> None:
        super().__init__(service)
        self.compute_api = servers.compute_api

    def create(self, context: Context, server_id: str, volume_id: str) -> Answer:
        """POST servers/{id}/os-volume_attachments."""
        yield from self._begin(context)
        try:
            instance = yield from self.compute_api.get(context, server_id)
            device = yield from self.compute_api.attach_volume(context, instance, volume_id)
        except exception.NotFound as error:
            raise HTTPFault(404, str(error)) from error
        except exception.Invalid as error:
            raise HTTPFault(error.code, str(error)) from error
        return Response(200, {"volumeId": volume_id, "serverId": server_id, "device": device}, 194)

    def delete(self, context: Context, server_id: str, volume_id: str) -> Answer:
        """DELETE servers/{id}/os-volume_attachments/{volume}."""
        yield from self._begin(context)
        try:
            instance = yield from self.compute_api.get(context, server_id)
            yield from self.compute_api.detach_volume(context, instance, volume_id)
        except exception.NotFound as error:
            raise HTTPFault(404, str(error)) from error
        except exception.Invalid as error:
            raise HTTPFault(error.code, str(error)) from error
        return Response(202)

    def create_interface(self, context: Context, server_id: str, network_id: str) -> Answer:
        """POST servers/{id}/os-interface."""
        yield from self._begin(context)
        try:
            instance = yield from self.compute_api.get(context, server_id)
            port = yield from self.compute_api.attach_interface(context, instance, network_id)
        except exception.NotFound as error:
            raise HTTPFault(404, str(error)) from error
        except exception.NoMoreFixedIps as error:
            raise HTTPFault(400, str(error)) from error
        except (exception.Invalid, exception.PortLimitExceeded, exception.InterfaceAttachFailed) as error:
            raise HTTPFault(error.code, str(error)) from error
        return Response(200, port, 271)

    def _begin(self, context: Context) -> Steps:
        yield from self.think(context, facts.API["servers.action"].python)
        yield from self.sql(context, facts.API["servers.action"].statements)
