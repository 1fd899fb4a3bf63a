"""What all parts of nova-compute's manager lean on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.openstack.infrastructure.errors import LibvirtError
from twin.openstack.migrations import Migration
from twin.openstack.nova.compute import logs, moving_logs
from twin.openstack.nova.compute.claims import ResourceTracker
from twin.openstack.nova.compute.events import InstanceEvents
from twin.openstack.nova.compute.rpcapi import ComputeAPI
from twin.openstack.nova.conductor.rpcapi import ComputeTaskAPI
from twin.openstack.nova.exception import InstanceFaultRollback, InstanceNotFound
from twin.openstack.nova.image import ImageAPI
from twin.openstack.nova.network import NetworkAPI
from twin.openstack.nova.objects import RemoteInstances
from twin.openstack.nova.report import SchedulerReportClient
from twin.openstack.nova.scheduler.rpcapi import SchedulerAPI
from twin.openstack.nova.virt.fake import FakeDriver
from twin.openstack.nova.virt.moves import MovingDriver
from twin.openstack.nova.volume import VolumeAPI
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server

if TYPE_CHECKING:
    from twin.openstack.nova.compute.service import NovaCompute


DRIVERS: dict[str, type[MovingDriver]] = {"libvirt": MovingDriver, "fake": FakeDriver}
"""By `HostTimes.driver`."""


class Program(Flow):
    """The clients and helpers of nova.compute.manager.ComputeManager."""

    source = "nova.compute.manager"
    chapter_of = "ComputeManager"
    service: NovaCompute

    def __init__(self, service: NovaCompute) -> None:
        super().__init__(service)
        self.host = service.node.name
        self.objects = RemoteInstances(service)
        self.network_api = NetworkAPI(service)
        self.volume_api = VolumeAPI(service)
        self.image_api = ImageAPI(service)
        self.reportclient = SchedulerReportClient(service)
        self.compute_rpcapi = ComputeAPI(service)
        self.compute_task_api = ComputeTaskAPI(service)
        self.query_client = SchedulerAPI(service)
        self.instance_events = InstanceEvents(service)
        self.driver = DRIVERS[service.libvirt.times.driver](service, self.instance_events, self.image_api)
        self.rt = ResourceTracker(service, self.objects, self.reportclient)

    def _set_instance_obj_error_state(
        self, context: Context, instance: Server, clean_task_state: bool = False
    ) -> Steps:
        """Write ERROR, if the server is still there."""
        try:
            if clean_task_state:
                yield from self.objects.save(context, instance, vm_state="error", task_state=None)
            else:
                yield from self.objects.save(context, instance, vm_state="error")
        except InstanceNotFound:
            return

    def _error_out_instance_on_exception(
        self,
        context: Context,
        instance: Server,
        error: Exception,
        migration: Migration | None = None,
        instance_state: str = "active",
    ) -> Steps:
        """ERROR, or the state before where nothing has been done to the server (InstanceFaultRollback).

        With what the decorators around it do: `errors_out_migration`, `reverts_task_state`, `wrap_instance_fault`.
        """
        if isinstance(error, InstanceFaultRollback):
            self.say(moving_logs.SET_BACK, context, instance_state, error, instance=instance.uuid)
            yield from self.objects.save(context, instance, vm_state=instance_state, task_state=None)
        else:
            self.exception(logs.SET_TO_ERROR, context, error, instance=instance.uuid)
            yield from self._set_instance_obj_error_state(context, instance)
        if migration is not None:
            yield from self.objects.save_migration(context, migration, status="error")
        yield from self._revert_task_state(context, instance, error)

    def _revert_task_state(self, context: Context, instance: Server, error: Exception) -> Steps:
        """The decorators `reverts_task_state` and `wrap_instance_fault`: what the user sees after an error."""
        try:
            before = instance.task_state
            if instance.uuid in self.site.tables.servers and before not in (None, "deleting"):
                yield from self.objects.save(context, instance, task_state=None)
                self.say(logs.TASK_STATE_REVERTED, context, before, instance=instance.uuid)
            yield from self.objects.add_fault(context, instance, error)
        except CloudError as failure:
            self.exception(logs.TASK_STATE_KEPT, context, failure, failure, instance=instance.uuid)

    def _update_scheduler_instance_info(self, context: Context, instance: Server) -> Steps:
        yield from self.query_client.update_instance_info(context, self.host, instance.uuid)

    def _delete_scheduler_instance_info(self, context: Context, instance_uuid: str) -> Steps:
        yield from self.query_client.delete_instance_info(context, self.host, instance_uuid)

    def _network_info(self, instance: Server) -> list[dict[str, str]]:
        """The server's interfaces from nova's cache, which asks nobody."""
        ports = self.site.neutron.tables.ports
        return [ports[port].show() for port in instance.ports if port in ports]

    def _gone(self, error: Exception) -> bool:
        """Whether libvirt does not know the guest."""
        return isinstance(error, LibvirtError) and "Domain not found" in str(error)
