"""Cinder's database layer: each call costs its statements and reads or changes the rows of `cinder.tables`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from twin.mechanics import cinder as facts
from twin.openstack.cinder import exception
from twin.openstack.cinder.tables import Attachment, CinderTables, ServiceRow, Snapshot, Volume
from twin.openstack.oslo.context import Context, fresh_id
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

COST = facts.STATEMENTS


class Database(Flow):
    """cinder.db.api: the functions that the rest of cinder calls. All raise DBError and its kin."""

    source = "cinder.db.api"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.tables: CinderTables = service.site.volumes

    # --- volumes -------------------------------------------------------------------------------------------------

    def volume_create(self, context: Context, values: dict[str, Any]) -> Steps:
        """Insert a volume; the row."""
        yield from self.sql(context, COST["create"], write=True)
        volume = Volume(id=self._new_id(context, "volume"), created_at=self.world.now, **values)
        self.tables.add_volume(volume)
        return volume

    def volume_get(self, context: Context, volume_id: str) -> Steps:
        """A volume. Raises VolumeNotFound."""
        yield from self.sql(context, COST["get"])
        volume = self.tables.volumes.get(volume_id)
        if volume is None:
            raise exception.VolumeNotFound(volume_id=volume_id)
        return volume

    def volume_get_all(self, context: Context) -> Steps:
        """The volumes of the context's project."""
        yield from self.sql(context, COST["list"])
        project = context.request.project
        return [volume for volume in self.tables.volumes.values() if volume.project_id == project]

    def volume_update(self, context: Context, volume_id: str, values: dict[str, Any]) -> Steps:
        """Write columns of a volume. Raises VolumeNotFound."""
        yield from self.sql(context, COST["update"], write=True)
        volume = self.tables.volumes.get(volume_id)
        if volume is None:
            raise exception.VolumeNotFound(volume_id=volume_id)
        self.tables.change_volume(volume, values)

    def volume_destroy(self, context: Context, volume_id: str) -> Steps:
        """Delete a volume. Raises VolumeNotFound."""
        yield from self.sql(context, COST["destroy"], write=True)
        volume = self.tables.volumes.get(volume_id)
        if volume is None:
            raise exception.VolumeNotFound(volume_id=volume_id)
        self.tables.remove_volume(volume)

    def conditional_update(
        self,
        context: Context,
        volume_id: str,
        values: dict[str, Any],
        expected: dict[str, Collection[str]],
        without_snapshots: bool = False,
    ) -> Steps:
        """``UPDATE … WHERE``: write columns where those of `expected` have one of the values; whether it matched."""
        yield from self.sql(context, COST["conditional"], write=True)
        volume = self.tables.volumes.get(volume_id)
        if volume is None or any(getattr(volume, column) not in allowed for column, allowed in expected.items()):
            return False
        if without_snapshots and volume_id in self.tables.snapshots_of:
            return False
        self.tables.change_volume(volume, values)
        return True

    # --- attachments ---------------------------------------------------------------------------------------------

    def volume_attach(self, context: Context, values: dict[str, Any]) -> Steps:
        """Insert an attachment; the row. Raises VolumeNotFound."""
        yield from self.sql(context, COST["create"], write=True)
        attachment = Attachment(id=self._new_id(context, "attachment"), **values)
        volume = self.tables.volumes.get(attachment.volume_id)
        if volume is None:
            raise exception.VolumeNotFound(volume_id=attachment.volume_id)
        self.tables.attachments[attachment.id] = volume.volume_attachment[attachment.id] = attachment
        return attachment

    def volume_attachment_get(self, context: Context, attachment_id: str) -> Steps:
        """An attachment. Raises VolumeAttachmentNotFound."""
        yield from self.sql(context, COST["get"])
        attachment = self.tables.attachments.get(attachment_id)
        if attachment is None:
            raise exception.VolumeAttachmentNotFound(filter=f"attachment_id = {attachment_id}")
        return attachment

    def volume_attachment_update(self, context: Context, attachment_id: str, values: dict[str, Any]) -> Steps:
        """Write columns of an attachment. Raises VolumeAttachmentNotFound."""
        yield from self.sql(context, COST["update"], write=True)
        attachment = self.tables.attachments.get(attachment_id)
        if attachment is None:
            raise exception.VolumeAttachmentNotFound(filter=f"attachment_id = {attachment_id}")
        for column, value in values.items():
            setattr(attachment, column, value)

    def volume_attached(
        self,
        context: Context,
        attachment_id: str,
        instance_uuid: str | None,
        host_name: str,
        mountpoint: str,
        attach_mode: str = "rw",
        mark_attached: bool = True,
    ) -> Steps:
        """Note that a host is connected: `attached` and in-use, or without `mark_attached` attaching."""
        yield from self.sql(context, COST["attach"], write=True)
        attachment = self.tables.attachments.get(attachment_id)
        if attachment is None:
            raise exception.VolumeAttachmentNotFound(filter=f"attachment_id = {attachment_id}")
        attachment.attach_status = "attached" if mark_attached else "attaching"
        attachment.instance_uuid = instance_uuid
        attachment.attached_host = host_name
        attachment.mountpoint = mountpoint
        attachment.attach_mode = attach_mode
        volume = self.tables.volumes.get(attachment.volume_id)
        if volume is None:
            raise exception.VolumeNotFound(volume_id=attachment.volume_id)
        status = "in-use" if mark_attached else "attaching"
        self.tables.change_volume(volume, {"status": status, "attach_status": attachment.attach_status})

    def volume_detached(self, context: Context, volume_id: str, attachment_id: str) -> Steps:
        """Delete an attachment; the volume is available where it was the last."""
        yield from self.sql(context, COST["attach"], write=True)
        self.tables.attachments.pop(attachment_id, None)
        volume = self.tables.volumes.get(volume_id)
        if volume is None:
            raise exception.VolumeNotFound(volume_id=volume_id)
        volume.volume_attachment.pop(attachment_id, None)
        left = volume.volume_attachment.values()
        if not left:
            values = {"status": "available", "attach_status": "detached"}
        elif any(attachment.attach_status == "attached" for attachment in left):
            values = {"status": "in-use", "attach_status": "attached"}
        elif any(attachment.attach_status == "attaching" for attachment in left):
            values = {"status": "attaching", "attach_status": "detached"}
        else:
            values = {"status": "reserved", "attach_status": "detached"}
        self.tables.change_volume(volume, values)

    # --- snapshots -----------------------------------------------------------------------------------------------

    def snapshot_create(self, context: Context, values: dict[str, Any]) -> Steps:
        """Insert a snapshot; the row."""
        yield from self.sql(context, COST["create"], write=True)
        snapshot = Snapshot(id=self._new_id(context, "snapshot"), **values)
        self.tables.add_snapshot(snapshot)
        return snapshot

    def snapshot_get(self, context: Context, snapshot_id: str) -> Steps:
        """A snapshot. Raises SnapshotNotFound."""
        yield from self.sql(context, COST["get"])
        snapshot = self.tables.snapshots.get(snapshot_id)
        if snapshot is None:
            raise exception.SnapshotNotFound(snapshot_id=snapshot_id)
        return snapshot

    def snapshot_get_all(self, context: Context) -> Steps:
        """The snapshots of the context's project."""
        yield from self.sql(context, COST["list"])
        project = context.request.project
        return [snapshot for snapshot in self.tables.snapshots.values() if snapshot.project_id == project]

    def snapshot_update(self, context: Context, snapshot_id: str, values: dict[str, Any]) -> Steps:
        """Write columns of a snapshot. Raises SnapshotNotFound."""
        yield from self.sql(context, COST["update"], write=True)
        snapshot = self.tables.snapshots.get(snapshot_id)
        if snapshot is None:
            raise exception.SnapshotNotFound(snapshot_id=snapshot_id)
        for column, value in values.items():
            setattr(snapshot, column, value)

    def snapshot_destroy(self, context: Context, snapshot_id: str) -> Steps:
        """Delete a snapshot. Raises SnapshotNotFound."""
        yield from self.sql(context, COST["destroy"], write=True)
        snapshot = self.tables.snapshots.get(snapshot_id)
        if snapshot is None:
            raise exception.SnapshotNotFound(snapshot_id=snapshot_id)
        self.tables.remove_snapshot(snapshot)

    # --- services ------------------------------------------------------------------------------------------------

    def service_get_all(self, context: Context, binary: str) -> Steps:
        """The services of a binary that are not disabled."""
        yield from self.sql(context, COST["service"])
        return [row for row in self.tables.services.values() if row.binary == binary and not row.disabled]

    def service_update(self, context: Context, name: str, values: dict[str, Any]) -> Steps:
        """Write a heartbeat. Raises ServiceNotFound."""
        yield from self.sql(context, COST["report"], write=True)
        row: ServiceRow | None = self.tables.services.get(name)
        if row is None:
            raise exception.ServiceNotFound(service_id=name)
        for column, value in values.items():
            setattr(row, column, value)

    def _new_id(self, context: Context, kind: str) -> str:
        return fresh_id(self.world, context, kind)
