"""cinder-volume's procedures: what happens to volumes and snapshots on their backend."""

from __future__ import annotations

from typing import Any

from twin.mechanics import cinder as facts
from twin.openstack.cinder import exception, logs
from twin.openstack.cinder.db import Database
from twin.openstack.cinder.flow_utils import Engine
from twin.openstack.cinder.image import GlanceImageService
from twin.openstack.cinder.quota import QuotaEngine
from twin.openstack.cinder.scheduler.rpcapi import SchedulerAPI
from twin.openstack.cinder.tables import Attachment, Snapshot, Volume
from twin.openstack.cinder.volume.drivers.lvm import VERSION, LVMVolumeDriver
from twin.openstack.cinder.volume.flows import manager as flow
from twin.openstack.infrastructure.volumes import VolumeBackend
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps


class VolumeManager(Flow):
    """cinder.volume.manager.VolumeManager."""

    source = "cinder.volume.manager"

    def __init__(self, service: AmqpService, backend: VolumeBackend) -> None:
        super().__init__(service)
        self.db = Database(service)
        self.quotas = QuotaEngine(service)
        self.driver = LVMVolumeDriver(service, backend)
        self.scheduler_rpcapi = SchedulerAPI(service)
        self.image_service = GlanceImageService(service)
        self.allocated_capacity_gb = 0
        self.create_flow = (
            flow.ExtractVolumeRefTask(service, self.db),
            flow.OnFailureRescheduleTask(service, self.db, self.driver, self.scheduler_rpcapi),
            flow.ExtractVolumeSpecTask(service, self.image_service),
            flow.NotifyVolumeActionTask(service),
            flow.CreateVolumeFromSpecTask(service, self.db, self.driver),
            flow.CreateVolumeOnFinishTask(service, self.db),
        )

    # --- start ---------------------------------------------------------------------------------------------------

    def init_host(self, context: Context, host: str, unfinished: list[Volume]) -> Steps:
        """Set the driver up, export again what is attached, clean up what the last process left unfinished."""
        self.say(logs.DRIVER_STARTING, context, "LVMVolumeDriver", VERSION)
        try:
            yield from self.driver.check_for_setup_error(context)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.DRIVER_FAILED, context, error)
            return
        for volume in [v for v in self.site.volumes.volumes.values() if v.host and v.host.startswith(f"{host}#")]:
            self.allocated_capacity_gb += volume.size
            if volume.status == "in-use":
                try:
                    yield from self.driver.ensure_export(context, volume)
                except Exception as error:
                    self.unexpected(error)
                    self.exception(logs.REEXPORT_FAILED, context, error)
                    yield from self.db.volume_update(context, volume.id, {"status": "error"})
        self.driver.initialized = True
        self.say(logs.DRIVER_READY, context)
        self.say(logs.CLEANUP_STARTED, context, "cinder-volume")
        for volume in unfinished:
            yield from self._do_cleanup(context, volume)
        self.say(logs.CLEANUP_DONE, context, "cinder-volume")

    def _do_cleanup(self, context: Context, volume: Volume) -> Steps:
        self.say(logs.CLEANING, context, "Volume", volume.id, volume.status)
        if volume.status in ("creating", "downloading"):
            yield from self.db.volume_update(context, volume.id, {"status": "error"})
        elif volume.status == "deleting":
            yield from self.delete_volume(context, volume)

    # --- volumes -------------------------------------------------------------------------------------------------

    def create_volume(
        self,
        context: Context,
        volume: Volume,
        request_spec: dict[str, Any] | None = None,
        filter_properties: dict[str, Any] | None = None,
        allow_reschedule: bool = True,
    ) -> Steps:
        """Make a volume that the scheduler sent here."""
        yield from self.think(context, facts.RPC["create_volume"])
        self._update_allocated_capacity(volume)
        if filter_properties is None:
            filter_properties = {}
        if request_spec is None:
            request_spec = {}
        engine = Engine(self.service, "volume_create_manager", self.create_flow, flow.STATEMENTS)
        try:
            yield from self._run_flow(context, engine, volume, request_spec, filter_properties, allow_reschedule)
        except Exception:
            if engine.reverted.get(flow.OnFailureRescheduleTask):
                self._update_allocated_capacity(volume, decrement=True)
            raise
        self.say(logs.CREATED, context)
        return volume.id

    def _run_flow(
        self,
        context: Context,
        engine: Engine,
        volume: Volume,
        request_spec: dict[str, Any],
        filter_properties: dict[str, Any],
        allow_reschedule: bool,
    ) -> Steps:
        store = {
            "volume": volume,
            "request_spec": request_spec,
            "filter_properties": filter_properties,
            "do_reschedule": allow_reschedule and request_spec and filter_properties.get("retry"),
        }
        yield from engine.run(context, store)

    def delete_volume(self, context: Context, volume: Volume) -> Steps:
        """Delete a volume from the backend and from the database."""
        yield from self.think(context, facts.RPC["delete_volume"])
        try:
            volume = yield from self.db.volume_get(context, volume.id)
        except exception.VolumeNotFound:
            self.service.debug(logs.DELETE_OF_UNKNOWN, context, volume.id)
            return
        if volume.attach_status == "attached":
            raise exception.InvalidVolume(reason="Volume is still attached")
        project_id = volume.project_id
        self._notify_about_volume_usage(context, volume, "delete.start")
        try:
            self._require_driver_initialized(context)
            yield from self.driver.remove_export(context, volume)
            yield from self.driver.delete_volume(context, volume)
        except exception.VolumeIsBusy as error:
            self.say(logs.DELETE_BUSY, context, error)
            yield from self._clear_db(context, volume, "available")
            return
        except Exception as error:
            self.unexpected(error)
            yield from self._clear_db(context, volume, "error_deleting")
            raise
        reservations = None
        try:
            reservations = yield from self.quotas.reserve(context, project_id, volumes=-1, gigabytes=-volume.size)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.USAGES_FAILED, context, error)
        yield from self.db.volume_destroy(context, volume.id)
        self._notify_about_volume_usage(context, volume, "delete.end")
        if reservations:
            yield from self.quotas.commit(context, reservations, project_id)
        self._update_allocated_capacity(volume, decrement=True)
        yield from self.publish_service_capabilities(context)
        self.say(logs.DELETED, context)

    def _clear_db(self, context: Context, volume: Volume, status: str) -> Steps:
        yield from self.db.volume_update(context, volume.id, {"status": status})

    def extend_volume(self, context: Context, volume: Volume, new_size: int, reservations: list[str]) -> Steps:
        """Let a volume grow."""
        yield from self.think(context, facts.RPC["extend_volume"])
        try:
            self._require_driver_initialized(context)
        except exception.DriverNotInitialized:
            yield from self.db.volume_update(context, volume.id, {"status": "error_extending"})
            raise
        project_id = volume.project_id
        size_increase = int(new_size) - volume.size
        self._notify_about_volume_usage(context, volume, "resize.start")
        try:
            yield from self.driver.extend_volume(context, volume, new_size)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.EXTEND_FAILED, context, error)
            yield from self.db.volume_update(context, volume.id, {"status": "error_extending"})
            yield from self.quotas.rollback(context, reservations, project_id)
            return
        yield from self.quotas.commit(context, reservations, project_id)
        values = {"size": int(new_size), "status": "available", "previous_status": None}
        yield from self.db.volume_update(context, volume.id, values)
        self.allocated_capacity_gb += size_increase
        self._notify_about_volume_usage(context, volume, "resize.end")
        self.say(logs.EXTENDED, context)

    # --- snapshots -----------------------------------------------------------------------------------------------

    def create_snapshot(self, context: Context, snapshot: Snapshot) -> Steps:
        """Make a snapshot."""
        yield from self.think(context, facts.RPC["create_snapshot"])
        self._notify_about_snapshot_usage(context, snapshot, "create.start")
        try:
            self._require_driver_initialized(context)
            yield from self.driver.create_snapshot(context, snapshot)
        except Exception as error:
            self.unexpected(error)
            yield from self.db.snapshot_update(context, snapshot.id, {"status": "error"})
            raise
        yield from self.db.snapshot_update(context, snapshot.id, {"status": "available", "progress": "100%"})
        self._notify_about_snapshot_usage(context, snapshot, "create.end")
        self.say(logs.SNAPSHOT_CREATED, context)
        return snapshot.id

    def delete_snapshot(self, context: Context, snapshot: Snapshot) -> Steps:
        """Delete a snapshot from the backend and from the database."""
        yield from self.think(context, facts.RPC["delete_snapshot"])
        project_id = snapshot.project_id
        self._notify_about_snapshot_usage(context, snapshot, "delete.start")
        try:
            self._require_driver_initialized(context)
            yield from self.driver.delete_snapshot(context, snapshot)
        except exception.SnapshotIsBusy as error:
            self.say(logs.SNAPSHOT_BUSY, context, error)
            yield from self.db.snapshot_update(context, snapshot.id, {"status": "available"})
            return
        except Exception as error:
            self.unexpected(error)
            yield from self.db.snapshot_update(context, snapshot.id, {"status": "error_deleting"})
            raise
        reservations = None
        try:
            size = snapshot.volume_size
            reservations = yield from self.quotas.reserve(context, project_id, snapshots=-1, gigabytes=-size)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.SNAPSHOT_USAGES_FAILED, context, error)
        yield from self.db.snapshot_destroy(context, snapshot.id)
        self._notify_about_snapshot_usage(context, snapshot, "delete.end")
        if reservations:
            yield from self.quotas.commit(context, reservations, project_id)
        self.say(logs.SNAPSHOT_DELETED, context)

    # --- attachments ---------------------------------------------------------------------------------------------

    def attachment_update(self, context: Context, vref: Volume, connector: dict[str, Any], attachment_id: str) -> Steps:
        """Connect a volume to the host that a connector describes; what that host needs to know."""
        yield from self.think(context, facts.RPC["attachment_update"])
        mode = connector.get("mode", "rw")
        self._notify_about_volume_usage(context, vref, "attach.start")
        attachment_ref = yield from self.db.volume_attachment_get(context, attachment_id)
        connection_info = yield from self._connection_create(context, vref, attachment_ref, connector)
        yield from self.db.volume_attached(
            context,
            attachment_ref.id,
            attachment_ref.instance_uuid,
            connector.get("host", ""),
            connector.get("mountpoint", "na"),
            mode,
            False,
        )
        self.say(logs.ATTACHMENT_UPDATED, context)
        return connection_info

    def _connection_create(
        self, context: Context, volume: Volume, attachment: Attachment, connector: dict[str, Any]
    ) -> Steps:
        self._require_driver_initialized(context)
        self.driver.validate_connector(connector)
        try:
            model_update = yield from self.driver.create_export(context, volume, connector)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.EXPORT_FAILED, context, error, error)
            raise exception.VolumeBackendAPIException(data=f"Create export of volume failed ({error})") from error
        if model_update:
            yield from self.db.volume_update(context, volume.id, model_update)
        try:
            conn_info = yield from self.driver.initialize_connection(context, volume, connector)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.CONNECTION_FAILED, context, error, error)
            yield from self.driver.remove_export(context, volume)
            message = f"Driver initialize connection failed (error: {error})."
            raise exception.VolumeBackendAPIException(data=message) from error
        conn_info = self._parse_connection_options(volume, conn_info)
        conn_data = conn_info.pop("data", {})
        connection_info = {**conn_data, **conn_info}
        values = {"attach_status": "attaching", "connector": connector}
        yield from self.db.volume_attachment_update(context, attachment.id, values)
        connection_info["attachment_id"] = attachment.id
        return connection_info

    def _parse_connection_options(self, volume: Volume, conn_info: dict[str, Any]) -> dict[str, Any]:
        conn_info["data"].update({"qos_specs": None, "access_mode": "rw", "encrypted": False, "cacheable": False})
        return conn_info

    def _connection_terminate(self, context: Context, volume: Volume, attachment: Attachment) -> Steps:
        self._require_driver_initialized(context)
        connector = attachment.connector
        if not connector:
            return None
        try:
            shared_connections = yield from self.driver.terminate_connection(context, volume, connector)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.TERMINATE_FAILED, context, error, error)
            message = f"Terminate volume connection failed: {error}"
            raise exception.VolumeBackendAPIException(data=message) from error
        self.say(logs.CONNECTION_ENDED, context)
        return shared_connections

    def attachment_delete(self, context: Context, attachment_id: str, vref: Volume) -> Steps:
        """Disconnect a volume and forget the attachment."""
        yield from self.think(context, facts.RPC["attachment_delete"])
        attachment_ref = yield from self.db.volume_attachment_get(context, attachment_id)
        self._notify_about_volume_usage(context, vref, "detach.start")
        has_shared_connection = yield from self._connection_terminate(context, vref, attachment_ref)
        try:
            if has_shared_connection is not None and not has_shared_connection:
                yield from self.driver.remove_export(context, vref)
        except Exception as error:
            self.unexpected(error)
            yield from self.db.volume_attachment_update(context, attachment_id, {"attach_status": "error_detaching"})
        else:
            yield from self.db.volume_detached(context, vref.id, attachment_ref.id)
        self._notify_about_volume_usage(context, vref, "detach.end")

    def detach_volume(self, context: Context, volume_id: str, attachment_id: str | None = None) -> Steps:
        """Detach without asking the server; all attachments where none is named."""
        yield from self.think(context, facts.RPC["attachment_delete"])
        volume = yield from self.db.volume_get(context, volume_id)
        attachments = list(volume.volume_attachment.values())
        if attachment_id is not None:
            attachments = [attachment for attachment in attachments if attachment.id == attachment_id]
        if not attachments:
            self.say(logs.DETACH_UNATTACHED, context)
            values = {"status": "available", "attach_status": "detached"}
            yield from self.db.volume_update(context, volume_id, values)
            return
        self._notify_about_volume_usage(context, volume, "detach.start")
        try:
            self._require_driver_initialized(context)
            yield from self.driver.remove_export(context, volume)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.DETACH_EXPORT_FAILED, context, error)
            raise
        for attachment in attachments:
            yield from self.db.volume_detached(context, volume_id, attachment.id)
        self._notify_about_volume_usage(context, volume, "detach.end")
        self.say(logs.DETACH_COMPLETED, context)

    # --- reports -------------------------------------------------------------------------------------------------

    def publish_service_capabilities(self, context: Context) -> Steps:
        """Tell the schedulers what the backend has."""
        yield from self._report_driver_status(context)

    def _report_driver_status(self, context: Context) -> Steps:
        if not self.driver.initialized:
            self.say(logs.DRIVER_UNINITIALIZED, context, f"(config name {facts.BACKEND})")
            return
        volume_stats = yield from self.driver.get_volume_stats(context)
        volume_stats["allocated_capacity_gb"] = self.allocated_capacity_gb
        self.service.debug(logs.NOTIFYING_SCHEDULERS, context)
        host = f"{self.service.node.name}@{facts.BACKEND}"
        yield from self.scheduler_rpcapi.update_service_capabilities(context, host, volume_stats)

    def _update_allocated_capacity(self, volume: Volume, decrement: bool = False) -> None:
        self.allocated_capacity_gb += -volume.size if decrement else volume.size

    def _require_driver_initialized(self, context: Context) -> None:
        if not self.driver.initialized:
            self.say(logs.NOT_INITIALIZED, context, "LVMVolumeDriver")
            raise exception.DriverNotInitialized()

    def _notify_about_volume_usage(self, context: Context, volume: Volume, event_suffix: str) -> None:
        self.notify(context, f"volume.{event_suffix}", volume_id=volume.id, host=volume.host)

    def _notify_about_snapshot_usage(self, context: Context, snapshot: Snapshot, event_suffix: str) -> None:
        self.notify(context, f"snapshot.{event_suffix}", snapshot_id=snapshot.id)
