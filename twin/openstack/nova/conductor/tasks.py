"""Moves, as nova-conductor prepares them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twin.mechanics.openstack import MAX_ATTEMPTS, Flavor
from twin.openstack.migrations import Migration
from twin.openstack.nova import logs
from twin.openstack.nova.compute.rpcapi import ComputeAPI
from twin.openstack.nova.exception import (
    ComputeServiceUnavailable,
    MaxRetriesExceeded,
    MigrationPreCheckError,
    NoValidHost,
)
from twin.openstack.nova.objects import Instances
from twin.openstack.nova.report import SchedulerReportClient
from twin.openstack.nova.scheduler.manager import RequestSpec
from twin.openstack.nova.scheduler.rpcapi import SchedulerAPI
from twin.openstack.nova.servicegroup import ServiceGroup
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server

EXHAUSTED = "Exhausted all hosts available for retrying build failures for instance {}."
MAX_ATTEMPTS_EXCEEDED = "Exceeded max scheduling attempts {} for instance {}. Last exception: {}"


class MigrationTask(Flow):
    """nova.conductor.tasks.migrate.MigrationTask: resize and cold migration."""

    source = "nova.conductor.tasks.migrate"

    def __init__(
        self, service: AmqpService, objects: Instances, query: SchedulerAPI, report: SchedulerReportClient
    ) -> None:
        super().__init__(service)
        self.objects = objects
        self.query_client = query
        self.reportclient = report
        self.compute_rpcapi = ComputeAPI(service)

    def execute(
        self,
        context: Context,
        instance: Server,
        flavor: Flavor,
        host: str | None,
        retry: dict[str, Any] | None,
        host_list: Sequence[str] | None,
    ) -> Steps:
        """Have the next host prepare the move. Raises NoValidHost, and what the scheduler or placement raise.

        The server's old promise stays until the move is confirmed.
        """
        if host is None:
            retry = populate_retry(self, context, instance, retry)
        migration = yield from self._preallocate_migration(context, instance, flavor)
        dest: str | None = None
        try:
            if host_list is None:
                dest, rest = yield from self._schedule(context, instance, flavor, host)
            else:
                dest, rest = yield from self._reschedule(context, instance, flavor, list(host_list))
            self.say(logs.CALLING_PREP_RESIZE, context, dest, dest, rest, instance=instance.uuid)
            yield from self.compute_rpcapi.prep_resize(context, instance, flavor, dest, migration, retry, rest)
        except Exception as error:
            self.unexpected(error)
            yield from self._rollback(context, instance, migration, dest)
            raise

    def _preallocate_migration(self, context: Context, instance: Server, flavor: Flavor) -> Steps:
        """The record of the move: that of the attempt before, or a new one."""
        migrations = self.site.tables.migrations
        before = migrations.of(instance.uuid, ("pre-migrating",))
        if before:
            return before[-1]
        assert instance.host is not None
        migration = Migration(
            migrations.new_uuid(self.world.streams["openstack/migration"], instance.uuid),
            instance.uuid,
            "migration" if flavor.name == instance.flavor.name else "resize",
            instance.host,
            "pre-migrating",
            instance.flavor,
            flavor,
        )
        yield from self.objects.create_migration(context, migration)
        self.say(logs.ALLOCATIONS_MOVED, context, migration.uuid, instance.host)
        return migration

    def _schedule(self, context: Context, instance: Server, flavor: Flavor, host: str | None) -> Steps:
        """The destination and its alternates."""
        wanted = instance.resources(flavor)
        assert instance.host is not None
        spec = RequestSpec(wanted, wanted.disk_gb, (instance.host,), host)
        selections = yield from self.query_client.select_destinations(
            context, spec, [instance.uuid], return_alternates=True
        )
        destination, *rest = selections[0]
        return destination, rest

    def _reschedule(self, context: Context, instance: Server, flavor: Flavor, host_list: list[str]) -> Steps:
        """The next alternate that still has room. Raises MaxRetriesExceeded."""
        wanted = instance.resources(flavor)
        while host_list:
            host = host_list.pop(0)
            if (yield from self.reportclient.claim_resources(context, instance.uuid, host, wanted)):
                return host, host_list
        raise MaxRetriesExceeded(reason=EXHAUSTED.format(instance.uuid))

    def _rollback(self, context: Context, instance: Server, migration: Migration, dest: str | None) -> Steps:
        yield from self.objects.save_migration(context, migration, status="error")
        if dest is not None:
            yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, dest)


def populate_retry(flow: Flow, context: Context, instance: Server, retry: dict[str, Any] | None) -> dict[str, Any]:
    """Count an attempt (nova.scheduler.utils.populate_retry). Raises MaxRetriesExceeded."""
    attempt = {"num_attempts": 1} if retry is None else {"num_attempts": retry["num_attempts"] + 1}
    if retry is not None:
        flow.say(logs.LAST_HOST, context, retry["host"], retry["host"], retry["exc"], instance=instance.uuid)
        if attempt["num_attempts"] > MAX_ATTEMPTS:
            reason = MAX_ATTEMPTS_EXCEEDED.format(MAX_ATTEMPTS, instance.uuid, retry["exc"])
            raise MaxRetriesExceeded(reason=reason)
    return attempt


class LiveMigrationTask(Flow):
    """nova.conductor.tasks.live_migrate.LiveMigrationTask."""

    source = "nova.conductor.tasks.live_migrate"

    def __init__(
        self,
        service: AmqpService,
        objects: Instances,
        query: SchedulerAPI,
        report: SchedulerReportClient,
        servicegroup: ServiceGroup,
    ) -> None:
        super().__init__(service)
        self.objects = objects
        self.query_client = query
        self.report_client = report
        self.servicegroup_api = servicegroup
        self.compute_rpcapi = ComputeAPI(service)

    def execute(self, context: Context, instance: Server, host: str | None) -> Steps:
        """The destination. Raises ComputeServiceUnavailable, NoValidHost, MigrationPreCheckError."""
        self._check_host_is_up(instance.host)
        if host is not None:
            yield from self._check_requested_destination(context, instance, host)
            return host
        destination = yield from self._find_destination(context, instance)
        return destination

    def _check_host_is_up(self, host: str | None) -> None:
        if host is None or not self.servicegroup_api.service_is_up(host):
            raise ComputeServiceUnavailable(host=host)

    def _check_requested_destination(self, context: Context, instance: Server, host: str) -> Steps:
        if host == instance.host:
            raise MigrationPreCheckError(
                reason=f"Unable to migrate instance ({instance.uuid}) to current host ({host})."
            )
        self._check_host_is_up(host)
        claimed = yield from self.report_client.claim_resources(context, instance.uuid, host, instance.resources())
        if not claimed:
            raise MigrationPreCheckError(reason=f"Unable to migrate {instance.uuid}: no room on {host}.")
        yield from self.compute_rpcapi.check_can_live_migrate_destination(context, instance, host)

    def _find_destination(self, context: Context, instance: Server) -> Steps:
        wanted = instance.resources()
        assert instance.host is not None
        tried = [instance.host]
        while True:
            spec = RequestSpec(wanted, wanted.disk_gb, tuple(tried))
            selections = yield from self.query_client.select_destinations(context, spec, [instance.uuid])
            if not selections:
                raise NoValidHost(reason="")
            host = str(selections[0][0])
            try:
                self._check_host_is_up(host)
                yield from self.compute_rpcapi.check_can_live_migrate_destination(context, instance, host)
            except CloudError as error:
                self.say(logs.SKIPPING_HOST, context, host, error)
                tried.append(host)
                yield from self.report_client.delete_allocation_for_instance(context, instance.uuid, host)
                continue
            return host
