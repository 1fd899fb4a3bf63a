"""Nova's client of placement: candidates, claims, allocations, inventories."""

from __future__ import annotations

from typing import Any

from twin.mechanics import openstack as facts
from twin.mechanics.openstack import Flavor
from twin.openstack.nova import logs
from twin.openstack.oslo.context import Context, on_behalf
from twin.openstack.oslo.exceptions import HttpError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

DISABLED = "COMPUTE_STATUS_DISABLED"
"""The trait of a host whose nova-compute is disabled."""


class SchedulerReportClient(Flow):
    """nova.scheduler.client.report.SchedulerReportClient."""

    source = "nova.scheduler.client.report"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.admin = on_behalf(self.world, "placement")
        self._tree: tuple[int, float] | None = None
        """The process that has the provider tree in its cache, and since when."""
        self._disabled = False
        """Whether the cached traits say COMPUTE_STATUS_DISABLED."""

    def get_allocation_candidates(self, context: Context, flavor: Flavor, disk_gb: int) -> Steps:
        """The hosts with room for a flavor, or None where placement does not answer as it should."""
        disk = f"DISK_GB%3A{disk_gb}%2C" if disk_gb else ""  # amounts of nothing are not asked for
        uri = (
            f"/allocation_candidates?limit=1000&resources={disk}MEMORY_MB%3A{flavor.memory_mb}"
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
        yield from self.get_allocations_for_consumer(context, consumer_uuid)
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

    def get_allocations_for_provider_tree(self, context: Context, host: str) -> Steps:
        """What each consumer of a host holds, asked for one by one."""
        allocations = {}
        consumers = yield from self.get_allocations_for_resource_provider(context, host)
        for consumer_uuid in consumers:
            allocations[consumer_uuid] = yield from self.get_allocations_for_consumer(context, consumer_uuid)
        return allocations

    def get_provider_tree_and_ensure_root(self, context: Context, host: str) -> Steps:
        """Read what placement has of a host where the cache is older than `resource_provider_association_refresh`."""
        now, tree = self.world.now, self._tree
        if tree is not None and tree[0] == self.service.pid and now - tree[1] < facts.ASSOCIATION_REFRESH:
            return
        provider = self.site.tables.providers[host].uuid
        yield from self.get(context, "provider.show", f"/resource_providers?in_tree={provider}", host=host, part="tree")
        for part in ("inventories", "aggregates", "traits"):
            uri = f"/resource_providers/{provider}/{part}"
            known = yield from self.get(context, "provider.show", uri, host=host, part=part)
        self._disabled = DISABLED in known
        self._tree = (self.service.pid, now)

    def update_from_provider_tree(self, context: Context, host: str, disabled: bool = False) -> Steps:
        """Tell placement what a host offers, where that differs from what placement has."""
        provider = self.site.tables.providers[host].uuid
        self.say(logs.INVENTORY_UNCHANGED, context, provider, "")
        if disabled == self._disabled:
            return
        uri = f"/resource_providers/{provider}/traits"
        yield from self.put(context, "provider.traits", uri, host=host, traits=[DISABLED] if disabled else [])
        self._disabled = disabled

    # --- requests ---------------------------------------------------------------------------------------------

    def get(self, context: Context, operation: str, uri: str, **arguments: Any) -> Steps:
        """GET from placement."""
        admin = self.admin(context)
        body = yield from self.service.clients.request(admin, "placement", operation, "GET", uri, **arguments)
        return body

    def put(self, context: Context, operation: str, uri: str, **arguments: Any) -> Steps:
        """PUT to placement."""
        admin = self.admin(context)
        body = yield from self.service.clients.request(admin, "placement", operation, "PUT", uri, **arguments)
        return body

    def delete(self, context: Context, operation: str, uri: str, **arguments: Any) -> Steps:
        """DELETE from placement."""
        admin = self.admin(context)
        body = yield from self.service.clients.request(admin, "placement", operation, "DELETE", uri, **arguments)
        return body
