"""The part of a volume's creation that cinder-volume does: on the backend; where that fails, give it back."""

from __future__ import annotations

from typing import Any

from twin.openstack.cinder import exception, logs
from twin.openstack.cinder.db import Database
from twin.openstack.cinder.flow_utils import Statements, Task
from twin.openstack.cinder.image import GlanceImageService
from twin.openstack.cinder.scheduler.rpcapi import SchedulerAPI
from twin.openstack.cinder.tables import Volume
from twin.openstack.cinder.volume.drivers.lvm import LVMVolumeDriver
from twin.openstack.infrastructure.errors import ProcessExecutionError
from twin.openstack.oslo import traceback
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Service, Steps

SOURCE = "cinder.volume.flows.manager.create_volume"
STATEMENTS = Statements(logs.MANAGER_TASK_FAILED, logs.MANAGER_TASK_REVERTED, logs.MANAGER_FLOW_REVERTED)

NO_RESCHEDULE = (
    exception.ImageCopyFailure,
    exception.VolumeNotFound,
    exception.SnapshotNotFound,
    exception.VolumeTypeNotFound,
    exception.ImageUnacceptable,
    exception.ImageTooBig,
)


class ExtractVolumeRefTask(Task):
    """Read the volume again: it may be gone."""

    source = SOURCE
    requires = ("volume",)
    provides = "refreshed"

    def __init__(self, service: Service, db: Database) -> None:
        super().__init__(service)
        self.db = db

    def execute(self, context: Context, volume: Volume) -> Steps:
        return (yield from self.db.volume_get(context, volume.id))


class OnFailureRescheduleTask(Task):
    """Does nothing; its revert gives the volume back to the scheduler, or sets it to error."""

    source = SOURCE

    def __init__(self, service: Service, db: Database, driver: LVMVolumeDriver, scheduler_rpcapi: SchedulerAPI) -> None:
        super().__init__(service)
        self.db = db
        self.driver = driver
        self.scheduler_rpcapi = scheduler_rpcapi

    def execute(self, context: Context) -> Steps:
        yield from ()

    def revert(self, context: Context, result: Any, error: Exception, store: dict[str, Any]) -> Steps:
        volume = store["volume"]
        if not store["do_reschedule"] or isinstance(error, NO_RESCHEDULE):
            yield from self._error_out(context, volume)
            self.say(logs.CREATE_FAILED, context, volume.id)
            return False
        try:
            yield from self._pre_reschedule(context, volume)
            yield from self._reschedule(context, error, store["request_spec"], store["filter_properties"], volume)
            yield from self._post_reschedule(context, volume)
        except exception.CinderException as failure:
            self.exception(logs.CREATE_RESCHEDULE_FAILED, context, failure, volume.id)
            return False
        return True

    def _error_out(self, context: Context, volume: Volume) -> Steps:
        try:
            yield from self.db.volume_update(context, volume.id, {"status": "error"})
        except exception.CinderException as failure:
            self.exception(logs.SETTING_TO_ERROR_FAILED, context, failure, "volume", volume.id, "error")

    def _pre_reschedule(self, context: Context, volume: Volume) -> Steps:
        try:
            yield from self.db.volume_update(context, volume.id, {"host": None})
        except exception.CinderException as failure:
            self.exception(logs.CREATE_STATE_FAILED, context, failure, volume.id)

    def _reschedule(
        self,
        context: Context,
        cause: Exception,
        request_spec: dict[str, Any],
        filter_properties: dict[str, Any],
        volume: Volume,
    ) -> Steps:
        retry_info = filter_properties["retry"]
        request_spec["volume_id"] = volume.id
        self.service.debug(
            logs.CREATE_RESCHEDULING, context, volume.id, "create_volume", retry_info["num_attempts"], cause
        )
        retry_info["exc"] = [f"{line}\n" for line in traceback.lines(cause)]
        yield from self.scheduler_rpcapi.create_volume(
            context, volume, request_spec=request_spec, filter_properties=filter_properties
        )

    def _post_reschedule(self, context: Context, volume: Volume) -> Steps:
        self.service.debug(logs.CREATE_RESCHEDULED, context, volume.id)
        try:
            yield from self.driver.delete_volume(context, volume)
        except Exception as error:
            self.unexpected(error)


class ExtractVolumeSpecTask(Task):
    """What kind of volume it will be."""

    source = SOURCE
    requires = ("volume", "request_spec")
    provides = "volume_spec"

    def __init__(self, service: Service, image_service: GlanceImageService) -> None:
        super().__init__(service)
        self.image_service = image_service

    def execute(self, context: Context, volume: Volume, request_spec: dict[str, Any]) -> Steps:
        specs: dict[str, Any] = {
            "status": volume.status,
            "type": "raw",
            "volume_id": volume.id,
            "volume_name": volume.name,
            "volume_size": volume.size,
        }
        if volume.snapshot_id:
            specs.update({"type": "snap", "snapshot_id": volume.snapshot_id})
        elif request_spec.get("image_id"):
            image_id = request_spec["image_id"]
            image_meta = yield from self.image_service.show(context, image_id)
            specs.update({"type": "image", "image_id": image_id, "image_meta": image_meta})
        return specs


class NotifyVolumeActionTask(Task):
    """volume.create.start."""

    source = SOURCE
    requires = ("volume",)
    addons = "volume:create, create.start"

    def execute(self, context: Context, volume: Volume) -> Steps:
        self.notify(context, "volume.create.start", volume_id=volume.id, host=volume.host)
        yield from ()


class CreateVolumeFromSpecTask(Task):
    """Make it."""

    source = SOURCE
    requires = ("volume", "volume_spec")
    provides = "volume_spec"

    def __init__(self, service: Service, db: Database, driver: LVMVolumeDriver) -> None:
        super().__init__(service)
        self.db = db
        self.driver = driver

    def execute(self, context: Context, volume: Volume, volume_spec: dict[str, Any]) -> Steps:
        volume_spec = dict(volume_spec)
        volume_id = volume_spec.pop("volume_id", None)
        if not self.driver.initialized:
            self.say(logs.CREATE_NO_DRIVER, context, "LVMVolumeDriver")
            raise exception.DriverNotInitialized()
        create_type = volume_spec.pop("type", None)
        self.say(logs.CREATE_AS, context, volume_id, create_type, volume_spec)
        if create_type == "raw":
            yield from self._create_raw_volume(context, volume)
        elif create_type == "snap":
            yield from self._create_from_snapshot(context, volume, volume_spec["snapshot_id"])
        elif create_type == "image":
            image_id, image_meta = volume_spec["image_id"], volume_spec["image_meta"]
            yield from self._create_from_image(context, volume, image_id, image_meta)
        else:
            raise exception.VolumeTypeNotFound(volume_type_id=create_type)
        return volume_spec

    def _create_raw_volume(self, context: Context, volume: Volume) -> Steps:
        yield from self.driver.create_volume(context, volume)

    def _create_from_snapshot(self, context: Context, volume: Volume, snapshot_id: str) -> Steps:
        snapshot = yield from self.db.snapshot_get(context, snapshot_id)
        yield from self.driver.create_volume_from_snapshot(context, volume, snapshot)

    def _create_from_image(self, context: Context, volume: Volume, image_id: str, image_meta: dict[str, Any]) -> Steps:
        self.service.debug(logs.CLONING_FROM_IMAGE, context, volume.id, image_id, "None")
        yield from self._create_from_image_download(context, volume, image_id, image_meta)
        yield from self._handle_bootable_volume_glance_meta(context, volume, image_id)

    def _create_from_image_download(
        self, context: Context, volume: Volume, image_id: str, image_meta: dict[str, Any]
    ) -> Steps:
        yield from self.driver.create_volume(context, volume)
        yield from self.db.volume_update(context, volume.id, {"status": "downloading"})
        yield from self._copy_image_to_volume(context, volume, image_id)

    def _copy_image_to_volume(self, context: Context, volume: Volume, image_id: str) -> Steps:
        try:
            yield from self.driver.copy_image_to_volume(context, volume, image_id)
        except ProcessExecutionError as error:
            self.exception(logs.IMAGE_COPY_FAILED, context, error, image_id, volume.id)
            raise exception.ImageCopyFailure(reason=error.stderr) from error
        except exception.ImageUnacceptable as error:
            self.exception(logs.IMAGE_COPY_FAILED, context, error, image_id, volume.id)
            raise
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.IMAGE_COPY_FAILED, context, error, image_id, volume.id)
            raise exception.ImageCopyFailure(reason=error) from error

    def _handle_bootable_volume_glance_meta(self, context: Context, volume: Volume, image_id: str) -> Steps:
        yield from self.db.volume_update(context, volume.id, {"bootable": True})


class CreateVolumeOnFinishTask(Task):
    """Write available, and notify."""

    source = SOURCE
    requires = ("volume", "volume_spec")
    addons = "volume:create, create.end"

    def __init__(self, service: Service, db: Database) -> None:
        super().__init__(service)
        self.db = db

    def execute(self, context: Context, volume: Volume, volume_spec: dict[str, Any]) -> Steps:
        update = {"status": "available", "launched_at": self.world.now}
        try:
            yield from self.db.volume_update(context, volume.id, update)
            self.notify(context, "volume.create.end", volume_id=volume.id, host=volume.host)
        except exception.CinderException as error:
            self.exception(logs.CREATE_FINISH_FAILED, context, error, volume.id, update)
        self.say(logs.CREATE_DONE, context, volume_spec["volume_name"], volume.id)
