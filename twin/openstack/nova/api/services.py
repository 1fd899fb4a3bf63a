"""Nova's own services, as an administrator enables, disables and declares them dead."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twin.mechanics import openstack as facts
from twin.openstack.nova.compute.rpcapi import ComputeAPI
from twin.openstack.nova.servicegroup import ServiceGroup
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError, HTTPFault
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import Response
from twin.openstack.tables import ServiceRow

COLUMNS = frozenset({"disabled", "disabled_reason", "forced_down"})


class HostAPI(Flow):
    """nova.compute.api.HostAPI."""

    source = "nova.compute.api"

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.rpcapi = ComputeAPI(service)
        self.servicegroup_api = ServiceGroup(service)

    def service_update(self, context: Context, service: ServiceRow, changes: dict[str, Any]) -> Steps:
        """Write columns; a host that is disabled or enabled hears of it, and tells placement."""
        changed = service.disabled != changes.get("disabled", service.disabled)
        yield from self.sql(context, facts.RPC["service_update"].statements, write=True)
        for column in COLUMNS & changes.keys():
            setattr(service, column, changes[column])
        if changed and service.binary == "nova-compute":
            yield from self._update_compute_provider_status(context, service)

    def _update_compute_provider_status(self, context: Context, service: ServiceRow) -> Steps:
        """A host that is down, or cannot, sets its trait right when it is started or audits itself."""
        if not self.servicegroup_api.service_is_up(service.host):
            return
        try:
            yield from self.rpcapi.set_host_enabled(context, service.host, not service.disabled)
        except Exception as error:
            self.unexpected(error)


class ServiceController(Flow):
    """nova.api.openstack.compute.services.ServiceController."""

    source = "nova.api.openstack.compute.services"

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.host_api = HostAPI(service)

    def update(
        self,
        context: Context,
        host: str,
        status: str | None = None,
        disabled_reason: str = "",
        forced_down: bool | None = None,
    ) -> Generator[Any, Any, Response]:
        """PUT os-services/{id} of the nova-compute of a host."""
        work = facts.API["os-services.list"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        compute = self.site.computes.get(host)
        row = self.site.tables.services.get(compute.name) if compute is not None else None
        if row is None:
            raise HTTPFault(404, f"Host {host} could not be found.")
        changes: dict[str, Any] = {}
        if status is not None:
            changes |= {"disabled": status == "disabled", "disabled_reason": disabled_reason}
        if forced_down is not None:
            changes["forced_down"] = forced_down
        try:
            yield from self.host_api.service_update(context, row, changes)
        except CloudError as error:
            if error.code < 500:
                raise HTTPFault(error.code, str(error)) from error
            raise
        return Response(200, {"host": host, "forced_down": row.forced_down}, 225)
