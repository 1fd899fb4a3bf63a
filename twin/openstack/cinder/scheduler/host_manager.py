"""What the scheduler knows of the backends: their own reports, their services' heartbeats, what it gave them since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twin.openstack.cinder import logs
from twin.openstack.cinder.db import Database
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps


@dataclass(slots=True)
class BackendState:
    """A pool as the scheduler sees it. Gigabytes."""

    host: str
    """With backend and pool, ``controller-2@lvm#LVM``."""
    total_capacity_gb: float
    free_capacity_gb: float
    provisioned_capacity_gb: float
    allocated_capacity_gb: float
    max_over_subscription_ratio: float
    thin_provisioning_support: bool
    reserved_percentage: int
    backend_state: str
    updated: float

    @property
    def backend_id(self) -> str:
        """Cluster or host."""
        return self.host

    def consume_from_volume(self, size: int) -> None:
        """Count a volume that was sent there, until the next report."""
        self.allocated_capacity_gb += size
        self.provisioned_capacity_gb += size
        self.free_capacity_gb -= size


class CapacityFilter(Flow):
    """cinder.scheduler.filters.capacity_filter.CapacityFilter."""

    source = "cinder.scheduler.filters.capacity_filter"

    def backend_passes(self, context: Context, backend: BackendState, filter_properties: dict[str, Any]) -> bool:
        """Whether the backend has room for a volume of that size."""
        if filter_properties.get("vol_exists_on") == backend.backend_id:
            return True
        size = filter_properties.get("size")
        total, free = backend.total_capacity_gb, backend.free_capacity_gb
        if total <= 0:
            self.say(logs.NO_CAPACITY, context, total, "host", backend.host)
            return False
        free -= int(total * backend.reserved_percentage / 100)
        if backend.thin_provisioning_support:
            ratio = (backend.provisioned_capacity_gb + size) / total  # type: ignore[operator]
            if ratio > backend.max_over_subscription_ratio:
                limit = backend.max_over_subscription_ratio
                self.say(logs.OVERSUBSCRIBED, context, ratio, limit, "host", backend.host)
                return False
            virtual = free * backend.max_over_subscription_ratio
            if virtual < size:  # type: ignore[operator]
                self.say(logs.NO_VIRTUAL_SPACE, context, virtual, size, "host", backend.host)
                return False
            return True
        if free < size:  # type: ignore[operator]
            self.say(logs.NO_SPACE, context, "host", backend.host, size, free)
            return False
        return True


class AvailabilityZoneFilter(Flow):
    """cinder.scheduler.filters.availability_zone_filter: there is one zone here."""

    source = "cinder.scheduler.filters.availability_zone_filter"

    def backend_passes(self, context: Context, backend: BackendState, filter_properties: dict[str, Any]) -> bool:
        """Whether the backend is in the zone that the client wants, if any."""
        zone = filter_properties.get("availability_zone")
        return zone is None or zone == "nova"


class CapabilitiesFilter(Flow):
    """cinder.scheduler.filters.capabilities_filter."""

    source = "cinder.scheduler.filters.capabilities_filter"

    def backend_passes(self, context: Context, backend: BackendState, filter_properties: dict[str, Any]) -> bool:
        """Whether the backend is up and offers what the volume type asks for."""
        return backend.backend_state == "up"


class HostManager(Flow):
    """cinder.scheduler.host_manager.HostManager. Its memory goes with the process."""

    source = "cinder.scheduler.host_manager"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.db = Database(service)
        self.service_states: dict[str, dict[str, Any]] = {}
        """By backend host (without pool): what it reported, and when it came."""
        self.backend_state_map: dict[str, BackendState] = {}
        self.capacity_filter = CapacityFilter(service)
        self.zone_filter = AvailabilityZoneFilter(service)
        self.capabilities_filter = CapabilitiesFilter(service)

    def forget(self) -> None:
        """A new process knows nothing."""
        self.service_states.clear()
        self.backend_state_map.clear()

    def update_service_capabilities(
        self, context: Context, service_name: str, host: str, capabilities: dict[str, Any]
    ) -> None:
        """Take in a report."""
        if service_name != "volume":
            return
        self.service.debug(logs.CAPABILITIES_RECEIVED, context, service_name, host, capabilities)
        self.service_states[host] = {**capabilities, "timestamp": self.world.now}

    def get_all_backend_states(self, context: Context) -> Steps:
        """The backends whose service is up and has reported."""
        volume_services = yield from self.db.service_get_all(context, "cinder-volume")
        found: dict[str, BackendState] = {}
        for service in volume_services:
            if not service.is_up(self.world.now + self.service.clock_offset):
                self.say(logs.SERVICE_DOWN, context, service.host)
                continue
            capabilities = self.service_states.get(service.host)
            if capabilities is None:
                continue
            name = f"{service.host}#{capabilities['pool_name']}"
            state = self.backend_state_map.get(name)
            if state is None or state.updated < capabilities["timestamp"]:
                state = self._state(name, capabilities)
            found[name] = state
        for name in self.backend_state_map:
            if name not in found:
                self.say(logs.BACKEND_REMOVED, context, name.split("#")[0])
        self.backend_state_map = found
        return list(found.values())

    def _state(self, name: str, capabilities: dict[str, Any]) -> BackendState:
        return BackendState(
            name,
            capabilities["total_capacity_gb"],
            capabilities["free_capacity_gb"],
            capabilities["provisioned_capacity_gb"],
            capabilities["allocated_capacity_gb"],
            capabilities["max_over_subscription_ratio"],
            capabilities["thin_provisioning_support"],
            capabilities["reserved_percentage"],
            capabilities["backend_state"],
            capabilities["timestamp"],
        )

    def get_filtered_backends(
        self, context: Context, backends: Sequence[BackendState], filter_properties: dict[str, Any]
    ) -> list[BackendState]:
        """The backends that pass all filters."""
        passed, results = list(backends), []
        for name, chosen in (
            ("AvailabilityZoneFilter", self.zone_filter),
            ("CapacityFilter", self.capacity_filter),
            ("CapabilitiesFilter", self.capabilities_filter),
        ):
            start = len(passed)
            passed = [backend for backend in passed if chosen.backend_passes(context, backend, filter_properties)]
            results.append(f"{name}: (start: {start}, end: {len(passed)})")
            if not passed:
                volume_id = filter_properties["request_spec"].get("volume_id", "")
                self.say(logs.ALL_FILTERED, context, volume_id, results)
                break
        return passed

    def get_weighed_backends(
        self, context: Context, backends: Sequence[BackendState], filter_properties: dict[str, Any]
    ) -> list[BackendState]:
        """Most room first (CapacityWeigher)."""
        return sorted(backends, key=lambda backend: backend.free_capacity_gb, reverse=True)
