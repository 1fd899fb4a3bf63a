"""cinder-scheduler's procedures."""

from __future__ import annotations

from typing import Any

from twin.mechanics import cinder as facts
from twin.openstack.cinder import exception, logs
from twin.openstack.cinder.db import Database
from twin.openstack.cinder.flow_utils import Engine, Statements, Task
from twin.openstack.cinder.quota import QuotaEngine
from twin.openstack.cinder.scheduler.filter_scheduler import FilterScheduler
from twin.openstack.cinder.tables import Snapshot, Volume
from twin.openstack.cinder.volume.rpcapi import VolumeAPI
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Service, Steps

SOURCE = "cinder.scheduler.flows.create_volume"
STATEMENTS = Statements(logs.SCHEDULER_TASK_FAILED, logs.SCHEDULER_TASK_REVERTED, logs.SCHEDULER_FLOW_REVERTED)


class ExtractSchedulerSpecTask(Task):
    """Complete the request."""

    source = SOURCE
    requires = ("volume", "request_spec", "snapshot_id", "image_id")

    def execute(
        self,
        context: Context,
        volume: Volume,
        request_spec: dict[str, Any] | None,
        snapshot_id: str | None,
        image_id: str | None,
    ) -> Steps:
        if request_spec is None:
            request_spec = self._populate_request_spec(volume, snapshot_id, image_id)
        return {"request_spec": request_spec}
        yield

    def _populate_request_spec(self, volume: Volume, snapshot_id: str | None, image_id: str | None) -> dict[str, Any]:
        return {
            "volume_id": volume.id,
            "snapshot_id": snapshot_id,
            "image_id": image_id,
            "volume_properties": {"size": volume.size},
        }


class ScheduleCreateVolumeTask(Task):
    """Schedule; what cannot be scheduled ends in error."""

    source = SOURCE
    requires = ("request_spec", "filter_properties", "volume")

    def __init__(self, service: Service, db: Database, driver_api: FilterScheduler) -> None:
        super().__init__(service)
        self.db = db
        self.driver_api = driver_api

    def execute(
        self, context: Context, request_spec: dict[str, Any], filter_properties: dict[str, Any], volume: Volume
    ) -> Steps:
        try:
            yield from self.driver_api.schedule_create_volume(context, request_spec, filter_properties)
        except exception.NoValidBackend as error:
            yield from self._handle_failure(context, request_spec, error)
        except Exception as error:
            self.unexpected(error)
            yield from self._handle_failure(context, request_spec, error)
            raise

    def _handle_failure(self, context: Context, request_spec: dict[str, Any], cause: Exception) -> Steps:
        """Notify, print, set the volume to error."""
        volume_id = request_spec["volume_id"]
        self.notify(context, "scheduler.create_volume", volume_id=volume_id, reason=str(cause))
        self.say(logs.TASK_FAILED, context, self.name, cause)
        yield from self._error_out(context, volume_id)

    def _error_out(self, context: Context, volume_id: str) -> Steps:
        try:
            yield from self.db.volume_update(context, volume_id, {"status": "error"})
        except exception.CinderException as error:
            self.exception(logs.SETTING_TO_ERROR_FAILED, context, error, "volume", volume_id, "error")


class SchedulerManager(Flow):
    """cinder.scheduler.manager.SchedulerManager."""

    source = "cinder.scheduler.manager"

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.db = Database(service)
        self.driver = FilterScheduler(service)
        self.quotas = QuotaEngine(service)
        self.volume_rpcapi = VolumeAPI(service)
        self.startup_delay = False
        """Whether it waits for the first report of a backend, or for the first minute to pass."""
        self.create_flow = (
            ExtractSchedulerSpecTask(service),
            ScheduleCreateVolumeTask(service, self.db, self.driver),
        )

    def _wait_for_scheduler(self) -> Steps:
        while self.startup_delay and not self.driver.host_manager.service_states:
            yield self.clock.timeout(1.0)

    def update_service_capabilities(
        self, context: Context, service_name: str, host: str, capabilities: dict[str, Any]
    ) -> Steps:
        """A backend's report."""
        yield from self.think(context, facts.RPC["update_service_capabilities"])
        self.driver.host_manager.update_service_capabilities(context, service_name, host, capabilities)

    def create_volume(
        self,
        context: Context,
        volume: Volume,
        snapshot_id: str | None = None,
        image_id: str | None = None,
        request_spec: dict[str, Any] | None = None,
        filter_properties: dict[str, Any] | None = None,
    ) -> Steps:
        """Find a backend for a volume."""
        yield from self._wait_for_scheduler()
        yield from self.think(context, facts.RPC["schedule"])
        engine = Engine(self.service, "volume_create_scheduler", self.create_flow, STATEMENTS)
        store = {
            "volume": volume,
            "snapshot_id": snapshot_id,
            "image_id": image_id,
            "request_spec": request_spec,
            "filter_properties": filter_properties if filter_properties is not None else {},
        }
        yield from engine.run(context, store)

    def create_snapshot(
        self, context: Context, volume: Volume, snapshot: Snapshot, backend: str, request_spec: dict[str, Any]
    ) -> Steps:
        """Check that the volume's backend takes a snapshot, and have it made."""
        yield from self._wait_for_scheduler()
        yield from self.think(context, facts.RPC["schedule"])
        try:
            tgt_backend = yield from self.driver.backend_passes_filters(context, backend, request_spec, {})
            tgt_backend.consume_from_volume(request_spec["volume_properties"]["size"])
        except exception.NoValidBackend as error:
            self._set_snapshot_state_and_notify(context, "create_snapshot", snapshot, error)
            yield from self.db.snapshot_update(context, snapshot.id, {"status": "error"})
            return
        yield from self.volume_rpcapi.create_snapshot(context, volume, snapshot)

    def extend_volume(
        self,
        context: Context,
        volume: Volume,
        new_size: int,
        reservations: list[str],
        request_spec: dict[str, Any],
    ) -> Steps:
        """Check that the volume's backend has room for it to grow, and have it grow."""
        yield from self._wait_for_scheduler()
        yield from self.think(context, facts.RPC["schedule"])
        try:
            backend_state = yield from self.driver.backend_passes_filters(context, volume.host, request_spec, {})
            backend_state.consume_from_volume(new_size - volume.size)
        except exception.NoValidBackend as error:
            yield from self.quotas.rollback(context, reservations, volume.project_id)
            yield from self._extend_volume_set_error(context, volume, error)
            return
        yield from self.volume_rpcapi.extend_volume(context, volume, new_size, reservations)

    def _extend_volume_set_error(self, context: Context, volume: Volume, error: Exception) -> Steps:
        self.exception(logs.SCHEDULE_METHOD_FAILED, context, error, "extend_volume", error)
        values = {"status": volume.previous_status, "previous_status": None}
        yield from self.db.volume_update(context, volume.id, values)
        self.notify(context, "scheduler.extend_volume", volume_id=volume.id, reason=str(error))

    def _set_snapshot_state_and_notify(
        self, context: Context, method: str, snapshot: Snapshot, error: Exception
    ) -> None:
        self.exception(logs.SCHEDULE_METHOD_FAILED, context, error, method, error)
        self.notify(context, f"scheduler.{method}", snapshot_id=snapshot.id, reason=str(error))
