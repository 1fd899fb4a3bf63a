"""nova-compute's manager: everything that happens to servers on their host.

The real class is one file of ten thousand lines; here each chapter is a module, and each builds on the one before:
`building`, `destroying`, `powering`, `devices`, `resizing`, `moving`, `rebuilding`, `starting`. This one adds what runs
by the clock.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from twin.openstack.nova.compute import logs
from twin.openstack.nova.compute.starting import Starting
from twin.openstack.nova.virt import logs as virt_logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps


class ComputeManager(Starting):
    """nova.compute.manager.ComputeManager."""

    _healed = 0
    """Which server's cache came last."""

    def set_host_enabled(self, context: Context, enabled: bool) -> Steps:
        """Tell placement whether servers may come here."""
        yield from self.reportclient.update_from_provider_tree(context, self.host, not enabled)
        return "enabled" if enabled else "disabled"

    # --- periodic tasks ---------------------------------------------------------------------------------------

    def sync_power_states(self, context: Context) -> Steps:
        """Every ten minutes: the database's view of the guests against the hypervisor's."""
        instances = yield from self.objects.get_by_host(context, self.host)
        guests = yield from self.driver.list_instance_uuids(context)
        if len(instances) != len(guests):
            self.say(logs.SYNC_COUNT, context, len(instances), len(guests))
        for instance in instances:
            self.say(logs.SYNC_TRIGGERED, context, instance.uuid)
            yield from self._sync_instance_power_state(context, instance)

    def sync_scheduler_instance_info(self, context: Context) -> Steps:
        """Every two minutes: which servers are here, for the schedulers."""
        instances = yield from self.objects.get_by_host(context, self.host)
        uuids = [instance.uuid for instance in instances]
        yield from self.query_client.sync_instance_info(context, self.host, uuids)

    def instance_usage_audit(self, context: Context) -> Steps:
        """Every hour: what was used in the one before, for who bills it (`instance_usage_audit`)."""
        instances = yield from self.objects.get_by_host(context, self.host)
        end = datetime.fromtimestamp((self.world.epoch + self.world.now) // 3600 * 3600, UTC)
        period = (f"{end - timedelta(hours=1):%Y-%m-%d %H:%M:%S}", f"{end:%Y-%m-%d %H:%M:%S}")
        self.say(logs.USAGE_AUDIT, context, self.host, *period, len(instances))
        for instance in instances:
            self.notify(context, "instance.exists", instance=instance.uuid)

    def heal_instance_info_cache(self, context: Context) -> Steps:
        """Every minute: the network info cache of one server, brought up to date with neutron."""
        self.say(logs.HEAL_STARTING, context)
        listed = yield from self.objects.get_by_host(context, self.host)
        instances = [server for server in listed if server.vm_state == "active" and server.task_state is None]
        if not instances:
            self.say(logs.HEAL_NOTHING, context)
            return
        self._healed += 1
        instance = instances[self._healed % len(instances)]
        try:
            yield from self.network_api.heal_instance_info_cache(context, instance)
            self.say(logs.HEAL_DONE, context, instance=instance.uuid)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.HEAL_FAILED, context, error, instance=instance.uuid)

    def run_image_cache_manager_pass(self, context: Context) -> Steps:
        """Which base files are in use, which are old enough to go."""
        disk = self.service.libvirt.disk
        users = Counter(server.image for server in self.site.tables.on(self.host))
        for image, since in list(disk.base_files.items()):
            path = disk.base_path(image)
            self.say(virt_logs.IMAGE_CHECKING, context, image, path)
            yield from disk.compute(context, 0.05)
            if users[image]:
                self.say(virt_logs.IMAGE_IN_USE, context, image, path, users[image])
                self.say(virt_logs.IMAGE_ACTIVE, context, path)
                disk.base_files[image] = self.world.now  # its age is that of its last use
                continue
            self.say(virt_logs.IMAGE_UNKNOWN, context, path)
            self.say(virt_logs.IMAGE_REMOVABLE, context, path)
            if self.world.now - since < self.site.image_minimum_age:
                self.say(virt_logs.IMAGE_YOUNG, context, path)
            else:
                self.say(virt_logs.IMAGE_REMOVING, context, path)
                disk.remove_base(image)
