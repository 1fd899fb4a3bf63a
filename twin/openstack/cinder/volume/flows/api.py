"""The part of a volume's creation that cinder-api does: check, reserve, write the row, commit, tell the scheduler."""

from __future__ import annotations

from typing import Any

from twin.openstack.cinder import exception, logs
from twin.openstack.cinder.db import Database
from twin.openstack.cinder.flow_utils import Statements, Task
from twin.openstack.cinder.image import GlanceImageService
from twin.openstack.cinder.quota import QuotaEngine
from twin.openstack.cinder.scheduler.rpcapi import SchedulerAPI
from twin.openstack.cinder.tables import Snapshot, Volume
from twin.openstack.cinder.volume.rpcapi import VolumeAPI
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Service, Steps

SOURCE = "cinder.volume.flows.api.create_volume"
STATEMENTS = Statements(logs.API_TASK_FAILED, logs.API_TASK_REVERTED, logs.API_FLOW_REVERTED)


class ExtractVolumeRequestTask(Task):
    """Check what the client wants."""

    source = SOURCE
    requires = ("size", "snapshot", "image_id")
    addons = "volume:create"

    def __init__(self, service: Service, image_service: GlanceImageService) -> None:
        super().__init__(service)
        self.image_service = image_service

    def execute(self, context: Context, size: int, snapshot: Snapshot | None, image_id: str | None) -> Steps:
        snapshot_id = self._extract_snapshot(snapshot)
        size = self._extract_size(size, snapshot)
        if image_id:
            yield from self._check_image_metadata(context, image_id, size)
        return {"size": size, "snapshot_id": snapshot_id}

    def _extract_snapshot(self, snapshot: Snapshot | None) -> str | None:
        if snapshot is None:
            return None
        if snapshot.status != "available":
            msg = f"Originating snapshot status must be one of 'available' values, but is '{snapshot.status}'"
            raise exception.InvalidSnapshot(reason=msg)
        return snapshot.id

    def _extract_size(self, size: int, snapshot: Snapshot | None) -> int:
        if not size and snapshot is not None:
            size = snapshot.volume_size
        if not isinstance(size, int) or size <= 0:
            msg = f"Volume size '{size}' must be an integer and greater than 0"
            raise exception.InvalidInput(reason=msg)
        if snapshot is not None and size < snapshot.volume_size:
            msg = f"Volume size '{size}'GB cannot be smaller than the snapshot size {snapshot.volume_size}GB. "
            raise exception.InvalidInput(reason=msg + "They must be >= original snapshot size.")
        return size

    def _check_image_metadata(self, context: Context, image_id: str, size: int) -> Steps:
        image_meta = yield from self.image_service.show(context, image_id)
        image_status = image_meta["status"]
        if image_status.lower() != "active":
            msg = f"Image {image_id} is not active."
            raise exception.InvalidInput(reason=msg)
        image_size_in_gb = -(-image_meta["size"] // 2**30)
        if image_size_in_gb > size:
            msg = f"Size of specified image {image_size_in_gb}GB is larger than volume size {size}GB."
            raise exception.InvalidInput(reason=msg)
        if image_meta["min_disk"] > size:
            msg = f"Volume size {size}GB cannot be smaller than the image minDisk size {image_meta['min_disk']}GB."
            raise exception.InvalidInput(reason=msg)


class QuotaReserveTask(Task):
    """Reserve one volume and its gigabytes."""

    source = SOURCE
    requires = ("size",)
    provides = "reservations"

    def __init__(self, service: Service, quotas: QuotaEngine) -> None:
        super().__init__(service)
        self.quotas = quotas

    def execute(self, context: Context, size: int) -> Steps:
        project = context.request.project
        try:
            reservations = yield from self.quotas.reserve(context, project, volumes=1, gigabytes=size)
        except exception.OverQuota as error:
            self._process_reserve_over_quota(context, error, size)
            raise
        return reservations

    def _process_reserve_over_quota(self, context: Context, over: exception.OverQuota, size: int) -> None:
        overs, quotas, usages = over.kwargs["overs"], over.kwargs["quotas"], over.kwargs["usages"]
        project = context.request.project
        for name in overs:
            consumed = usages[name]["reserved"] + usages[name]["in_use"]
            if "gigabytes" in name:
                self.say(logs.QUOTA_EXCEEDED, context, project, size, consumed, quotas[name])
                raise exception.VolumeSizeExceedsAvailableQuota(
                    name=name, requested=size, consumed=consumed, quota=quotas[name]
                )
            self.say(logs.VOLUMES_QUOTA_EXCEEDED, context, project, consumed)
            raise exception.VolumeLimitExceeded(allowed=quotas[name], name=name)

    def revert(self, context: Context, result: Any, error: Exception, store: dict[str, Any]) -> Steps:
        if result is None or store.get("is_quota_committed"):
            return None
        try:
            yield from self.quotas.rollback(context, result, context.request.project)
        except exception.CinderException as failure:
            self.exception(logs.ROLLBACK_FAILED, context, failure, result)


class EntryCreateTask(Task):
    """Write the volume's row, in status creating."""

    source = SOURCE
    requires = ("size", "name", "snapshot_id")

    def __init__(self, service: Service, db: Database) -> None:
        super().__init__(service)
        self.db = db

    def execute(self, context: Context, size: int, name: str, snapshot_id: str | None) -> Steps:
        volume_properties = {
            "size": size,
            "user_id": context.request.user,
            "project_id": context.request.project,
            "status": "creating",
            "attach_status": "detached",
            "display_name": name,
            "snapshot_id": snapshot_id,
        }
        volume = yield from self.db.volume_create(context, volume_properties)
        return {"volume_id": volume.id, "volume_properties": volume_properties, "volume": volume}

    def revert(self, context: Context, result: Any, error: Exception, store: dict[str, Any]) -> Steps:
        if result is None or store.get("is_quota_committed"):
            return
        try:
            yield from self.db.volume_destroy(context, result["volume_id"])
        except exception.CinderException as failure:
            self.exception(logs.ENTRY_DESTROY_FAILED, context, failure, result["volume_id"])


class QuotaCommitTask(Task):
    """Commit the reservation."""

    source = SOURCE
    requires = ("reservations", "volume_properties")

    def __init__(self, service: Service, quotas: QuotaEngine) -> None:
        super().__init__(service)
        self.quotas = quotas

    def execute(self, context: Context, reservations: list[str], volume_properties: dict[str, Any]) -> Steps:
        yield from self.quotas.commit(context, reservations, context.request.project)
        return {"volume_properties": volume_properties, "is_quota_committed": True}

    def revert(self, context: Context, result: Any, error: Exception, store: dict[str, Any]) -> Steps:
        if result is None:
            return
        project, size = context.request.project, result["volume_properties"]["size"]
        try:
            reservations = yield from self.quotas.reserve(context, project, volumes=-1, gigabytes=-size)
            if reservations:
                yield from self.quotas.commit(context, reservations, project)
        except Exception as failure:
            self.unexpected(failure)
            self.exception(logs.API_QUOTA_FAILED, context, failure)


class VolumeCastTask(Task):
    """Hand the creation over: to the scheduler, or to the host that has the snapshot."""

    source = SOURCE
    requires = ("image_id", "snapshot_id", "volume_id", "volume", "volume_properties")

    def __init__(self, service: AmqpService, db: Database, scheduler_rpcapi: SchedulerAPI, volume_rpcapi: VolumeAPI):
        super().__init__(service)
        self.db = db
        self.scheduler_rpcapi = scheduler_rpcapi
        self.volume_rpcapi = volume_rpcapi

    def execute(
        self,
        context: Context,
        image_id: str | None,
        snapshot_id: str | None,
        volume_id: str,
        volume: Volume,
        volume_properties: dict[str, Any],
    ) -> Steps:
        request_spec = {
            "image_id": image_id,
            "snapshot_id": snapshot_id,
            "volume_id": volume_id,
            "volume_properties": volume_properties,
            "volume": volume,
        }
        yield from self._cast_create_volume(context, request_spec, {})

    def _cast_create_volume(
        self, context: Context, request_spec: dict[str, Any], filter_properties: dict[str, Any]
    ) -> Steps:
        volume = request_spec["volume"]
        snapshot_id = request_spec["snapshot_id"]
        if snapshot_id:  # `snapshot_same_host`: LVM cannot copy a snapshot across hosts
            snapshot = yield from self.db.snapshot_get(context, snapshot_id)
            source = yield from self.db.volume_get(context, snapshot.volume_id)
            request_spec["resource_backend"] = source.host
        yield from self.scheduler_rpcapi.create_volume(
            context,
            volume,
            snapshot_id=snapshot_id,
            image_id=request_spec["image_id"],
            request_spec=request_spec,
            filter_properties=filter_properties,
        )

    def revert(self, context: Context, result: Any, error: Exception, store: dict[str, Any]) -> Steps:
        volume_id = store["volume_id"]
        try:
            yield from self.db.volume_update(context, volume_id, {"status": "error"})
        except exception.CinderException as failure:
            self.exception(logs.SETTING_TO_ERROR_FAILED, context, failure, "volume_id", volume_id, "error")
        self.say(logs.API_CREATE_FAILED, context, volume_id)
        self.exception(logs.API_UNEXPECTED_BUILD_ERROR, context, error)
