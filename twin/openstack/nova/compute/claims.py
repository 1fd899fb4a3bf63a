"""Claims on a host's resources, and the tracker that audits them."""

from __future__ import annotations

from twin.mechanics import openstack as facts
from twin.openstack.infrastructure.libvirt import HostInfo
from twin.openstack.migrations import Migration
from twin.openstack.nova import exception
from twin.openstack.nova.compute import logs
from twin.openstack.nova.objects import Instances
from twin.openstack.nova.report import SchedulerReportClient
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps
from twin.openstack.tables import Server


class ResourceTracker(Flow):
    """nova.compute.resource_tracker.ResourceTracker."""

    source = "nova.compute.resource_tracker"

    def __init__(self, service: Service, objects: Instances, report: SchedulerReportClient) -> None:
        super().__init__(service)
        self.objects = objects
        self.reportclient = report
        self.host = service.node.name
        self.tracked: dict[str, facts.Flavor] = {}
        """What counts on this host: server -> what it uses here. A server that moves counts on both hosts."""
        self.failed_builds = 0
        """Since the last one that succeeded; the schedulers see it once it has been written."""

    def instance_claim(self, context: Context, instance: Server) -> Steps:
        """Count a server in, and write that it is here. Raises ComputeResourcesUnavailable."""
        yield from self._claim_test(context, instance, instance.resources())
        self.tracked[instance.uuid] = instance.resources()
        yield from self.objects.save(context, instance, host=self.host)
        yield from self._update(context)

    def resize_claim(self, context: Context, instance: Server, flavor: facts.Flavor, migration: Migration) -> Steps:
        """Count a server in that is to come with a flavor. Raises ComputeResourcesUnavailable."""
        yield from self._move_claim(context, instance, flavor, migration)

    def rebuild_claim(self, context: Context, instance: Server, migration: Migration | None) -> Steps:
        """Count a server in that is evacuated to here; the record of it. Raises ComputeResourcesUnavailable."""
        if migration is None:
            migrations = self.site.tables.migrations
            uuid = migrations.new_uuid(self.world.streams["openstack/migration"], instance.uuid)
            source, flavor = str(instance.host), instance.flavor
            migration = Migration(uuid, instance.uuid, "evacuation", source, "accepted", flavor, flavor)
            yield from self.objects.create_migration(context, migration)
        yield from self._move_claim(context, instance, instance.flavor, migration)
        return migration

    def _move_claim(self, context: Context, instance: Server, flavor: facts.Flavor, migration: Migration) -> Steps:
        """The server stays where it is; who asks finds out from its migration context where it goes."""
        yield from self.objects.save_migration(
            context, migration, dest_compute=self.host, status="pre-migrating", new_flavor=flavor
        )
        yield from self._claim_test(context, instance, instance.resources(flavor))
        yield from self.objects.save(context, instance, migration_context=migration)
        self._update_usage_from_migration(context, migration)
        yield from self._update(context)

    def finish_evacuation(self, context: Context, instance: Server, migration: Migration) -> Steps:
        """The server is here now."""
        yield from self.objects.save(context, instance, host=self.host, migration_context=None)
        yield from self.objects.save_migration(context, migration, status="done")

    def drop_move_claim(self, context: Context, instance: Server) -> Steps:
        """A server that moved is no longer, or will never be, here (`drop_move_claim_at_source`, `_at_dest`)."""
        if self.tracked.pop(instance.uuid, None) is not None:
            yield from self._update(context)

    def _claim_test(self, context: Context, instance: Server, flavor: facts.Flavor) -> Steps:
        memory = self.service.node.memory / 2**20
        used = facts.RESERVED_MEMORY_MB + sum(held.memory_mb for held in self.tracked.values())
        vcpus = sum(held.vcpus for held in self.tracked.values())
        disk = sum(held.disk_gb for held in self.tracked.values())
        uuid = instance.uuid
        self.say(logs.CLAIM_ATTEMPT, context, flavor.memory_mb, flavor.disk_gb, flavor.vcpus, instance=uuid)
        self.say(logs.CLAIM_MEMORY, context, int(memory), float(used), instance=uuid)
        self.say(logs.CLAIM_LIMIT, context, memory * facts.RAM_ALLOCATION_RATIO, memory - used, instance=uuid)
        self.say(
            logs.CLAIM_DISK, context, int(self.site.tables.providers[self.host].disk_gb), float(disk), instance=uuid
        )
        self.say(logs.CLAIM_DISK_UNLIMITED, context, instance=uuid)
        self.say(logs.CLAIM_VCPU, context, self.service.node.cores, float(vcpus), instance=uuid)
        self.say(logs.CLAIM_VCPU_UNLIMITED, context, instance=uuid)
        if used + flavor.memory_mb > memory * facts.RAM_ALLOCATION_RATIO:
            reason = f"Free memory {memory - used:.2f} MB < requested {flavor.memory_mb} MB"
            self.say(logs.CLAIM_FAILED, context, reason, instance=uuid)
            raise exception.ComputeResourcesUnavailable(reason=reason)
        yield from self._compute_claim(context)
        self.say(logs.CLAIM_OK, context, self.host, instance=uuid)

    def _compute_claim(self, context: Context) -> Steps:
        yield from self.service.host_work(context, facts.BUILD.claim)  # type: ignore[attr-defined]

    def abort_instance_claim(self, context: Context, instance: Server) -> None:
        """Count a server out again."""
        self.say(logs.CLAIM_ABORTED, context, instance.uuid, instance=instance.uuid)
        self.tracked.pop(instance.uuid, None)

    def update_usage(self, context: Context, instance: Server) -> Steps:
        """A server is no longer here."""
        if self.tracked.pop(instance.uuid, None) is not None:
            yield from self._update(context)

    # --- the audit --------------------------------------------------------------------------------------------

    def update_available_resource(self, context: Context, resources: HostInfo) -> Steps:
        """The periodic audit: what the host has and uses, told to the database and to placement."""
        self.say(logs.AUDITING, context, self.host, self.host)
        free = (resources.memory_mb - resources.memory_mb_used, resources.local_gb - resources.local_gb_used)
        self.say(logs.HYPERVISOR_VIEW, context, self.host, *free, resources.vcpus, "[]")
        instances = yield from self.objects.get_by_host(context, self.host)
        self.tracked = {instance.uuid: instance.resources() for instance in instances}
        for migration in self.site.tables.migrations.in_progress(self.host):
            if migration.migration_type != "live-migration":
                self._update_usage_from_migration(context, migration)
        yield from self._remove_deleted_instances_allocations(context)
        self._report_final_resource_view(context)
        yield from self._update(context)
        self.say(logs.NODE_UPDATED, context, self.host, self.host)

    def build_failed(self) -> None:
        """A build came to nothing here: the next claim or audit tells the schedulers."""
        self.failed_builds += 1

    def build_succeeded(self) -> None:
        """A build succeeded: what was before is forgotten."""
        self.failed_builds = 0

    def _update_usage_from_migration(self, context: Context, migration: Migration) -> None:
        """Hold room for a server that is to come here, or that may come back."""
        uuid = migration.instance_uuid
        server = self.site.tables.servers.get(uuid)
        if server is None or uuid in self.tracked:
            return
        self.say(logs.USAGE_FROM_MIGRATION, context, migration.uuid, instance=uuid)
        incoming = migration.dest_compute == self.host
        if incoming or migration.migration_type != "evacuation":
            self.tracked[uuid] = server.resources(migration.new_flavor if incoming else migration.old_flavor)

    def _update(self, context: Context) -> Steps:
        self.site.tables.failed_builds[self.host] = self.failed_builds
        yield from self._update_to_placement(context)

    def _update_to_placement(self, context: Context) -> Steps:
        """What the host offers; for PCI devices in placement it reads what everybody holds, used or not (Zed)."""
        row = self.site.tables.services.get(self.service.name)
        yield from self.reportclient.get_provider_tree_and_ensure_root(context, self.host)
        yield from self.reportclient.get_allocations_for_provider_tree(context, self.host)
        yield from self.reportclient.update_from_provider_tree(context, self.host, row is not None and row.disabled)

    def _remove_deleted_instances_allocations(self, context: Context) -> Steps:
        """Give back what servers hold here that are gone."""
        try:
            consumers = yield from self.reportclient.get_allocations_for_resource_provider(context, self.host)
        except HttpError as error:
            self.say(logs.ALLOCATIONS_SKIPPED, context, str(error), error)
            return
        for uuid in consumers:
            if uuid in self.tracked:
                continue
            server = self.site.tables.servers.get(uuid)
            if server is None:
                self.say(logs.ALLOCATION_OF_DELETED, context, uuid, "{}")
                yield from self.reportclient.delete_allocation_for_instance(context, uuid, self.host)
            elif server.host is None:
                self.say(logs.ALLOCATION_NOT_STARTED, context, uuid, _allocation(server.resources()))
            elif server.task_state is not None:
                provider = self.site.tables.providers[self.host].uuid
                state = (server.task_state, provider, _allocation(server.resources()))
                self.say(logs.ALLOCATION_IN_TRANSITION, context, *state, instance=uuid)
            elif server.host == self.host:
                self.say(logs.ALLOCATION_NOT_MANAGED, context, uuid, _allocation(server.resources()))
            elif server.old_host != self.host:  # of a move that waits for confirmation the migration holds the room
                moved_to = (server.host, server.host, _allocation(server.resources()))
                self.say(logs.ALLOCATION_OF_MOVED, context, uuid, *moved_to)

    def _report_final_resource_view(self, context: Context) -> None:
        node = self.service.node
        flavors = list(self.tracked.values())
        memory = facts.RESERVED_MEMORY_MB + sum(flavor.memory_mb for flavor in flavors)
        self.say(logs.USABLE_VCPUS, context, node.cores, sum(flavor.vcpus for flavor in flavors))
        self.say(
            logs.FINAL_VIEW,
            context,
            self.host,
            int(node.memory / 2**20),
            memory,
            int(self.site.tables.providers[self.host].disk_gb),
            sum(flavor.disk_gb for flavor in flavors),
            node.cores,
            sum(flavor.vcpus for flavor in flavors),
        )


def _allocation(flavor: facts.Flavor) -> dict[str, dict[str, int]]:
    """What placement holds for a server of a flavor."""
    amounts = {"DISK_GB": flavor.disk_gb, "MEMORY_MB": flavor.memory_mb, "VCPU": flavor.vcpus}
    return {"resources": {kind: amount for kind, amount in amounts.items() if amount}}
