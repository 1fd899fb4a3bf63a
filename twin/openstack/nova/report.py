"""Nova's client of placement: candidates, claims, allocations, inventories."""

from __future__ import annotations

from typing import Any

from twin.mechanics.openstack import Flavor
from twin.openstack.nova import logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps


class SchedulerReportClient(Flow):
    """nova.scheduler.client.report.SchedulerReportClient."""

    source = "nova.scheduler.client.report"

    def get_allocation_candidates(self, context: Context, flavor: Flavor, disk_gb: int) -> Steps:
        """The hosts with room for a flavor, or None where placement does not answer as it should."""
        uri = (
            f"/allocation_candidates?limit=1000&resources=DISK_GB%3A{disk_gb}%2CMEMORY_MB%3A{flavor.memory_mb}"
            f"%2CVCPU%3A{flavor.vcpus}&root_required=%21COMPUTE_STATUS_DISABLED"
        )
        try:
            hosts = yield from self.get(context, "candidates", uri, flavor=flavor)
        except HttpError as error:
            if error.status >= 500:
                raise
            self.say(logs.CANDIDATES_FAILED, context, uri, error.status, error)
            return None
        return hosts

    def claim_resources(self, context: Context, consumer_uuid: str, host: str, flavor: Flavor) -> Steps:
        """Take room on a host for a server; False where somebody was faster."""
        uri = f"/allocations/{consumer_uuid}"
        try:
            yield from self.put(context, "claim", uri, consumer=consumer_uuid, host=host, flavor=flavor)
        except HttpError as error:
            if error.status != 409:
                raise
            self.say(logs.ALLOCATIONS_UNSAVED, context, consumer_uuid, error.status, error)
            return False
        return True

    def delete_allocation_for_instance(self, context: Context, consumer_uuid: str, host: str | None = None) -> Steps:
        """Give back what a server has been promised (on one host, or everywhere); whether there was something."""
        uri = f"/allocations/{consumer_uuid}"
        try:
            yield from self.delete(context, "release", uri, consumer=consumer_uuid, host=host)
        except HttpError as error:
            if error.status == 404:
                return False
            self.say(logs.ALLOCATIONS_NOT_DELETED, context, "instance", consumer_uuid, error.status, error)
            raise
        self.say(logs.DELETED_ALLOCATIONS_OF, context, "instance", consumer_uuid)
        return True

    def get_allocations_for_consumer(self, context: Context, consumer_uuid: str) -> Steps:
        """Host -> flavor of a consumer."""
        uri = f"/allocations/{consumer_uuid}"
        allocations = yield from self.get(context, "allocations.show", uri, consumer=consumer_uuid)
        return allocations

    def get_allocations_for_resource_provider(self, context: Context, host: str) -> Steps:
        """The consumers of a host."""
        provider = self.site.tables.providers[host].uuid
        uri = f"/resource_providers/{provider}/allocations"
        consumers = yield from self.get(context, "provider.allocations", uri, host=host)
        return consumers

    def update_from_provider_tree(self, context: Context, host: str, disabled: bool = False) -> Steps:
        """Tell placement what a host offers."""
        provider = self.site.tables.providers[host].uuid
        uri = f"/resource_providers/{provider}/inventories"
        yield from self.get(context, "inventory", uri, host=host, disabled=disabled)
        self.say(logs.INVENTORY_UNCHANGED, context, provider, "")

    # --- requests ---------------------------------------------------------------------------------------------

    def get(self, context: Context, operation: str, uri: str, **arguments: Any) -> Steps:
        """GET from placement."""
        body = yield from self.service.clients.request(context, "placement", operation, "GET", uri, **arguments)
        return body

    def put(self, context: Context, operation: str, uri: str, **arguments: Any) -> Steps:
        """PUT to placement."""
        body = yield from self.service.clients.request(context, "placement", operation, "PUT", uri, **arguments)
        return body

    def delete(self, context: Context, operation: str, uri: str, **arguments: Any) -> Steps:
        """DELETE from placement."""
        body = yield from self.service.clients.request(context, "placement", operation, "DELETE", uri, **arguments)
        return body
