"""The volume API inside cinder-api: what may be done in which state, and whom to tell."""

from __future__ import annotations

from typing import Any

from twin.openstack.cinder import exception, logs
from twin.openstack.cinder.db import Database
from twin.openstack.cinder.flow_utils import Engine
from twin.openstack.cinder.image import GlanceImageService
from twin.openstack.cinder.quota import QuotaEngine
from twin.openstack.cinder.scheduler.rpcapi import SchedulerAPI
from twin.openstack.cinder.tables import Attachment, Snapshot, Volume
from twin.openstack.cinder.volume.flows import api as flow
from twin.openstack.cinder.volume.rpcapi import VolumeAPI
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps


class API(Flow):
    """cinder.volume.api.API."""

    source = "cinder.volume.api"

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.db = Database(service)
        self.quotas = QuotaEngine(service)
        self.image_service = GlanceImageService(service)
        self.scheduler_rpcapi = SchedulerAPI(service)
        self.volume_rpcapi = VolumeAPI(service)
        self.create_flow = (
            flow.ExtractVolumeRequestTask(service, self.image_service),
            flow.QuotaReserveTask(service, self.quotas),
            flow.EntryCreateTask(service, self.db),
            flow.QuotaCommitTask(service, self.quotas),
            flow.VolumeCastTask(service, self.db, self.scheduler_rpcapi, self.volume_rpcapi),
        )

    # --- volumes -------------------------------------------------------------------------------------------------

    def list_availability_zones(self, context: Context) -> Steps:
        """The zones of the services that are up."""
        services = yield from self.db.service_get_all(context, "cinder-volume")
        self.say(logs.ZONES_RETRIEVED, context)
        return ("nova",) if services else ()

    def create(
        self,
        context: Context,
        size: int,
        name: str,
        snapshot: Snapshot | None = None,
        image_id: str | None = None,
    ) -> Steps:
        """Write a volume in status creating and tell the scheduler; the volume."""
        yield from self.list_availability_zones(context)
        create_what = {"size": size, "name": name, "snapshot": snapshot, "image_id": image_id}
        engine = Engine(self.service, "volume_create_api", self.create_flow, flow.STATEMENTS)
        store = yield from engine.run(context, create_what)
        vref = yield from self.db.volume_get(context, store["volume"].id)
        self.say(logs.CREATE_ISSUED, context)
        return vref

    def delete(self, context: Context, volume: Volume, force: bool = False) -> Steps:
        """Have a volume deleted. Raises InvalidVolume in a state in which it cannot be."""
        project_id = volume.project_id
        if not volume.host:
            self.notify(context, "volume.delete.start", volume_id=volume.id)
            reservations = None
            try:
                reservations = yield from self.quotas.reserve(context, project_id, volumes=-1, gigabytes=-volume.size)
            except Exception as error:
                self.unexpected(error)
                self.exception(logs.API_QUOTA_FAILED, context, error)
            yield from self.db.volume_destroy(context, volume.id)
            if reservations:
                yield from self.quotas.commit(context, reservations, project_id)
            self.notify(context, "volume.delete.end", volume_id=volume.id)
            self.say(logs.DELETE_ISSUED, context)
            return
        expected: dict[str, Any] = {"attach_status": ("detached", "error_attaching", "error_detaching", "reserved")}
        statuses = ("available", "error", "error_restoring", "error_extending", "error_managing")
        if not force:
            expected["status"] = statuses
        result = yield from self.db.conditional_update(
            context, volume.id, {"status": "deleting"}, expected, without_snapshots=True
        )
        if not result:
            status = " or ".join(statuses)
            self.say(logs.DELETE_REFUSED, context, status)
            raise exception.InvalidVolume(reason=logs.DELETE_REFUSED.text.format(status))
        yield from self.volume_rpcapi.delete_volume(context, volume)
        self.say(logs.DELETE_ISSUED, context)

    def get(self, context: Context, volume_id: str) -> Steps:
        """A volume, for its owner. Raises VolumeNotFound."""
        volume = yield from self.db.volume_get(context, volume_id)
        self.say(logs.INFO_RETRIEVED, context)
        return volume

    def get_volume(self, context: Context, volume_id: str) -> Steps:
        """A volume, for another part of cinder. Raises VolumeNotFound."""
        volume = yield from self.db.volume_get(context, volume_id)
        self.say(logs.VOLUME_RETRIEVED, context)
        return volume

    def get_all(self, context: Context) -> Steps:
        """The volumes of the project."""
        volumes = yield from self.db.volume_get_all(context)
        self.say(logs.ALL_RETRIEVED, context)
        return volumes

    def extend(self, context: Context, volume: Volume, new_size: int) -> Steps:
        """Have a volume grow. Raises InvalidInput, InvalidVolume, VolumeSizeExceedsAvailableQuota."""
        size_increase = int(new_size) - volume.size
        if size_increase <= 0:
            sizes = f"(current: {volume.size}, extended: {new_size})"
            msg = f"New size for extend must be greater than current size. {sizes}."
            raise exception.InvalidInput(reason=msg)
        result = yield from self.db.conditional_update(
            context, volume.id, {"status": "extending", "previous_status": volume.status}, {"status": ("available",)}
        )
        if not result:
            msg = f"Volume {volume.id} status must be '('available',)' to extend, currently {volume.status}."
            raise exception.InvalidVolume(reason=msg)
        try:
            reservations = yield from self.quotas.reserve(context, volume.project_id, gigabytes=size_increase)
        except exception.OverQuota as error:
            yield from self.db.volume_update(context, volume.id, {"status": volume.previous_status})
            quotas, usages = error.kwargs["quotas"], error.kwargs["usages"]
            consumed = usages["gigabytes"]["reserved"] + usages["gigabytes"]["in_use"]
            room = quotas["gigabytes"]
            said = (volume.project_id, size_increase, consumed, room, error)
            self.say(logs.EXTEND_QUOTA_EXCEEDED, context, *said)
            raise exception.VolumeSizeExceedsAvailableQuota(
                name="gigabytes", requested=size_increase, consumed=consumed, quota=quotas["gigabytes"]
            ) from error
        request_spec = {
            "volume_properties": {"size": size_increase, "host": volume.host},
            "volume_id": volume.id,
        }
        yield from self.scheduler_rpcapi.extend_volume(context, volume, new_size, reservations, request_spec)
        self.say(logs.EXTEND_ISSUED, context)

    # --- snapshots -----------------------------------------------------------------------------------------------

    def create_snapshot(self, context: Context, volume: Volume, name: str, force: bool = False) -> Steps:
        """Write a snapshot in status creating and have it made; the snapshot."""
        snapshot = yield from self.create_snapshot_in_db(context, volume, name, force)
        request_spec = {
            "volume_properties": {"size": volume.size},
            "volume_id": volume.id,
            "snapshot_id": snapshot.id,
        }
        backend = volume.host
        yield from self.scheduler_rpcapi.create_snapshot(context, volume, snapshot, backend, request_spec)
        return snapshot

    def create_snapshot_in_db(self, context: Context, volume: Volume, name: str, force: bool) -> Steps:
        """Check, reserve and write. Raises InvalidVolume, SnapshotLimitExceeded …"""
        allowed = ("available", "in-use") if force else ("available",)
        if volume.status not in allowed:
            msg = f"Volume {volume.id} status must be {' or '.join(allowed)}, but current status is: {volume.status}."
            raise exception.InvalidVolume(reason=msg)
        reservations = yield from self.create_snapshot_in_db_reserve(context, volume)
        snapshot = yield from self.db.snapshot_create(
            context,
            {
                "volume_id": volume.id,
                "volume_size": volume.size,
                "project_id": volume.project_id,
                "display_name": name,
                "status": "creating",
            },
        )
        yield from self.quotas.commit(context, reservations, volume.project_id)
        return snapshot

    def create_snapshot_in_db_reserve(self, context: Context, volume: Volume) -> Steps:
        """Reserve a snapshot and its gigabytes; the reservations."""
        try:
            reservations = yield from self.quotas.reserve(
                context, volume.project_id, snapshots=1, gigabytes=volume.size
            )
        except exception.OverQuota as error:
            overs, quotas, usages = error.kwargs["overs"], error.kwargs["quotas"], error.kwargs["usages"]
            for over in overs:
                consumed = usages[over]["reserved"] + usages[over]["in_use"]
                if "gigabytes" in over:
                    self.say(logs.QUOTA_EXCEEDED, context, volume.project_id, volume.size, consumed, quotas[over])
                    raise exception.VolumeSizeExceedsAvailableQuota(
                        name=over, requested=volume.size, consumed=consumed, quota=quotas[over]
                    ) from error
                self.say(logs.SNAPSHOTS_QUOTA_EXCEEDED, context, volume.project_id, consumed)
                raise exception.SnapshotLimitExceeded(allowed=quotas[over]) from error
            raise
        return reservations

    def delete_snapshot(self, context: Context, snapshot: Snapshot) -> Steps:
        """Have a snapshot deleted. Raises InvalidSnapshot."""
        if snapshot.status not in ("available", "error"):
            msg = f"Snapshot {snapshot.id} status must be available or error to delete, but is {snapshot.status}."
            self.say(logs.REFUSED_ERROR, context, msg)
            raise exception.InvalidSnapshot(reason=msg)
        yield from self.db.snapshot_update(context, snapshot.id, {"status": "deleting"})
        volume = yield from self.db.volume_get(context, snapshot.volume_id)
        yield from self.volume_rpcapi.delete_snapshot(context, snapshot, volume.host)
        self.say(logs.SNAPSHOT_DELETE_ISSUED, context)

    def get_snapshot(self, context: Context, snapshot_id: str) -> Steps:
        """A snapshot. Raises SnapshotNotFound."""
        snapshot = yield from self.db.snapshot_get(context, snapshot_id)
        self.say(logs.SNAPSHOT_RETRIEVED, context)
        return snapshot

    def get_all_snapshots(self, context: Context) -> Steps:
        """The snapshots of the project."""
        snapshots = yield from self.db.snapshot_get_all(context)
        self.say(logs.SNAPSHOTS_RETRIEVED, context)
        return snapshots

    # --- attachments ---------------------------------------------------------------------------------------------

    def begin_detaching(self, context: Context, volume: Volume) -> Steps:
        """In-use to detaching. Raises InvalidVolume."""
        result = yield from self.db.conditional_update(
            context, volume.id, {"status": "detaching"}, {"status": ("in-use",), "attach_status": ("attached",)}
        )
        if not result:
            self.say(logs.DETACH_REFUSED, context)
            raise exception.InvalidVolume(reason=logs.DETACH_REFUSED.text)
        self.say(logs.DETACH_BEGUN, context)

    def roll_detaching(self, context: Context, volume: Volume) -> Steps:
        """Detaching back to in-use."""
        yield from self.db.conditional_update(context, volume.id, {"status": "in-use"}, {"status": ("detaching",)})
        self.say(logs.DETACH_ROLLED_BACK, context)

    def detach(self, context: Context, volume: Volume, attachment_id: str | None) -> Steps:
        """Detach at the host that has the volume (an operator's force-detach)."""
        results = yield from self.volume_rpcapi.detach_volume(context, volume, attachment_id)
        self.say(logs.DETACHED, context)
        return results

    def _attachment_reserve(self, ctxt: Context, vref: Volume, instance_uuid: str | None) -> Steps:
        result = yield from self.db.conditional_update(
            ctxt, vref.id, {"status": "reserved"}, {"status": ("available", "downloading")}
        )
        if not result:
            override = False
            if instance_uuid and vref.status in ("in-use", "reserved"):
                vref = yield from self.db.volume_get(ctxt, vref.id)
                override = any(a.instance_uuid == instance_uuid for a in vref.volume_attachment.values())
            if not override:
                msg = (
                    f"Volume {vref.id} status must be available or downloading to reserve, "
                    f"but the current status is {vref.status}."
                )
                raise exception.InvalidVolume(reason=msg)
        values = {"volume_id": vref.id, "attach_status": "reserved", "instance_uuid": instance_uuid}
        attachment = yield from self.db.volume_attach(ctxt, values)
        return attachment

    def attachment_create(
        self, ctxt: Context, volume_ref: Volume, instance_uuid: str | None, connector: dict[str, Any] | None = None
    ) -> Steps:
        """Reserve a volume for a server, and connect it where a connector is given; the attachment."""
        connection_info: dict[str, Any] = {}
        if "error" in volume_ref.status:
            msg = (
                "Volume attachments can not be created if the volume is in an error state. "
                f"The Volume {volume_ref.id} currently has a status of: {volume_ref.status} "
            )
            self.say(logs.REFUSED_ERROR, ctxt, msg)
            raise exception.InvalidVolume(reason=msg)
        attachment_ref = yield from self._attachment_reserve(ctxt, volume_ref, instance_uuid)
        if connector:
            connection_info = yield from self.volume_rpcapi.attachment_update(
                ctxt, volume_ref, connector, attachment_ref.id
            )
        yield from self.db.volume_attachment_update(
            ctxt, attachment_ref.id, {"connection_info": connection_info, "attach_mode": "null"}
        )
        return attachment_ref

    def attachment_update(self, ctxt: Context, attachment_ref: Attachment, connector: dict[str, Any]) -> Steps:
        """Connect a reserved volume to a host; the attachment with its `connection_info`."""
        volume_ref = yield from self.db.volume_get(ctxt, attachment_ref.volume_id)
        if "error" in volume_ref.status:
            msg = (
                "Volume attachments can not be updated if the volume is in an error state. "
                f"The Volume {volume_ref.id} currently has a status of: {volume_ref.status} "
            )
            self.say(logs.REFUSED_ERROR, ctxt, msg)
            raise exception.InvalidVolume(reason=msg)
        connection_info = yield from self.volume_rpcapi.attachment_update(
            ctxt, volume_ref, connector, attachment_ref.id
        )
        yield from self.db.volume_attachment_update(ctxt, attachment_ref.id, {"connection_info": connection_info})
        return attachment_ref

    def attachment_delete(self, ctxt: Context, attachment: Attachment) -> Steps:
        """Disconnect a volume and forget the attachment; those that are left."""
        volume = yield from self.db.volume_get(ctxt, attachment.volume_id)
        if attachment.attach_status == "reserved":
            yield from self.db.volume_detached(ctxt, attachment.volume_id, attachment.id)
            self.notify(ctxt, "volume.detach.end", volume_id=volume.id)
        else:
            yield from self.volume_rpcapi.attachment_delete(ctxt, attachment.id, volume)
        return list(volume.volume_attachment)
