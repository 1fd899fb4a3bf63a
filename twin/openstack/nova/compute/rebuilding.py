"""Rebuild and evacuation: a server's guest anew, on its host or taken over from a dead one."""

from __future__ import annotations

from twin.openstack.migrations import Migration
from twin.openstack.nova.compute import moving_logs as logs
from twin.openstack.nova.compute.building import GONE
from twin.openstack.nova.compute.moving import Moving
from twin.openstack.nova.exception import ComputeResourcesUnavailable, InstanceFaultRollback
from twin.openstack.nova.network import NetworkInfo
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import RUNNING, Server


class Rebuilding(Moving):
    """The rebuild methods of nova.compute.manager.ComputeManager."""

    def rebuild_instance(
        self, context: Context, instance: Server, image: str, recreate: bool, migration: Migration | None
    ) -> Steps:
        """A server's disk anew from its image: here, or (evacuation) taken over from a dead host."""
        self.say(logs.EVACUATING if recreate else logs.REBUILDING, context, instance=instance.uuid)
        vm_state = instance.vm_state
        try:
            yield from self._do_rebuild_instance_with_claim(context, instance, image, recreate, migration)
        except GONE:
            self.say(logs.GONE_DURING_REBUILD, context, instance=instance.uuid)
            yield from self._set_migration_status(context, migration, "failed")
        except Exception as error:
            self.unexpected(error)
            yield from self._set_migration_status(context, migration, "failed")
            if recreate:
                yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, self.host)
                yield from self.rt.drop_move_claim(context, instance)
            failure = error
            if isinstance(error, ComputeResourcesUnavailable):
                self.say(logs.REBUILD_WITHOUT_ROOM, context, instance=instance.uuid)
                failure = InstanceFaultRollback(reason=error)  # nothing has been done to it yet
            yield from self._error_out_instance_on_exception(context, instance, failure, None, vm_state)
            raise

    def _set_migration_status(self, context: Context, migration: Migration | None, status: str) -> Steps:
        if migration is not None:
            yield from self.objects.save_migration(context, migration, status=status)

    def _do_rebuild_instance_with_claim(
        self, context: Context, instance: Server, image: str, evacuate: bool, migration: Migration | None
    ) -> Steps:
        if evacuate:
            migration = yield from self.rt.rebuild_claim(context, instance, migration)
        yield from self._do_rebuild_instance(context, instance, image, evacuate)
        if migration is not None:
            source = instance.host
            yield from self.rt.finish_evacuation(context, instance, migration)
            yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, source)

    def _do_rebuild_instance(self, context: Context, instance: Server, image: str, evacuate: bool) -> Steps:
        orig_vm_state = instance.vm_state
        if evacuate and instance.boots_from_volume:
            self.say(logs.REBUILD_FROM_VOLUME, context)
        elif evacuate:
            self.say(logs.REBUILD_FROM_IMAGE, context, image)
        if evacuate:
            yield from self.network_api.setup_networks_on_host(context, instance, self.host)
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        instance.image = image
        yield from self._rebuild_default_impl(context, instance, network_info, evacuate)
        yield from self._update_instance_after_spawn(context, instance)
        if orig_vm_state == "stopped":
            self.say(logs.BACK_TO_ORIGINAL_STATE, context, orig_vm_state, instance=instance.uuid)
            yield from self.objects.save(context, instance, task_state="powering-off")
            yield from self.stop_instance(context, instance)
        yield from self._update_scheduler_instance_info(context, instance)
        self.notify(context, "instance.rebuild.end", instance=instance.uuid)

    def _update_instance_after_spawn(self, context: Context, instance: Server) -> Steps:
        yield from self.objects.save(
            context,
            instance,
            expected_task_state="rebuild_spawning",
            vm_state="active",
            task_state=None,
            power_state=RUNNING,
        )

    def _rebuild_default_impl(
        self, context: Context, instance: Server, network_info: NetworkInfo, evacuate: bool
    ) -> Steps:
        if evacuate:
            yield from self._detach_block_devices(context, instance)
        else:
            yield from self._power_off_instance(context, instance)
            yield from self._detach_block_devices(context, instance)
            yield from self.driver.destroy(context, instance, network_info)
        yield from self.objects.save(
            context, instance, expected_task_state="rebuilding", task_state="rebuild_block_device_mapping"
        )
        yield from self._prep_block_device(context, instance)
        yield from self.objects.save(
            context,
            instance,
            expected_task_state="rebuild_block_device_mapping",
            task_state="rebuild_spawning",
        )
        yield from self.driver.spawn(context, instance, network_info)

    def _detach_block_devices(self, context: Context, instance: Server) -> Steps:
        """Give the volumes up without losing them: a new attachment without a host keeps each reserved."""
        for volume_id, attachment_id in list(instance.volumes.items()):
            reserved = yield from self.volume_api.attachment_create(context, volume_id, instance.uuid)
            yield from self._detach_volume(context, instance, volume_id, attachment_id, destroy_bdm=False)
            volumes = {**instance.volumes, volume_id: reserved["id"]}
            yield from self.objects.save(context, instance, volumes=volumes)

    # --- the host that was evacuated --------------------------------------------------------------------------

    def _destroy_evacuated_instances(self, context: Context) -> Steps:
        """At the start of nova-compute: remove guests of servers that were evacuated meanwhile; return their ids."""
        evacuations = yield from self.objects.get_evacuations(context, self.host)
        if not evacuations:
            return frozenset()
        local = yield from self.driver.list_instance_uuids(context)
        for migration in evacuations:
            instance = self.site.tables.servers.get(migration.instance_uuid)
            if instance is None:
                continue
            if instance.uuid in local:
                self.say(logs.EVACUATED_ELSEWHERE, context, instance=instance.uuid)
                network_info = yield from self.network_api.get_instance_nw_info(context, instance)
                yield from self.driver.destroy(context, instance, network_info)
            self.say(logs.ALLOCATIONS_OF_EVACUATED, context, instance=instance.uuid)
            yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, self.host)
            yield from self.objects.save_migration(context, migration, status="completed")
        return frozenset(migration.instance_uuid for migration in evacuations)
