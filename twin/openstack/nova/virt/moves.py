"""The libvirt driver's part in moves between hosts."""

from __future__ import annotations

from twin.openstack.infrastructure.disk import copy_instance, reach
from twin.openstack.infrastructure.domains import DomainState
from twin.openstack.infrastructure.errors import LibvirtError, ProcessExecutionError
from twin.openstack.infrastructure.migration import migrate
from twin.openstack.nova.exception import InstanceFaultRollback, ResizeError
from twin.openstack.nova.network import NetworkInfo
from twin.openstack.nova.virt import logs
from twin.openstack.nova.virt.driver import LibvirtDriver
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server


class MovingDriver(LibvirtDriver):
    """The moving methods of nova.virt.libvirt.driver.LibvirtDriver."""

    chapter_of = "LibvirtDriver"

    def migrate_disk_and_power_off(
        self, context: Context, instance: Server, network_info: NetworkInfo, dest: str
    ) -> Steps:
        """Stop the guest and copy its disk to another host.

        Raises InstanceFaultRollback where that host does not answer, before anything is done to the guest.
        """
        self.say(logs.MIGRATING_DISK, context, instance=instance.uuid)
        yield from self._create_remote_dir(context, instance, dest)
        yield from self.power_off(context, instance)
        yield from self.unplug_vifs(context, instance, network_info)
        for connection_info in instance.connections.values():
            yield from self._disconnect_volume(context, connection_info, instance)
        yield from copy_instance(context, self.disk, self.site.libvirts[dest].disk, instance.uuid)

    def _create_remote_dir(self, context: Context, instance: Server, dest: str) -> Steps:
        try:
            yield from reach(self.disk, self.site.libvirts[dest].disk, instance.uuid)
        except ProcessExecutionError as error:
            reason = ResizeError(reason=f"not able to execute ssh command: {error}")
            raise InstanceFaultRollback(reason=reason) from error

    def finish_migration(
        self, context: Context, instance: Server, network_info: NetworkInfo, power_on: bool = True
    ) -> Steps:
        """Start a guest, or define it, from a disk that came from another host."""
        self.say(logs.FINISHING_MIGRATION, context, instance=instance.uuid)
        yield from self._get_guest_xml(context, instance)
        yield from self._create_guest_with_network(context, instance, network_info, power_on=power_on)
        self.say(logs.MIGRATION_FINISHED, context, instance=instance.uuid)

    def confirm_migration(self, context: Context, instance: Server, network_info: NetworkInfo) -> Steps:
        """Remove what a move has left on the source: domain, interfaces, disk."""
        if instance.uuid in self.host.domains:
            yield from self.host.undefine(context, instance.uuid)
        yield from self.unplug_vifs(context, instance, network_info)
        self.disk.delete_instance(instance.uuid)

    def finish_revert_migration(
        self, context: Context, instance: Server, network_info: NetworkInfo, power_on: bool = True
    ) -> Steps:
        """Start the guest again, or define it, on the host that has kept its disk."""
        self.say(logs.REVERTING_MIGRATION, context, instance=instance.uuid)
        yield from self._get_guest_xml(context, instance)
        yield from self._create_guest_with_network(context, instance, network_info, power_on=power_on)

    def resume_state_on_host_boot(self, context: Context, instance: Server, network_info: NetworkInfo) -> Steps:
        """Bring a guest that does not run to a known state; one that is paused stays so."""
        domain = self.host.domains.get(instance.uuid)
        if domain is not None and domain.state in (DomainState.RUNNING, DomainState.PAUSED):
            return
        yield from self._hard_reboot(context, instance, network_info)

    # --- live migration ---------------------------------------------------------------------------------------

    def pre_live_migration(self, context: Context, instance: Server, network_info: NetworkInfo) -> Steps:
        """On the destination: connect the volumes, plug the interfaces."""
        yield from self._get_guest_xml(context, instance)
        yield from self.plug_vifs(context, instance, network_info)

    def live_migration(self, context: Context, instance: Server, dest: str) -> Steps:
        """Move the running guest to another host. Raises LibvirtError."""
        self.say(logs.INVOKING_MIGRATE, context, instance=instance.uuid)
        try:
            yield from migrate(self.host, self.site.computes[dest].libvirt, context, instance.uuid)
        except LibvirtError as error:
            self.exception(logs.LIVE_MIGRATION_FAILURE, context, error, error, instance=instance.uuid)
            raise
        size = self.disk.used_by(self._folder(instance))
        self.disk.delete_instance(instance.uuid)
        self.site.computes[dest].libvirt.disk.allocate(self._folder(instance) + "/disk", size)
        self.say(logs.OPERATION_COMPLETED, context, instance=instance.uuid)

    def post_live_migration(
        self, context: Context, instance: Server, block_device_info: dict[str, dict[str, str]]
    ) -> Steps:
        """On the source: disconnect the volumes, whatever comes of it."""
        for volume_id, connection_info in block_device_info.items():
            try:
                yield from self._disconnect_volume(context, connection_info, instance)
            except Exception as error:
                self.unexpected(error)
                self.exception(logs.DISCONNECT_IGNORED, context, error, volume_id, instance=instance.uuid)

    def post_live_migration_at_source(self, context: Context, instance: Server, network_info: NetworkInfo) -> Steps:
        """On the source: unplug the interfaces."""
        yield from self.unplug_vifs(context, instance, network_info)
