"""Start, stop, reboot and snapshots on the compute host, and the guests' states as the hypervisor tells them."""

from __future__ import annotations

from twin.openstack.infrastructure.domains import DomainState
from twin.openstack.nova.compute import logs
from twin.openstack.nova.compute.destroying import Destroying
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import CRASHED, NOSTATE, PAUSED, RUNNING, SHUTDOWN, Server

POWER_STATES = {
    DomainState.RUNNING: RUNNING,
    DomainState.PAUSED: PAUSED,
    DomainState.SHUTDOWN: SHUTDOWN,
    DomainState.SHUTOFF: SHUTDOWN,
    DomainState.CRASHED: CRASHED,
}
"""What nova makes of libvirt's states (`LIBVIRT_POWER_STATE`)."""


class Powering(Destroying):
    """The power methods of nova.compute.manager.ComputeManager."""

    def stop_instance(self, context: Context, instance: Server) -> Steps:
        """Shut a server down."""
        try:
            yield from self._power_off_instance(context, instance)
            yield from self.objects.save(
                context,
                instance,
                expected_task_state=("powering-off", None),
                vm_state="stopped",
                task_state=None,
                power_state=SHUTDOWN,
            )
        except Exception as error:
            self.unexpected(error)
            yield from self._revert_task_state(context, instance, error)
            raise
        self.notify(context, "instance.power_off.end", instance=instance.uuid)

    def _power_off_instance(self, context: Context, instance: Server) -> Steps:
        yield from self.driver.power_off(context, instance)

    def start_instance(self, context: Context, instance: Server) -> Steps:
        """Start a server that is shut off."""
        try:
            yield from self._power_on(context, instance)
            yield from self.objects.save(
                context,
                instance,
                expected_task_state="powering-on",
                vm_state="active",
                task_state=None,
                power_state=RUNNING,
            )
        except Exception as error:
            self.unexpected(error)
            yield from self._revert_task_state(context, instance, error)
            raise
        self.notify(context, "instance.power_on.end", instance=instance.uuid)

    def _power_on(self, context: Context, instance: Server) -> Steps:
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        yield from self.driver.power_on(context, instance, network_info)

    def reboot_instance(self, context: Context, instance: Server, reboot_type: str) -> Steps:
        """Reboot a server."""
        self.say(logs.REBOOTING, context, instance=instance.uuid)
        soft = reboot_type == "SOFT"
        pending = "reboot_pending" if soft else "reboot_pending_hard"
        started = "reboot_started" if soft else "reboot_started_hard"
        yield from self.objects.save(context, instance, task_state=pending)
        if soft and not self.driver.is_running(instance):
            self.say(logs.REBOOTING_STOPPED, context, SHUTDOWN, RUNNING, instance=instance.uuid)
        try:
            network_info = yield from self.network_api.get_instance_nw_info(context, instance)
            yield from self.objects.save(context, instance, expected_task_state=pending, task_state=started)
            yield from self.driver.reboot(context, instance, network_info, reboot_type)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.REBOOT_FAILED, context, error, error, instance=instance.uuid)
            yield from self._set_instance_obj_error_state(context, instance)
            yield from self._revert_task_state(context, instance, error)
            return
        yield from self.objects.save(context, instance, vm_state="active", task_state=None, power_state=RUNNING)
        self.notify(context, "instance.reboot.end", instance=instance.uuid)

    def snapshot_instance(self, context: Context, instance: Server, image_name: str) -> Steps:
        """Make an image of a server's disk."""
        self.say(logs.SNAPSHOTTING, context, instance=instance.uuid)
        if instance.vm_state == "stopped":
            self.say(logs.SNAPSHOT_STOPPED, context, SHUTDOWN, RUNNING, instance=instance.uuid)
        began = self.world.now
        try:
            yield from self.objects.save(
                context, instance, expected_task_state="image_snapshot_pending", task_state="image_snapshot"
            )
            yield from self.driver.snapshot(context, instance, image_name)
            yield from self.objects.save(context, instance, task_state=None)
        except Exception as error:
            self.unexpected(error)
            yield from self._revert_task_state(context, instance, error)
            raise
        self.say(logs.TOOK_SNAPSHOT, context, self.world.now - began, instance=instance.uuid)

    # --- what the hypervisor tells ----------------------------------------------------------------------------

    def handle_lifecycle_event(self, context: Context, uuid: str, transition: str) -> Steps:
        """libvirt's events: Started, Paused, Resumed, Stopped."""
        self.say(logs.LIFECYCLE, context if transition != "Started" else None, transition, instance=uuid)
        instance = self.site.tables.servers.get(uuid)
        if instance is None or instance.host != self.host:
            return
        if instance.task_state is not None:
            if transition in ("Paused", "Resumed"):
                self.say(logs.PENDING_TASK_OF, context, instance.task_state, instance=uuid)
            return
        yield from self._sync_instance_power_state(context, instance)

    def _sync_instance_power_state(self, context: Context, instance: Server) -> Steps:
        """Believe the hypervisor where database and hypervisor differ."""
        if instance.task_state is not None:
            self.say(logs.PENDING_TASK_OF, context, instance.task_state, instance=instance.uuid)
            return
        power_state, before = self._get_power_state(instance), instance.power_state
        if power_state != before:
            self.say(logs.POWER_STATE_DIFFERS, context, before, power_state, instance=instance.uuid)
            yield from self.objects.save(context, instance, power_state=power_state)
        stop = False
        if instance.vm_state == "active":
            stop = power_state in (SHUTDOWN, CRASHED)
            if stop:
                self.say(logs.VM_GONE, context, instance=instance.uuid)
            elif power_state == PAUSED:
                self.say(logs.VM_PAUSED, context, instance=instance.uuid)
            elif power_state == NOSTATE:
                self.say(logs.VM_NOT_FOUND, context, instance=instance.uuid)
        elif instance.vm_state == "stopped" and power_state not in (NOSTATE, SHUTDOWN, CRASHED):
            states = ("stopped", None, before, power_state)
            self.say(logs.VM_STATE_UNEXPECTED, context, *states, instance=instance.uuid)
            stop = True
        if stop:
            yield from self.objects.save(context, instance, task_state="powering-off")
            yield from self.stop_instance(context, instance)

    def _get_power_state(self, instance: Server) -> int:
        """What the hypervisor says now."""
        domain = self.service.libvirt.domains.get(instance.uuid)
        return NOSTATE if domain is None else POWER_STATES[domain.state]
