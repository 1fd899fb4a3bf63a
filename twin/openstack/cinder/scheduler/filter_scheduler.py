"""The filter scheduler: filter, weigh, choose, hand over; three attempts in all."""

from __future__ import annotations

from typing import Any

from twin.mechanics import cinder as facts
from twin.openstack.cinder import exception, logs
from twin.openstack.cinder.db import Database
from twin.openstack.cinder.scheduler.host_manager import BackendState, HostManager
from twin.openstack.cinder.volume.rpcapi import VolumeAPI
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps


class FilterScheduler(Flow):
    """cinder.scheduler.filter_scheduler.FilterScheduler."""

    source = "cinder.scheduler.filter_scheduler"

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.db = Database(service)
        self.host_manager = HostManager(service)
        self.volume_rpcapi = VolumeAPI(service)
        self.max_attempts = facts.SCHEDULER_MAX_ATTEMPTS

    def schedule_create_volume(
        self, context: Context, request_spec: dict[str, Any], filter_properties: dict[str, Any]
    ) -> Steps:
        """Choose a backend for a volume and tell it. Raises NoValidBackend."""
        backend = yield from self._schedule(context, request_spec, filter_properties)
        if not backend:
            raise exception.NoValidBackend(reason="No weighed backends available")
        volume_id = request_spec["volume_id"]
        updated_volume = yield from self.volume_update_db(context, volume_id, backend.host)
        self._post_select_populate_filter_properties(filter_properties, backend)
        yield from self.volume_rpcapi.create_volume(
            context, updated_volume, request_spec, filter_properties, allow_reschedule=True
        )

    def volume_update_db(self, context: Context, volume_id: str, host: str) -> Steps:
        """Write the chosen host; the volume (cinder.scheduler.driver)."""
        yield from self.db.volume_update(context, volume_id, {"host": host})
        return (yield from self.db.volume_get(context, volume_id))

    def backend_passes_filters(
        self, context: Context, backend: str | None, request_spec: dict[str, Any], filter_properties: dict[str, Any]
    ) -> Steps:
        """The state of a given backend. Raises NoValidBackend where it does not pass."""
        weighed_backends = yield from self._get_weighted_candidates(context, request_spec, filter_properties)
        for weighed_backend in weighed_backends:
            if weighed_backend.backend_id == backend:
                return weighed_backend
        resource = "snapshot" if request_spec.get("snapshot_id") else "volume"
        identity = request_spec.get(f"{resource}_id", "??id missing??")
        raise exception.NoValidBackend(reason=f"Cannot place {resource} {identity} on {backend}.")

    def _schedule(self, context: Context, request_spec: dict[str, Any], filter_properties: dict[str, Any]) -> Steps:
        weighed_backends = yield from self._get_weighted_candidates(context, request_spec, filter_properties)
        resource_backend = request_spec.get("resource_backend")
        if weighed_backends and resource_backend:
            weighed_backends = [backend for backend in weighed_backends if backend.backend_id == resource_backend]
        if not weighed_backends:
            self.say(logs.NO_BACKEND, context, request_spec.get("volume_type"))
            return None
        return self._choose_top_backend(weighed_backends, request_spec)

    def _choose_top_backend(self, weighed_backends: list[BackendState], request_spec: dict[str, Any]) -> BackendState:
        top_backend = weighed_backends[0]
        self.service.debug(logs.CHOSEN, None, top_backend.backend_id)
        top_backend.consume_from_volume(request_spec["volume_properties"]["size"])
        return top_backend

    def _get_weighted_candidates(
        self, context: Context, request_spec: dict[str, Any], filter_properties: dict[str, Any]
    ) -> Steps:
        self._populate_retry(context, filter_properties, request_spec["volume_properties"])
        filter_properties["request_spec"] = request_spec
        self.populate_filter_properties(request_spec, filter_properties)
        backends = yield from self.host_manager.get_all_backend_states(context)
        backends = self.host_manager.get_filtered_backends(context, backends, filter_properties)
        if not backends:
            return []
        return self.host_manager.get_weighed_backends(context, backends, filter_properties)

    def populate_filter_properties(self, request_spec: dict[str, Any], filter_properties: dict[str, Any]) -> None:
        """What the filters look at."""
        vol = request_spec["volume_properties"]
        filter_properties["size"] = vol["size"]
        filter_properties["availability_zone"] = vol.get("availability_zone")
        filter_properties["user_id"] = vol.get("user_id")

    def _post_select_populate_filter_properties(
        self, filter_properties: dict[str, Any], backend_state: BackendState
    ) -> None:
        self._add_retry_backend(filter_properties, backend_state.backend_id)

    def _add_retry_backend(self, filter_properties: dict[str, Any], backend: str) -> None:
        retry = filter_properties.get("retry")
        if retry:
            retry["backends"].append(backend)

    def _log_volume_error(self, context: Context, volume_id: str | None, retry: dict[str, Any]) -> None:
        exc = retry.pop("exc", None)
        backends = retry.get("backends")
        if exc and backends:
            self.say(logs.LAST_BACKEND_FAILED, context, volume_id, backends[-1], exc)

    def _populate_retry(self, context: Context, filter_properties: dict[str, Any], properties: dict[str, Any]) -> None:
        retry = filter_properties.pop("retry", {})
        if self.max_attempts == 1:
            return
        if retry:
            retry["num_attempts"] += 1
        else:
            retry = {"num_attempts": 1, "backends": []}
        filter_properties["retry"] = retry
        volume_id = properties.get("volume_id")  # which nobody puts there: the real lines say None too
        self._log_volume_error(context, volume_id, retry)
        if retry["num_attempts"] > self.max_attempts:
            reason = f"Exceeded max scheduling attempts {self.max_attempts} for volume {volume_id}"
            raise exception.NoValidBackend(reason=reason)
