"""What nova-conductor does: builds, moves and rebuilds; objects saved for the compute hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twin.mechanics import openstack as facts
from twin.mechanics.openstack import Flavor
from twin.openstack.nova import logs
from twin.openstack.nova.compute.rpcapi import ComputeAPI
from twin.openstack.nova.conductor.tasks import LiveMigrationTask, MigrationTask
from twin.openstack.nova.exception import InstanceNotFound, MaxRetriesExceeded, NoValidHost, VolumeAttachmentNotFound
from twin.openstack.nova.network import NetworkAPI
from twin.openstack.nova.objects import Instances
from twin.openstack.nova.report import SchedulerReportClient
from twin.openstack.nova.scheduler.manager import NO_HOSTS, RequestSpec
from twin.openstack.nova.scheduler.rpcapi import SchedulerAPI
from twin.openstack.nova.servicegroup import ServiceGroup
from twin.openstack.nova.volume import VolumeAPI
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server
from twin.telemetry.records import LogTemplate


class ComputeTaskManager(Flow):
    """nova.conductor.manager.ComputeTaskManager."""

    source = "nova.conductor.manager"
    service: AmqpService

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.objects = Instances(service)
        self.network_api = NetworkAPI(service)
        self.volume_api = VolumeAPI(service)
        self.servicegroup_api = ServiceGroup(service)
        self.report_client = SchedulerReportClient(service)
        self.query_client = SchedulerAPI(service)
        self.compute_rpcapi = ComputeAPI(service)
        self.migration = MigrationTask(service, self.objects, self.query_client, self.report_client)
        self.live_migration = LiveMigrationTask(
            service, self.objects, self.query_client, self.report_client, self.servicegroup_api
        )

    # --- builds -----------------------------------------------------------------------------------------------

    def schedule_and_build_instances(
        self, context: Context, instances: Sequence[Server], requested_networks: Sequence[str]
    ) -> Steps:
        """Find hosts for new servers and tell them; servers without a host end in ERROR."""
        yield from self.think(context, facts.RPC["schedule_and_build_instances"].python)
        yield from self.sql(context, facts.RPC["schedule_and_build_instances"].statements)
        uuids = [instance.uuid for instance in instances]
        spec = self._request_spec(instances[0])
        try:
            host_lists = yield from self._schedule_instances(context, spec, uuids, return_alternates=True)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.SCHEDULE_FAILED, context, error)
            for instance in instances:
                yield from self._bury_in_cell0(context, instance, error)
            return
        for instance, host_list in zip(instances, host_lists, strict=True):
            host = host_list[0]
            if instance.uuid not in self.site.tables.servers or instance.task_state == "deleting":
                self.say(logs.BUILD_REQUEST_GONE, context, instance=instance.uuid)
                yield from self.report_client.delete_allocation_for_instance(context, instance.uuid)
                yield from self.objects.destroy(context, instance)
                continue
            instance.attempts = 1
            self.say(logs.HOST_SELECTED, context, host, host, host_list[1:], instance=instance.uuid)
            yield from self.compute_rpcapi.build_and_run_instance(
                context, instance, host, requested_networks=requested_networks, host_list=host_list[1:]
            )

    def _schedule_instances(
        self, context: Context, spec: RequestSpec, instance_uuids: Sequence[str], return_alternates: bool = False
    ) -> Steps:
        host_lists = yield from self.query_client.select_destinations(
            context, spec, instance_uuids, return_alternates=return_alternates
        )
        return host_lists

    def build_instances(
        self,
        context: Context,
        instances: Sequence[Server],
        retry: dict[str, Any],
        requested_networks: Sequence[str],
        host_list: Sequence[str] | None,
    ) -> Steps:
        """A host gave a build back: try the next alternate, at most `max_attempts` in all."""
        yield from self.think(context, facts.RPC["build_instances"].python)
        instance = instances[0]
        try:
            self._populate_retry(context, retry, instance)
            host, rest = yield from self._claim_alternate(context, instance, list(host_list or ()))
        except Exception as error:
            self.unexpected(error)
            yield from self._cleanup_when_reschedule_fails(context, instance, error, logs.BUILD_FAILED)
            return
        try:
            instance = yield from self.objects.get_by_uuid(context, instance.uuid)
        except InstanceNotFound:
            self.say(logs.INSTANCE_GONE_DURING_BUILD, context, instance=instance.uuid)
            yield from self.report_client.delete_allocation_for_instance(context, instance.uuid)
            return
        yield from self._validate_existing_attachment_ids(context, instance)
        self.say(logs.HOST_SELECTED, context, host, host, rest, instance=instance.uuid)
        yield from self.compute_rpcapi.build_and_run_instance(
            context, instance, host, requested_networks=requested_networks, host_list=rest
        )

    def _validate_existing_attachment_ids(self, context: Context, instance: Server) -> Steps:
        """The host that gave the build back has deleted the attachments: make new ones."""
        for volume_id, attachment_id in list(instance.volumes.items()):
            try:
                yield from self.volume_api.attachment_get(context, attachment_id)
            except VolumeAttachmentNotFound:
                attachment = yield from self.volume_api.attachment_create(context, volume_id, instance.uuid)
                volumes = {**instance.volumes, volume_id: attachment["id"]}
                yield from self.objects.save(context, instance, volumes=volumes)

    def _populate_retry(self, context: Context, retry: dict[str, Any], instance: Server) -> None:
        """Count the attempt (nova.scheduler.utils.populate_retry). Raises MaxRetriesExceeded."""
        instance.attempts += 1
        self.say(logs.LAST_HOST, context, retry["host"], retry["host"], retry["exc"], instance=instance.uuid)
        if instance.attempts > facts.MAX_ATTEMPTS:
            reason = f"Exhausted all hosts available for retrying build failures for instance {instance.uuid}."
            raise MaxRetriesExceeded(reason=reason)

    def _claim_alternate(self, context: Context, instance: Server, hosts: list[str]) -> Steps:
        while hosts:
            host = hosts.pop(0)
            claimed = yield from self.report_client.claim_resources(context, instance.uuid, host, instance.resources())
            if claimed:
                return host, hosts
        reason = f"Exhausted all hosts available for retrying build failures for instance {instance.uuid}."
        raise MaxRetriesExceeded(reason=reason)

    def _cleanup_when_reschedule_fails(
        self, context: Context, instance: Server, error: Exception, template: LogTemplate
    ) -> Steps:
        yield from self._set_vm_state_and_notify(context, instance, "error", error, template)
        yield from self._cleanup_allocated_networks(context, instance)
        yield from self.report_client.delete_allocation_for_instance(context, instance.uuid)

    def _cleanup_allocated_networks(self, context: Context, instance: Server) -> Steps:
        try:
            yield from self.network_api.deallocate_for_instance(context, instance)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.CONDUCTOR_DEALLOCATE_FAILED, context, error, instance=instance.uuid)
            return
        yield from self.objects.save(context, instance)

    def _bury_in_cell0(self, context: Context, instance: Server, error: Exception) -> Steps:
        yield from self._set_vm_state_and_notify(context, instance, "error", error, logs.BUILD_FAILED)

    def _set_vm_state_and_notify(
        self, context: Context, instance: Server, vm_state: str, error: Exception, template: LogTemplate
    ) -> Steps:
        """nova.scheduler.utils.set_vm_state_and_notify."""
        self.say(template, context, error)
        self.say(logs.SET_ERROR, context, error, instance=instance.uuid)
        yield from self.objects.save(context, instance, vm_state=vm_state, task_state=None)
        yield from self.objects.add_fault(context, instance, error)
        self.notify(context, "compute_task.build_instances", instance=instance.uuid, reason=str(error))

    # --- moves and rebuilds -----------------------------------------------------------------------------------

    def migrate_server(
        self,
        context: Context,
        instance: Server,
        flavor: Flavor | None,
        live: bool,
        host: str | None = None,
        retry: dict[str, Any] | None = None,
        host_list: Sequence[str] | None = None,
    ) -> Steps:
        """Live migration, cold migration or resize; of the latter two the next attempt, where a host gave one back."""
        yield from self.think(context, facts.RPC["build_instances"].python)
        if live:
            yield from self._live_migrate(context, instance, host)
        else:
            yield from self._cold_migrate(context, instance, flavor or instance.flavor, host, retry, host_list)

    def _cold_migrate(
        self,
        context: Context,
        instance: Server,
        flavor: Flavor,
        host: str | None,
        retry: dict[str, Any] | None,
        host_list: Sequence[str] | None,
    ) -> Steps:
        before = instance.vm_state
        try:
            yield from self.migration.execute(context, instance, flavor, host, retry, host_list)
        except NoValidHost as error:
            yield from self._set_back(context, instance, before, error)
        except Exception as error:
            self.unexpected(error)
            yield from self._set_back(context, instance, before, error)
            raise

    def _set_back(self, context: Context, instance: Server, vm_state: str, error: Exception) -> Steps:
        """The move does not take place: the server stays what it was."""
        self.say(logs.MIGRATE_FAILED, context, error)
        self.say(logs.SET_STATE, context, vm_state, error, instance=instance.uuid)
        yield from self.objects.save(context, instance, vm_state=vm_state, task_state=None)
        yield from self.objects.add_fault(context, instance, error)

    def _live_migrate(self, context: Context, instance: Server, host: str | None) -> Steps:
        before = instance.vm_state
        try:
            destination = yield from self.live_migration.execute(context, instance, host)
            yield from self.compute_rpcapi.live_migration(context, instance, destination)
        except InstanceNotFound:
            self.say(logs.GONE_DURING_MIGRATION, context, "live migration", instance=instance.uuid)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.LIVE_MIGRATE_FAILED, context, error, instance.uuid, host, instance=instance.uuid)
            yield from self._set_back(context, instance, before, error)

    def rebuild_instance(
        self, context: Context, instance: Server, image: str, host: str | None = None, recreate: bool = False
    ) -> Steps:
        """Build a server's disk anew: on its host, or (evacuation) on another one."""
        yield from self.think(context, facts.RPC["build_instances"].python)
        migration = None
        if recreate:
            accepted = self.site.tables.migrations.of(instance.uuid, ("accepted",))
            migration = accepted[-1] if accepted else None
            spec = self._request_spec(instance, host)
            try:
                host_lists = yield from self._schedule_instances(context, spec, [instance.uuid])
                host = host_lists[0][0]
            except NoValidHost as error:
                self.say(logs.REBUILD_FAILED, context, NO_HOSTS, error, instance=instance.uuid)
                if migration is not None:
                    yield from self.objects.save_migration(context, migration, status="error")
                yield from self._set_vm_state_and_notify(context, instance, "error", error, logs.REBUILD_SERVER_FAILED)
                return
        destination = host or instance.host
        assert destination is not None
        yield from self.compute_rpcapi.rebuild_instance(context, instance, image, destination, recreate, migration)

    def _request_spec(self, instance: Server, host: str | None = None) -> RequestSpec:
        """What the server asks for; never the host where it is."""
        ignored = (instance.host,) if instance.host is not None else ()
        return RequestSpec(instance.resources(), instance.resources().disk_gb, ignored, host)


class ConductorManager(Flow):
    """nova.conductor.manager.ConductorManager: objects of the compute hosts, which have no database of their own."""

    source = "nova.conductor.manager"

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.objects = Instances(service)

    def object_action(self, context: Context, objmethod: str, arguments: dict[str, Any]) -> Steps:
        """Carry out one call on an object."""
        yield from self.think(context, facts.RPC["object_action"].python)
        result = yield from getattr(self.objects, objmethod)(context, **arguments)
        return result

    def service_update(self, context: Context, name: str) -> Steps:
        """Write the heartbeat of a compute service."""
        yield from self.think(context, facts.RPC["service_update"].python)
        yield from self.sql(context, facts.RPC["service_update"].statements, write=True)
        self.site.tables.services[name].last_seen = self.world.now + self.service.clock_offset

    def ping(self, context: Context) -> Steps:
        """Answer."""
        yield from self.think(context, facts.RPC["object_action"].python)
