"""Moves, as nova-conductor prepares them."""

from __future__ import annotations

from twin.mechanics.openstack import Flavor
from twin.openstack.nova import logs
from twin.openstack.nova.compute.rpcapi import ComputeAPI
from twin.openstack.nova.exception import ComputeServiceUnavailable, MigrationPreCheckError, NoValidHost
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

    def execute(self, context: Context, instance: Server, flavor: Flavor | None, host: str | None) -> Steps:
        """The destination and its alternates; the server's old promise stays until the move is confirmed."""
        wanted = flavor or instance.flavor
        disk = 0 if instance.boots_from_volume else wanted.disk_gb
        assert instance.host is not None
        spec = RequestSpec(wanted, disk, (instance.host,), host)
        yield from self.objects.save(context, instance, task_state="resize_prep")
        self.say(logs.ALLOCATIONS_MOVED, context, instance.uuid, instance.host)
        selections = yield from self.query_client.select_destinations(
            context, spec, [instance.uuid], return_alternates=True
        )
        destination, *rest = selections[0]
        self.say(logs.CALLING_PREP_RESIZE, context, destination, destination, rest, instance=instance.uuid)
        return destination, rest


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
        claimed = yield from self.report_client.claim_resources(context, instance.uuid, host, instance.flavor)
        if not claimed:
            raise MigrationPreCheckError(reason=f"Unable to migrate {instance.uuid}: no room on {host}.")
        yield from self.compute_rpcapi.check_can_live_migrate_destination(context, instance, host)

    def _find_destination(self, context: Context, instance: Server) -> Steps:
        disk = 0 if instance.boots_from_volume else instance.flavor.disk_gb
        assert instance.host is not None
        tried = [instance.host]
        while True:
            spec = RequestSpec(instance.flavor, disk, tuple(tried))
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
