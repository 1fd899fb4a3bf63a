"""Deletion on the compute host."""

from __future__ import annotations

from twin.openstack.infrastructure.errors import LibvirtError
from twin.openstack.nova.compute import logs
from twin.openstack.nova.compute.building import Building
from twin.openstack.nova.exception import InstanceNotFound
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server


class Destroying(Building):
    """The deletion methods of nova.compute.manager.ComputeManager."""

    def terminate_instance(self, context: Context, instance: Server) -> Steps:
        """Destroy a server's guest, free what it had, remove its row."""
        self.instance_events.clear_events_for_instance(instance)
        try:
            yield from self._delete_instance(context, instance)
        except InstanceNotFound:
            self.say(logs.TERMINATE_DISAPPEARED, context, instance=instance.uuid)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.SET_TO_ERROR, context, error, instance=instance.uuid)
            yield from self._set_instance_obj_error_state(context, instance, clean_task_state=True)
            self.say(logs.TASK_STATE_REVERTED, context, "deleting", instance=instance.uuid)
            yield from self.objects.add_fault(context, instance, error)
            raise

    def _delete_instance(self, context: Context, instance: Server) -> Steps:
        self.notify(context, "instance.delete.start", instance=instance.uuid)
        yield from self._shutdown_instance(context, instance)
        yield from self._try_deallocate_network(context, instance)
        yield from self._complete_deletion(context, instance)
        self.notify(context, "instance.delete.end", instance=instance.uuid)

    def _try_deallocate_network(self, context: Context, instance: Server) -> Steps:
        try:
            yield from self._deallocate_network(context, instance)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.DEALLOCATE_GAVE_UP, context, error, error, instance=instance.uuid)
            yield from self._set_instance_obj_error_state(context, instance)
            raise

    def _complete_deletion(self, context: Context, instance: Server) -> Steps:
        yield from self._update_resource_tracker(context, instance)
        yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid)
        self.say(logs.DELETED_ALLOCATIONS, context, instance.uuid)
        yield from self._delete_scheduler_instance_info(context, instance.uuid)
        yield from self.objects.destroy(context, instance)

    def _update_resource_tracker(self, context: Context, instance: Server) -> Steps:
        yield from self.rt.update_usage(context, instance)

    def cleanup_running_deleted_instances(self, context: Context) -> Steps:
        """The periodic task that removes guests whose servers are gone (`running_deleted_instance_action` reap)."""
        known, libvirt = self.site.tables.servers, self.service.libvirt
        for uuid, domain in [(uuid, domain) for uuid, domain in libvirt.domains.items() if uuid not in known]:
            self.say(logs.DESTROYING_DELETED, context, domain.name, instance=uuid)
            try:
                if uuid in libvirt.domains and domain.active:
                    yield from libvirt.destroy(context, uuid)
                if uuid in libvirt.domains:  # nobody minds who undefined it
                    yield from libvirt.undefine(context, uuid)
                libvirt.disk.delete_instance(uuid)
            except LibvirtError as error:
                self.say(logs.REAPING_FAILED, context, error, instance=uuid)
