"""The start of nova-compute: it goes on with what the process before had begun for its servers, or gives it up."""

from __future__ import annotations

from twin.openstack.nova.compute import init_logs as logs
from twin.openstack.nova.compute.logs import RESOURCES_FAILED
from twin.openstack.nova.compute.rebuilding import Rebuilding
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import RUNNING, Server

BUILDING = ("scheduling", "block_device_mapping", "networking", "spawning")
REBUILDING = ("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning")
FORGOTTEN = ("image_snapshot_pending", "image_snapshot", "image_pending_upload", "image_uploading", "resize_prep")
"""Nothing has been done to the guest in these."""
SOFT_REBOOT = ("rebooting", "reboot_pending", "reboot_started")
REBOOT_STARTED = ("reboot_started", "reboot_started_hard")


class Starting(Rebuilding):
    """The start-up methods of nova.compute.manager.ComputeManager."""

    def init_host(self, context: Context) -> Steps:
        """At the start of the process: what the one before left behind."""
        self.say(logs.INIT_STUCK, context)
        instances = yield from self.objects.get_by_host(context, self.host)
        evacuated = yield from self._destroy_evacuated_instances(context)
        for instance in instances:
            if instance.uuid not in evacuated:
                yield from self._init_instance(context, instance)
        yield from self.update_available_resource(context)
        yield from self.cleanup_running_deleted_instances(context)

    def update_available_resource(self, context: Context) -> Steps:
        """Every minute: what the host has and uses."""
        yield from self._get_compute_nodes_in_db(context)
        try:
            resources = yield from self.driver.get_available_resource(context)
            yield from self.rt.update_available_resource(context, resources)
        except Exception as error:
            self.unexpected(error)
            self.exception(RESOURCES_FAILED, context, error, self.host)

    def _get_compute_nodes_in_db(self, context: Context) -> Steps:
        node = yield from self.objects.get_compute_node(context, self.host)
        return [node]

    def _init_instance(self, context: Context, instance: Server) -> Steps:
        if instance.host != self.host:
            self.say(logs.NOT_OWNED, context, instance.uuid, instance.host)
            return
        if instance.vm_state == "error" and instance.task_state not in ("resize_migrating", "deleting"):
            self.say(logs.IN_STATE, context, instance.vm_state, instance=instance.uuid)
            return
        if instance.vm_state == "building" or instance.task_state in BUILDING:
            self.say(logs.SPAWN_FAILED, context, instance=instance.uuid)
            yield from self._set_instance_obj_error_state(context, instance, clean_task_state=True)
            return
        if instance.vm_state in ("active", "stopped") and instance.task_state in REBUILDING:
            self.say(logs.REBUILD_FAILED, context, instance=instance.uuid)
            yield from self._set_instance_obj_error_state(context, instance, clean_task_state=True)
            return
        if instance.vm_state != "error" and instance.task_state in FORGOTTEN:
            self.say(logs.TRANSITIONAL, context, instance.task_state, instance=instance.uuid)
            yield from self.objects.save(context, instance, task_state=None)
        if instance.task_state == "deleting":
            yield from self._finish_deletion(context, instance)
        elif self._retry_reboot(instance):
            yield from self._reboot_again(context, instance)
        elif instance.task_state == "powering-off":
            yield from self._stop_again(context, instance)
        elif instance.task_state == "powering-on":
            yield from self._start_again(context, instance)
        else:
            yield from self._settle(context, instance)

    def _finish_deletion(self, context: Context, instance: Server) -> Steps:
        self.say(logs.DELETION_RESTARTED, context, instance=instance.uuid)
        try:
            yield from self._delete_instance(context, instance)
        except Exception as error:  # the start goes on with the next one
            self.unexpected(error)
            self.exception(logs.DELETION_FAILED, context, error, instance=instance.uuid)
            yield from self._set_instance_obj_error_state(context, instance)

    # --- power ------------------------------------------------------------------------------------------------

    def _retry_reboot(self, instance: Server) -> bool:
        """Whether a reboot was taken up and not carried out."""
        if instance.task_state == "reboot_pending":
            return instance.vm_state == "active"
        started = instance.task_state in REBOOT_STARTED and self._get_power_state(instance) != RUNNING
        return started or instance.task_state == "reboot_pending_hard"

    def _reboot_again(self, context: Context, instance: Server) -> Steps:
        power_state = self._get_power_state(instance)
        soft = instance.task_state in SOFT_REBOOT
        reboot_type = "SOFT" if soft and power_state == RUNNING else "HARD"
        self.say(logs.REBOOTING_AGAIN, context, instance.task_state, power_state, instance=instance.uuid)
        if soft and reboot_type == "HARD":
            yield from self.objects.save(context, instance, task_state="reboot_pending_hard")
        yield from self.reboot_instance(context, instance, reboot_type)

    def _stop_again(self, context: Context, instance: Server) -> Steps:
        self.say(logs.STOPPING_AGAIN, context, instance.task_state, instance=instance.uuid)
        try:
            yield from self.stop_instance(context, instance)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.STOP_FAILED, context, error, instance=instance.uuid)

    def _start_again(self, context: Context, instance: Server) -> Steps:
        self.say(logs.STARTING_AGAIN, context, instance.task_state, instance=instance.uuid)
        try:
            yield from self.start_instance(context, instance)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.START_FAILED, context, error, instance=instance.uuid)

    def _settle(self, context: Context, instance: Server) -> Steps:
        """A server that nothing more is to be done to but to run, as far as the database says so."""
        power_state = self._get_power_state(instance)
        if instance.task_state in REBOOT_STARTED:
            self.say(logs.CLEARING, context, instance.task_state, power_state, instance=instance.uuid)
            yield from self.objects.save(context, instance, vm_state="active", task_state=None)
        if instance.task_state == "resize_migrating":
            yield from self._roll_back_crashed_migration(context, instance)
        if instance.task_state == "migrating":
            yield from self._reset_live_migration(context, instance)
        if instance.power_state == RUNNING and self._get_power_state(instance) != RUNNING:
            yield from self._resume_guests_state(context, instance)

    def _resume_guests_state(self, context: Context, instance: Server) -> Steps:
        """`resume_guests_state_on_host_boot`: a guest that its host's reboot stopped."""
        self.say(logs.REBOOTING_GUEST, context, instance=instance.uuid)
        try:
            network_info = yield from self.network_api.get_instance_nw_info(context, instance)
            yield from self.driver.resume_state_on_host_boot(context, instance, network_info)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.RESUME_FAILED, context, error, instance=instance.uuid)
            yield from self._set_instance_obj_error_state(context, instance)

    # --- moves ------------------------------------------------------------------------------------------------

    def _roll_back_crashed_migration(self, context: Context, instance: Server) -> Steps:
        """The process died while it sent the disk: the guest starts again where it was."""
        power_on = instance.old_vm_state != "stopped"
        try:
            network_info = yield from self.network_api.get_instance_nw_info(context, instance)
            yield from self.driver.finish_revert_migration(context, instance, network_info, power_on)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.REVERT_FAILED, context, error, instance=instance.uuid)
        self.say(logs.MIGRATING, context, instance=instance.uuid)
        yield from self.objects.save(context, instance, task_state=None)

    def _reset_live_migration(self, context: Context, instance: Server) -> Steps:
        self.say(logs.MIGRATING, context, instance=instance.uuid)
        yield from self.objects.save(context, instance, expected_task_state="migrating", task_state=None)
