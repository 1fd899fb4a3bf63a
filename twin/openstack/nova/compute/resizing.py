"""Resize and cold migration: a server is stopped, copied to another host and started there, until the user's word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twin.mechanics.openstack import Flavor
from twin.openstack.migrations import Migration
from twin.openstack.nova import exception
from twin.openstack.nova.compute import moving_logs as logs
from twin.openstack.nova.compute.devices import Devices
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import SHUTDOWN, Server


class Resizing(Devices):
    """The resize methods of nova.compute.manager.ComputeManager."""

    def prep_resize(
        self,
        context: Context,
        instance: Server,
        flavor: Flavor,
        migration: Migration,
        retry: dict[str, Any] | None,
        host_list: Sequence[str],
    ) -> Steps:
        """On the destination: claim, then ask the source. What fails here may do on another host."""
        vm_state = instance.vm_state
        try:
            yield from self._prep_resize(context, instance, flavor, migration)
        except Exception as error:
            self.unexpected(error)
            try:
                yield from self._revert_allocation(context, instance, self.host)
                yield from self._reschedule_resize_or_reraise(context, instance, error, flavor, retry, host_list)
            except Exception as failure:
                self.unexpected(failure)
                yield from self._error_out_instance_on_exception(context, instance, failure, migration, vm_state)
                raise

    def _prep_resize(self, context: Context, instance: Server, flavor: Flavor, migration: Migration) -> Steps:
        if instance.host == self.host:
            raise exception.MigrationError(reason="destination same as source!")
        yield from self.objects.save(context, instance, old_vm_state=instance.vm_state)
        yield from self.rt.resize_claim(context, instance, flavor, migration)
        self.say(logs.PREP_RESIZE, context, instance=instance.uuid)
        try:
            yield from self.compute_rpcapi.resize_instance(context, instance, flavor, migration)
        except Exception as error:
            self.unexpected(error)
            yield from self.rt.drop_move_claim(context, instance)
            raise

    def _revert_allocation(self, context: Context, instance: Server, dest: str | None) -> Steps:
        """The server keeps what it had on the source."""
        yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, dest)

    def _reschedule_resize_or_reraise(
        self,
        context: Context,
        instance: Server,
        error: Exception,
        flavor: Flavor,
        retry: dict[str, Any] | None,
        host_list: Sequence[str],
    ) -> Steps:
        """Give the move back to nova-conductor, which tries an alternate; without a retry raise the error again."""
        if retry is None:
            self.say(logs.WILL_NOT_RESCHEDULE, context, instance=instance.uuid)
            raise error
        self.say(logs.RESCHEDULING, context, retry["num_attempts"], instance=instance.uuid)
        try:
            yield from self.objects.save(context, instance, task_state="resize_prep")
            yield from self.compute_task_api.resize_instance(
                context,
                instance,
                flavor,
                retry={**retry, "host": self.host, "exc": str(error)},
                host_list=host_list,
            )
        except Exception as failure:
            self.unexpected(failure)
            self.exception(logs.RESCHEDULING_FAILED, context, failure, instance=instance.uuid)
            yield from self.objects.add_fault(context, instance, failure)
            raise error from failure
        self.exception(logs.ORIGINAL_ERROR, context, error, error, instance=instance.uuid)
        yield from self.objects.add_fault(context, instance, error)

    def resize_instance(self, context: Context, instance: Server, flavor: Flavor, migration: Migration) -> Steps:
        """On the source: stop the guest and send its disk."""
        vm_state = instance.vm_state
        try:
            yield from self._resize_instance(context, instance, flavor, migration)
        except Exception as error:
            self.unexpected(error)
            yield from self._error_out_instance_on_exception(context, instance, error, migration, vm_state)
            yield from self._revert_allocation(context, instance, migration.dest_compute)
            raise

    def _resize_instance(self, context: Context, instance: Server, flavor: Flavor, migration: Migration) -> Steps:
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        yield from self.objects.save_migration(context, migration, status="migrating")
        yield from self.objects.save(
            context, instance, expected_task_state="resize_prep", task_state="resize_migrating"
        )
        dest = migration.dest_compute
        assert dest is not None
        yield from self.driver.migrate_disk_and_power_off(context, instance, network_info, dest)
        yield from self._terminate_volume_connections(context, instance)
        yield from self.objects.save_migration(context, migration, status="post-migrating")
        yield from self.objects.save(
            context,
            instance,
            expected_task_state="resize_migrating",
            task_state="resize_migrated",
            host=dest,
            old_host=self.host,
            old_flavor=instance.flavor,
        )
        yield from self.compute_rpcapi.finish_resize(context, instance, dest, migration)

    def finish_resize(self, context: Context, instance: Server, migration: Migration) -> Steps:
        """On the destination: start the guest from its disk; the user confirms."""
        try:
            yield from self._finish_resize(context, instance, migration)
        except Exception as error:
            self.unexpected(error)
            yield from self._error_out_instance_on_exception(context, instance, error, migration)
            source = migration.source_compute
            self.say(logs.FINISH_RESIZE_FAILED, context, source, instance=instance.uuid)
            yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, source)
            raise
        yield from self._update_scheduler_instance_info(context, instance)
        self.notify(context, "instance.finish_resize.end", instance=instance.uuid)

    def _finish_resize(self, context: Context, instance: Server, migration: Migration) -> Steps:
        yield from self.network_api.setup_networks_on_host(context, instance, self.host)
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        yield from self.objects.save(
            context,
            instance,
            expected_task_state="resize_migrated",
            task_state="resize_finish",
            flavor=migration.new_flavor,
        )
        yield from self._update_volume_attachments(context, instance)
        yield from self._get_instance_block_device_info(context, instance)
        power_on = instance.old_vm_state != "stopped"
        try:
            yield from self.driver.finish_migration(context, instance, network_info, power_on)
        except Exception as error:
            self.unexpected(error)
            self.site.tables.update(instance, flavor=migration.old_flavor)  # whoever handles the error saves it
            raise
        yield from self._complete_volume_attachments(context, instance)
        yield from self.objects.save_migration(context, migration, status="finished")
        yield from self.objects.save(
            context, instance, expected_task_state="resize_finish", vm_state="resized", task_state=None
        )

    # --- the user's word --------------------------------------------------------------------------------------

    def confirm_resize(self, context: Context, instance: Server, migration: Migration) -> Steps:
        """On the source: remove what is left of the server."""
        self.say(logs.CONFIRMING_RESIZE, context, migration.id, instance=instance.uuid)
        if migration.status == "confirmed":
            self.say(logs.ALREADY_CONFIRMED, context, migration.id, instance=instance.uuid)
            return
        if migration.status not in ("finished", "confirming"):
            unexpected = (migration.status, migration.id)
            self.say(logs.CONFIRM_STATUS_UNEXPECTED, context, *unexpected, instance=instance.uuid)
            return
        try:
            yield from self.objects.get_by_uuid(context, instance.uuid)
        except exception.InstanceNotFound:
            self.say(logs.GONE_DURING_CONFIRMATION, context, instance=instance.uuid)
            return
        try:
            yield from self._confirm_resize(context, instance, migration)
        except Exception as error:
            self.unexpected(error)
            where = (self.host, migration.dest_compute)
            self.exception(logs.CONFIRM_RESIZE_FAILED, context, error, *where, instance=instance.uuid)
            yield from self._forget_the_source(context, instance)
            yield from self._error_out_instance_on_exception(context, instance, error, migration)
            raise
        yield from self._forget_the_source(context, instance)

    def _confirm_resize(self, context: Context, instance: Server, migration: Migration) -> Steps:
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        yield from self.driver.confirm_migration(context, instance, network_info)
        yield from self.rt.drop_move_claim(context, instance)
        yield from self.objects.save_migration(context, migration, status="confirmed")
        vm_state = "stopped" if instance.power_state == SHUTDOWN else "active"
        yield from self.objects.save(
            context, instance, expected_task_state=(None, "deleting"), vm_state=vm_state, task_state=None
        )

    def _forget_the_source(self, context: Context, instance: Server) -> Steps:
        """However it went, the server is on the destination: the `finally` of the real method."""
        yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, self.host)
        yield from self._delete_scheduler_instance_info(context, instance.uuid)
        yield from self._delete_stashed_flavor_info(context, instance)

    def _delete_stashed_flavor_info(self, context: Context, instance: Server) -> Steps:
        if instance.uuid in self.site.tables.servers:
            yield from self.objects.save(
                context, instance, old_flavor=None, old_host=None, old_vm_state="", migration_context=None
            )

    def revert_resize(self, context: Context, instance: Server, migration: Migration) -> Steps:
        """On the destination: remove the server, send it back."""
        try:
            network_info = yield from self.network_api.get_instance_nw_info(context, instance)
            yield from self.driver.destroy(context, instance, network_info)
            yield from self._terminate_volume_connections(context, instance)
            yield from self.rt.drop_move_claim(context, instance)
            yield from self.objects.save_migration(context, migration, status="reverted")
            yield from self.compute_rpcapi.finish_revert_resize(context, instance, migration.source_compute, migration)
        except Exception as error:
            self.unexpected(error)
            yield from self._error_out_instance_on_exception(context, instance, error, migration)
            raise

    def finish_revert_resize(self, context: Context, instance: Server, migration: Migration) -> Steps:
        """On the source: start the guest that never left its disk."""
        try:
            yield from self._finish_revert_resize(context, instance, migration)
        except Exception as error:
            self.unexpected(error)
            yield from self._error_out_instance_on_exception(context, instance, error, migration)
            yield from self._delete_stashed_flavor_info(context, instance)
            raise
        yield from self._delete_stashed_flavor_info(context, instance)

    def _finish_revert_resize(self, context: Context, instance: Server, migration: Migration) -> Steps:
        old_vm_state = instance.old_vm_state or "active"
        yield from self._revert_instance_flavor_host_node(context, instance, migration)
        yield from self._revert_allocation(context, instance, migration.dest_compute)
        yield from self.network_api.setup_networks_on_host(context, instance, self.host)
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        yield from self._update_volume_attachments(context, instance)
        yield from self._get_instance_block_device_info(context, instance)
        power_on = old_vm_state != "stopped"
        yield from self.driver.finish_revert_migration(context, instance, network_info, power_on)
        yield from self.objects.save(context, instance, expected_task_state="resize_reverting", migration_context=None)
        yield from self._complete_volume_attachments(context, instance)
        self.say(logs.REVERTED_TO_STATE, context, old_vm_state, instance=instance.uuid)
        if power_on:
            yield from self.objects.save(context, instance, vm_state="active", task_state=None)
            return
        yield from self.objects.save(context, instance, task_state="powering-off")
        yield from self.stop_instance(context, instance)

    def _revert_instance_flavor_host_node(self, context: Context, instance: Server, migration: Migration) -> Steps:
        yield from self.objects.save(context, instance, host=self.host, flavor=migration.old_flavor)
        self.rt.tracked[instance.uuid] = instance.resources()
