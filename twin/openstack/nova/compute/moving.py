"""Moves between compute hosts: resize and cold migration, live migration, rebuild and evacuation."""

from __future__ import annotations

from collections.abc import Sequence

from twin.mechanics import openstack as facts
from twin.mechanics.openstack import Flavor
from twin.openstack.infrastructure.errors import LibvirtError
from twin.openstack.nova import exception
from twin.openstack.nova.compute import moving_logs as logs
from twin.openstack.nova.compute.devices import Devices
from twin.openstack.nova.compute.logs import EVACUATED_ELSEWHERE, SPAWN_FAILED
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server


class Moving(Devices):
    """The moving methods of nova.compute.manager.ComputeManager."""

    # --- resize and cold migration ----------------------------------------------------------------------------

    def prep_resize(self, context: Context, instance: Server, flavor: Flavor | None, host_list: Sequence[str]) -> Steps:
        """On the destination: claim, then ask the source."""
        self.say(logs.PREP_RESIZE, context, instance=instance.uuid)
        try:
            yield from self._prep_resize(context, instance, flavor)
        except Exception as error:
            self.unexpected(error)
            yield from self._set_back(context, instance, error)
            raise

    def _prep_resize(self, context: Context, instance: Server, flavor: Flavor | None) -> Steps:
        if instance.host == self.host:
            raise exception.MigrationError(reason="destination same as source!")
        yield from self.service.host_work(context, facts.BUILD.claim)
        self.site.tables.update(instance, old_flavor=instance.flavor, old_host=instance.host)
        yield from self.compute_rpcapi.resize_instance(context, instance, flavor, self.host)

    def _set_back(self, context: Context, instance: Server, error: Exception) -> Steps:
        """The move failed before anything was moved."""
        yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, self.host)
        yield from self._revert_task_state(context, instance, error)

    def resize_instance(self, context: Context, instance: Server, flavor: Flavor | None, destination: str) -> Steps:
        """On the source: stop the guest and send its disk."""
        try:
            yield from self._resize_instance(context, instance, flavor, destination)
        except Exception as error:
            self.unexpected(error)
            yield from self.objects.add_fault(context, instance, error)
            yield from self._set_instance_obj_error_state(context, instance, clean_task_state=True)
            raise

    def _resize_instance(self, context: Context, instance: Server, flavor: Flavor | None, destination: str) -> Steps:
        yield from self.objects.save(
            context, instance, expected_task_state="resize_prep", task_state="resize_migrating"
        )
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        size = yield from self.driver.migrate_disk_and_power_off(context, instance, network_info, destination)
        self.site.computes[destination].incoming[instance.uuid] = size
        yield from self.network_api.setup_networks_on_host(context, instance, destination)
        yield from self.objects.save(
            context,
            instance,
            task_state="resize_migrated",
            host=destination,
            flavor=flavor or instance.flavor,
        )
        yield from self.rt.update_usage(context, instance)
        yield from self.compute_rpcapi.finish_resize(context, instance, destination)

    def finish_resize(self, context: Context, instance: Server) -> Steps:
        """On the destination: start the guest from its disk; the user confirms."""
        try:
            yield from self._finish_resize(context, instance)
        except Exception as error:
            self.unexpected(error)
            yield from self.objects.add_fault(context, instance, error)
            yield from self._set_instance_obj_error_state(context, instance, clean_task_state=True)
            raise

    def _finish_resize(self, context: Context, instance: Server) -> Steps:
        yield from self.objects.save(
            context, instance, expected_task_state="resize_migrated", task_state="resize_finish"
        )
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        size = self.service.incoming.pop(instance.uuid, 0.0)
        yield from self.driver.finish_migration(context, instance, network_info, size)
        self.rt.tracked[instance.uuid] = instance
        yield from self.objects.save(
            context, instance, expected_task_state="resize_finish", vm_state="resized", task_state=None
        )
        self.notify(context, "instance.finish_resize.end", instance=instance.uuid)

    def confirm_resize(self, context: Context, instance: Server) -> Steps:
        """On the source: remove what is left of the server."""
        self.say(logs.CONFIRMING_RESIZE, context, instance.uuid, instance=instance.uuid)
        try:
            yield from self.driver.cleanup(context, instance, [])
        except LibvirtError as error:
            self.exception(logs.CONFIRM_RESIZE_FAILED, context, error, self.host, instance.host, instance=instance.uuid)
            yield from self._set_instance_obj_error_state(context, instance)
        yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, self.host)
        yield from self.objects.save(
            context, instance, vm_state="active", task_state=None, old_host=None, old_flavor=None
        )

    def revert_resize(self, context: Context, instance: Server) -> Steps:
        """On the destination: remove the server, send it back."""
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        yield from self.driver.destroy(context, instance, network_info)
        yield from self.rt.update_usage(context, instance)
        source = instance.old_host
        assert source is not None
        yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, self.host)
        yield from self.network_api.setup_networks_on_host(context, instance, source)
        yield from self.objects.save(
            context,
            instance,
            host=source,
            flavor=instance.old_flavor or instance.flavor,
            old_host=None,
            old_flavor=None,
        )
        yield from self.compute_rpcapi.finish_revert_resize(context, instance, source)

    def finish_revert_resize(self, context: Context, instance: Server) -> Steps:
        """On the source: start the guest that never left its disk."""
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        yield from self.driver.power_on(context, instance, network_info)
        self.rt.tracked[instance.uuid] = instance
        self.say(logs.REVERTED_TO_STATE, context, "active", instance=instance.uuid)
        yield from self.objects.save(context, instance, vm_state="active", task_state=None)

    # --- live migration ---------------------------------------------------------------------------------------

    def check_can_live_migrate_destination(self, context: Context, instance: Server) -> Steps:
        """On the destination: is this host fit for the guest."""
        yield from self.service.think(context, 0.05)
        if self.service.libvirt.disk.full:
            raise exception.MigrationPreCheckError(
                reason=f"Unable to migrate {instance.uuid}: Disk of instance is too large."
            )
        return {"filename": "tmp", "is_shared_instance_path": False}

    def pre_live_migration(self, context: Context, instance: Server) -> Steps:
        """On the destination: plug its interfaces."""
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        yield from self.driver.plug_vifs(context, instance, network_info)
        yield from self.service.host_work(context, facts.MIGRATION_SETUP)
        return {}

    def live_migration(self, context: Context, instance: Server, dest: str) -> Steps:
        """On the source: prepare the destination, move the guest, tidy up."""
        try:
            began = self.world.now
            yield from self.compute_rpcapi.pre_live_migration(context, instance, dest)
            self.say(logs.MIGRATION_TOOK, context, self.world.now - began, dest, instance=instance.uuid)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.PRE_LIVE_MIGRATION_FAILED, context, error, dest, instance=instance.uuid)
            yield from self._rollback_live_migration(context, instance, dest, error)
            return
        try:
            yield from self.driver.live_migration(context, instance, dest)
        except LibvirtError as error:
            self.exception(logs.LIVE_MIGRATION_FAILED, context, error, instance=instance.uuid)
            yield from self._rollback_live_migration(context, instance, dest, error)
            return
        yield from self._post_live_migration(context, instance, dest)

    def _post_live_migration(self, context: Context, instance: Server, dest: str) -> Steps:
        self.say(logs.POST_LIVE_MIGRATION, context, instance=instance.uuid)
        network_info = self._network_info(instance)
        yield from self.driver.unplug_vifs(context, instance, network_info)
        yield from self.rt.update_usage(context, instance)
        try:
            yield from self.compute_rpcapi.post_live_migration_at_destination(context, instance, dest)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.POST_AT_DESTINATION_FAILED, context, error, dest, instance=instance.uuid)
        yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, self.host)
        self.say(logs.MIGRATING, context, dest, instance=instance.uuid)

    def post_live_migration_at_destination(self, context: Context, instance: Server) -> Steps:
        """On the destination: the server is here now."""
        self.say(logs.POST_AT_DESTINATION, context, instance=instance.uuid)
        yield from self.network_api.setup_networks_on_host(context, instance, self.host)
        self.rt.tracked[instance.uuid] = instance
        yield from self.objects.save(context, instance, host=self.host, vm_state="active", task_state=None)

    def _rollback_live_migration(self, context: Context, instance: Server, dest: str, error: Exception) -> Steps:
        yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, dest)
        yield from self.objects.add_fault(context, instance, error)
        yield from self.objects.save(context, instance, vm_state="active", task_state=None)
        yield from self.compute_rpcapi.rollback_live_migration_at_destination(context, instance, dest)

    def rollback_live_migration_at_destination(self, context: Context, instance: Server) -> Steps:
        """On the destination: unplug what was prepared."""
        yield from self.driver.unplug_vifs(context, instance, self._network_info(instance))

    # --- rebuild and evacuation -------------------------------------------------------------------------------

    def rebuild_instance(self, context: Context, instance: Server, image: str, recreate: bool) -> Steps:
        """A server's disk anew from its image: here, or (evacuation) taken over from a dead host."""
        self.say(logs.EVACUATING if recreate else logs.REBUILDING, context, instance=instance.uuid)
        try:
            yield from self._do_rebuild_instance(context, instance, image, recreate)
        except Exception as error:
            self.unexpected(error)
            self.exception(SPAWN_FAILED, context, error, instance=instance.uuid)
            yield from self.objects.add_fault(context, instance, error)
            yield from self._set_instance_obj_error_state(context, instance, clean_task_state=True)
            if recreate:
                yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, self.host)

    def _do_rebuild_instance(self, context: Context, instance: Server, image: str, recreate: bool) -> Steps:
        source = instance.host
        if recreate:
            if instance.boots_from_volume:
                self.say(logs.REBUILD_FROM_VOLUME, context)
            else:
                self.say(logs.REBUILD_FROM_IMAGE, context, image)
            yield from self.rt.instance_claim(context, instance)
            yield from self.network_api.setup_networks_on_host(context, instance, self.host)
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        if not recreate:
            yield from self._rebuild_default_impl(context, instance, network_info)
        yield from self.objects.save(context, instance, task_state="rebuild_spawning")
        instance.image = image
        yield from self.driver.spawn(context, instance, network_info)
        if recreate and source is not None:
            yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, source)
        yield from self.objects.save(
            context, instance, expected_task_state="rebuild_spawning", vm_state="active", task_state=None
        )
        self.notify(context, "instance.rebuild.end", instance=instance.uuid)

    def _rebuild_default_impl(self, context: Context, instance: Server, network_info: list[dict[str, str]]) -> Steps:
        yield from self.driver.power_off(context, instance)
        yield from self.driver.destroy(context, instance, network_info)

    def destroy_evacuated_instances(self, context: Context) -> Steps:
        """At the start of nova-compute: guests of servers that were rebuilt elsewhere meanwhile."""
        for uuid in list(self.service.libvirt.domains):
            server = self.site.tables.servers.get(uuid)
            if server is not None and server.host not in (None, self.host) and server.task_state is None:
                self.say(EVACUATED_ELSEWHERE, context, instance=uuid)
                yield from self.driver.destroy(context, server, [])
