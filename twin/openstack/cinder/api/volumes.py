"""Requests about volumes."""

from __future__ import annotations

from typing import Any

from twin.openstack.cinder import logs
from twin.openstack.cinder.db import Database
from twin.openstack.cinder.tables import Volume
from twin.openstack.cinder.volume.api import API
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HTTPFault
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps


class ViewBuilder(Flow):
    """A volume as the API shows it."""

    source = "cinder.api.v3.views.volumes"

    def detail(self, context: Context, volume: Volume) -> dict[str, Any]:
        """All of it."""
        return {
            "id": volume.id,
            "name": volume.display_name,
            "size": volume.size,
            "status": volume.status,
            "bootable": str(volume.bootable).lower(),
            "snapshot_id": volume.snapshot_id,
            "os-vol-host-attr:host": volume.host,
            "attachments": [
                {
                    "attachment_id": attachment.id,
                    "server_id": attachment.instance_uuid,
                    "volume_id": volume.id,
                    "host_name": attachment.attached_host,
                    "device": attachment.mountpoint,
                }
                for attachment in volume.volume_attachment.values()
                if attachment.attach_status == "attached"
            ],
        }


class VolumeController(Flow):
    """cinder.api.v3.volumes.VolumeController."""

    source = "cinder.api.v3.volumes"

    def __init__(self, service: Service, volume_api: API) -> None:
        super().__init__(service)
        self.volume_api = volume_api
        self._view_builder = ViewBuilder(service)

    def create(
        self,
        context: Context,
        size: int,
        name: str = "",
        image_id: str | None = None,
        snapshot_id: str | None = None,
    ) -> Steps:
        """Accept a volume; its body."""
        snapshot = None
        if snapshot_id is not None:
            snapshot = yield from self.volume_api.get_snapshot(context, snapshot_id)
        if size is None and snapshot is not None:
            size = snapshot.volume_size
        self.say(logs.API_CREATE, context, size)
        new_volume = yield from self.volume_api.create(context, size, name, snapshot=snapshot, image_id=image_id)
        return self._view_builder.detail(context, new_volume)

    def show(self, context: Context, volume_id: str) -> Steps:
        """A volume's body."""
        vol = yield from self.volume_api.get(context, volume_id)
        return self._view_builder.detail(context, vol)

    def detail(self, context: Context) -> Steps:
        """The project's volumes."""
        volumes = yield from self.volume_api.get_all(context)
        return [self._view_builder.detail(context, volume) for volume in volumes]

    def delete(self, context: Context, volume_id: str) -> Steps:
        """Accept a deletion."""
        self.say(logs.API_DELETE, context, volume_id, "")
        volume = yield from self.volume_api.get(context, volume_id)
        yield from self.volume_api.delete(context, volume)


class VolumeActionsController(Flow):
    """cinder.api.contrib.volume_actions.VolumeActionsController."""

    source = "cinder.api.contrib.volume_actions"

    def __init__(self, service: Service, volume_api: API) -> None:
        super().__init__(service)
        self.volume_api = volume_api

    def _extend(self, context: Context, volume_id: str, size: int) -> Steps:
        """Accept a growth to `size` gigabytes."""
        volume = yield from self.volume_api.get(context, volume_id)
        yield from self.volume_api.extend(context, volume, size)

    def _begin_detaching(self, context: Context, volume_id: str) -> Steps:
        """Note that a server is about to let go."""
        volume = yield from self.volume_api.get(context, volume_id)
        yield from self.volume_api.begin_detaching(context, volume)

    def _roll_detaching(self, context: Context, volume_id: str) -> Steps:
        """Note that it did not."""
        volume = yield from self.volume_api.get(context, volume_id)
        yield from self.volume_api.roll_detaching(context, volume)


VALID_STATUS = frozenset(
    {
        "creating",
        "available",
        "deleting",
        "error",
        "error_deleting",
        "error_managing",
        "managing",
        "attaching",
        "in-use",
        "detaching",
        "maintenance",
        "reserved",
        "extending",
    }
)


class VolumeAdminController(Flow):
    """cinder.api.contrib.admin_actions.VolumeAdminController: what an operator may do."""

    source = "cinder.api.contrib.admin_actions"

    def __init__(self, service: Service, volume_api: API) -> None:
        super().__init__(service)
        self.volume_api = volume_api
        self.db = Database(service)

    def _reset_status(self, context: Context, volume_id: str, status: str) -> Steps:
        """Write a status, whatever the truth is."""
        update = self.validate_update(status)
        yield from self.db.volume_update(context, volume_id, update)
        self.notify(context, "volume.reset_status.end", volume_id=volume_id)

    def validate_update(self, status: str) -> dict[str, str]:
        """The columns to write. Raises a 400 for a status that there is not."""
        update = {"status": status}
        if status not in VALID_STATUS:
            raise HTTPFault(400, "Must specify a valid status")
        if status in ("available", "error"):
            update["attach_status"] = "detached"
        return update

    def _force_detach(self, context: Context, volume_id: str, attachment_id: str | None = None) -> Steps:
        """Detach without asking the server."""
        volume = yield from self.volume_api.get(context, volume_id)
        yield from self.volume_api.detach(context, volume, attachment_id)

    def _force_delete(self, context: Context, volume_id: str) -> Steps:
        """Delete in any status."""
        volume = yield from self.volume_api.get(context, volume_id)
        yield from self.volume_api.delete(context, volume, force=True)
