"""What nova-api does with servers before and after the compute hosts do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twin.mechanics.openstack import FLAVORS, Flavor
from twin.openstack.migrations import Migration
from twin.openstack.nova import exception, logs
from twin.openstack.nova.compute.rpcapi import ComputeAPI
from twin.openstack.nova.conductor.rpcapi import ComputeTaskAPI
from twin.openstack.nova.image import ImageAPI
from twin.openstack.nova.network import NetworkAPI
from twin.openstack.nova.objects import Instances
from twin.openstack.nova.quota import Quotas
from twin.openstack.nova.report import SchedulerReportClient
from twin.openstack.nova.servicegroup import ServiceGroup
from twin.openstack.nova.volume import VolumeAPI
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server


class API(Flow):
    """nova.compute.api.API."""

    source = "nova.compute.api"
    service: AmqpService

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.objects = Instances(service)
        self.image_api = ImageAPI(service)
        self.network_api = NetworkAPI(service)
        self.volume_api = VolumeAPI(service)
        self.placementclient = SchedulerReportClient(service)
        self.servicegroup_api = ServiceGroup(service)
        self.quotas = Quotas(service)
        self.compute_rpcapi = ComputeAPI(service)
        self.compute_task_api = ComputeTaskAPI(service)

    def get(self, context: Context, instance_id: str) -> Steps:
        """The server. Raises InstanceNotFound."""
        self.say(logs.FETCHING_INSTANCE, context, instance=instance_id)
        instance = yield from self.objects.get_by_uuid(context, instance_id)
        return instance

    # --- create -----------------------------------------------------------------------------------------------

    def create(
        self,
        context: Context,
        name: str,
        flavor: Flavor,
        image_href: str,
        requested_networks: Sequence[str] = (),
        block_device_mapping: str = "",
        key_name: str | None = None,
        min_count: int = 1,
        security_groups: Sequence[str] = (),
    ) -> Steps:
        """Accept new servers: checks, quota, rows, and a cast to nova-conductor. Returns the servers."""
        if image_href:
            image = yield from self._get_image(context, image_href)
            self._validate_flavor_image(context, image, flavor)
        yield from self._check_requested_networks(context, requested_networks, min_count)
        if block_device_mapping:
            yield from self._validate_bdm(context, block_device_mapping)
        yield from self._check_num_instances_quota(context, flavor, min_count)
        self.say(logs.GOING_TO_RUN, context, min_count)
        yield from self.network_api.create_resource_requests(context, requested_networks)
        instances = []
        for index in range(min_count):
            instance = yield from self._provision_instance(
                context, name if min_count == 1 else f"{name}-{index + 1}", flavor, image_href, key_name, index
            )
            instance.security_groups = list(security_groups)
            if block_device_mapping:
                yield from self._create_block_device_mapping(context, instance, block_device_mapping)
            instances.append(instance)
        yield from self.compute_task_api.schedule_and_build_instances(
            context, instances, requested_networks=requested_networks
        )
        return instances

    def _get_image(self, context: Context, image_href: str) -> Steps:
        image = yield from self.image_api.get(context, image_href)
        return image

    def _validate_flavor_image(self, context: Context, image: dict[str, Any], flavor: Flavor) -> None:
        if image["status"] != "active":
            raise exception.ImageNotActive(image_id=image["id"])
        if flavor.disk_gb and image["min_disk"] > flavor.disk_gb:
            raise exception.FlavorDiskSmallerThanImage(
                flavor_size=flavor.disk_gb * 2**30, image_size=image["min_disk"] * 2**30
            )

    def _check_requested_networks(self, context: Context, requested_networks: Sequence[str], max_count: int) -> Steps:
        count = yield from self.network_api.validate_networks(context, requested_networks, max_count)
        return count

    def _validate_bdm(self, context: Context, volume_id: str) -> Steps:
        volume = yield from self.volume_api.get(context, volume_id)
        if volume["status"] not in ("available", "reserved"):
            raise exception.InvalidBDM()

    def _check_num_instances_quota(self, context: Context, flavor: Flavor, count: int) -> Steps:
        yield from self.quotas.check_deltas(
            context,
            {"instances": count, "cores": count * flavor.vcpus, "ram": count * flavor.memory_mb},
            context.request.project,
        )

    def _provision_instance(
        self, context: Context, name: str, flavor: Flavor, image: str, key_name: str | None, index: int
    ) -> Steps:
        uuid = self.world.streams["openstack/server"].uuid(context.trace.key, index)
        request = context.request
        instance = Server(uuid, name, request.user, request.project, flavor, image, self.world.now, key_name=key_name)
        yield from self.objects.create(context, instance)
        self.notify(context, "instance.create.start", instance=uuid)
        return instance

    def _create_block_device_mapping(self, context: Context, instance: Server, volume_id: str) -> Steps:
        attachment = yield from self.volume_api.attachment_create(context, volume_id, instance.uuid)
        instance.volumes[volume_id] = attachment["id"]
        yield from self.objects.save(context, instance, boot_volume=volume_id)

    # --- delete -----------------------------------------------------------------------------------------------

    def delete(self, context: Context, instance: Server) -> Steps:
        """Have a server deleted, by its host or, where that is down, here."""
        self.say(logs.GOING_TO_TERMINATE, context, instance=instance.uuid)
        yield from self._delete(context, instance, "delete", self._do_delete)

    def _do_delete(self, context: Context, instance: Server) -> Steps:
        yield from self.compute_rpcapi.terminate_instance(context, instance)

    def _delete(
        self, context: Context, instance: Server, delete_type: str, cb: Callable[[Context, Server], Steps]
    ) -> Steps:
        alive = instance.host is not None and self.servicegroup_api.service_is_up(instance.host)
        if instance.task_state == "deleting" and alive:
            self.say(logs.NOVA_DELETING, context, instance=instance.uuid)
            return
        yield from self.objects.save(context, instance, task_state="deleting")
        if instance.host is None:
            if instance.vm_state == "building":  # the build request: conductor finds the server gone
                self.say(logs.DELETED_WITHOUT_HOST, context, instance.vm_state, instance=instance.uuid)
            yield from self._local_delete(context, instance, delete_type)
            return
        if instance.vm_state == "resized":
            yield from self._confirm_resize_on_deleting(context, instance)
        if alive:
            yield from cb(context, instance)
            return
        self.say(logs.NOVA_LOCAL_DELETE, context, instance.host, instance=instance.uuid)
        yield from self._local_delete(context, instance, delete_type)

    def _confirm_resize_on_deleting(self, context: Context, instance: Server) -> Steps:
        """Have the old host of a move that nobody confirmed let go first. Raises MessagingTimeout."""
        unconfirmed = self.site.tables.migrations.of(instance.uuid, ("finished", "confirming"))
        if not unconfirmed:
            self.say(logs.MAY_HAVE_BEEN_CONFIRMED, context, instance=instance.uuid)
            return
        migration = unconfirmed[-1]
        found = (migration.id, migration.status)
        self.say(logs.UNCONFIRMED_MIGRATION, context, *found, instance=instance.uuid)
        yield from self.compute_rpcapi.confirm_resize(
            context, instance, migration.source_compute, migration, cast=False
        )
        yield from self.objects.save(context, instance, task_state="deleting")

    def _local_delete(self, context: Context, instance: Server, delete_type: str) -> Steps:
        """Without its host: network, volumes and allocation go now, the guest when the host comes back."""
        self.say(logs.DOING_LOCAL_DELETE, context, "cell1", instance=instance.uuid)
        if instance.ports:
            yield from self.network_api.deallocate_for_instance(context, instance)
        yield from self._local_cleanup_bdm_volumes(context, instance)
        yield from self.placementclient.delete_allocation_for_instance(context, instance.uuid)
        yield from self.objects.destroy(context, instance)
        self.notify(context, "instance.delete.end", instance=instance.uuid)

    def _local_cleanup_bdm_volumes(self, context: Context, instance: Server) -> Steps:
        for volume_id, attachment_id in list(instance.volumes.items()):
            try:
                yield from self.volume_api.attachment_delete(context, attachment_id)
            except Exception as error:
                self.unexpected(error)
                self.exception(logs.VOLUME_CLEANUP_IGNORED, context, error, error, instance=instance.uuid)
            instance.volumes.pop(volume_id, None)

    # --- power ------------------------------------------------------------------------------------------------

    def stop(self, context: Context, instance: Server) -> Steps:
        """Shut a server down."""
        self._check_instance_state(instance, ("active", "paused", "error"), "stop")
        self._check_instance_host(instance)
        self.say(logs.GOING_TO_STOP, context, instance=instance.uuid)
        yield from self.objects.save(context, instance, expected_task_state=None, task_state="powering-off")
        yield from self.compute_rpcapi.stop_instance(context, instance)

    def start(self, context: Context, instance: Server) -> Steps:
        """Start a server that is shut off."""
        self._check_instance_state(instance, ("stopped",), "start")
        self._check_instance_host(instance)
        self.say(logs.GOING_TO_START, context, instance=instance.uuid)
        yield from self.objects.save(context, instance, expected_task_state=None, task_state="powering-on")
        yield from self.compute_rpcapi.start_instance(context, instance)

    def reboot(self, context: Context, instance: Server, reboot_type: str) -> Steps:
        """Reboot a server: SOFT asks its system, HARD does not."""
        if reboot_type == "SOFT":
            self._check_instance_state(instance, ("active",), "reboot")
            state = "rebooting"
        else:
            self._check_instance_state(
                instance, ("active", "stopped", "paused", "error"), "reboot", (None, "rebooting", "powering-off")
            )
            state = "rebooting_hard"
        self._check_instance_host(instance)
        yield from self.objects.save(context, instance, task_state=state)
        yield from self.compute_rpcapi.reboot_instance(context, instance, reboot_type=reboot_type)

    def snapshot(self, context: Context, instance: Server, name: str) -> Steps:
        """Make an image of a server's disk."""
        self._check_instance_state(instance, ("active", "stopped", "paused"), "image_snapshot")
        self._check_instance_host(instance)
        yield from self.objects.save(context, instance, expected_task_state=None, task_state="image_snapshot_pending")
        yield from self.compute_rpcapi.snapshot_instance(context, instance, name)

    def reset_state(self, context: Context, instance: Server, state: str) -> Steps:
        """Write a state by order of the administrator; nothing else is done."""
        yield from self.objects.save(context, instance, vm_state=state, task_state=None)

    # --- moves ------------------------------------------------------------------------------------------------

    def resize(
        self, context: Context, instance: Server, flavor_id: str | None = None, host: str | None = None
    ) -> Steps:
        """Another flavour on another host; without a flavour, a cold migration."""
        self._check_instance_state(instance, ("active", "stopped"), "resize" if flavor_id else "migrate")
        flavor = None
        if flavor_id is None:
            self.say(logs.RESIZE_WITHOUT_FLAVOR, context, instance=instance.uuid)
        else:
            flavor = self._get_flavor(flavor_id)
            if flavor.name == instance.flavor.name:
                raise exception.CannotResizeToSameFlavor()
            yield from self._check_resize_quota(context, instance, flavor)
        self._check_instance_host(instance)
        yield from self.objects.save(context, instance, expected_task_state=None, task_state="resize_prep")
        yield from self.compute_task_api.resize_instance(context, instance, flavor, host)

    def _get_flavor(self, flavor_id: str) -> Flavor:
        flavor = FLAVORS.get(flavor_id)
        if flavor is None:
            raise exception.FlavorNotFound(flavor_id=flavor_id)
        return flavor

    def _check_resize_quota(self, context: Context, instance: Server, flavor: Flavor) -> Steps:
        deltas = {
            "cores": max(0, flavor.vcpus - instance.flavor.vcpus),
            "ram": max(0, flavor.memory_mb - instance.flavor.memory_mb),
        }
        try:
            yield from self.quotas.check_deltas(context, deltas, instance.project)
        except exception.TooManyInstances as error:
            self.say(logs.RESIZE_QUOTA_EXCEEDED, context, error.fields["overs"], context.request.project)
            raise

    def confirm_resize(self, context: Context, instance: Server) -> Steps:
        """Let go of the old host."""
        self._check_instance_state(instance, ("resized",), "confirmResize")
        migration = self._get_finished_migration(instance)
        if not self.servicegroup_api.service_is_up(migration.source_compute):
            raise exception.ServiceUnavailable()
        yield from self.objects.save_migration(context, migration, status="confirming")
        yield from self.compute_rpcapi.confirm_resize(context, instance, migration.source_compute, migration)

    def _get_finished_migration(self, instance: Server) -> Migration:
        """`Migration.get_by_instance_and_status`. Raises MigrationNotFoundByStatus."""
        finished = self.site.tables.migrations.of(instance.uuid, ("finished",))
        if not finished:
            raise exception.MigrationNotFoundByStatus(instance_id=instance.uuid, status="finished")
        return finished[-1]

    def revert_resize(self, context: Context, instance: Server) -> Steps:
        """Back to the old host."""
        self._check_instance_state(instance, ("resized",), "revertResize")
        migration = self._get_finished_migration(instance)
        yield from self.objects.save(context, instance, expected_task_state=None, task_state="resize_reverting")
        yield from self.objects.save_migration(context, migration, status="reverting")
        assert migration.dest_compute is not None
        yield from self.compute_rpcapi.revert_resize(context, instance, migration.dest_compute, migration)

    def live_migrate(self, context: Context, instance: Server, host: str | None = None) -> Steps:
        """Move a server while it runs."""
        self._check_instance_state(instance, ("active", "paused"), "os-migrateLive")
        self.say(logs.GOING_TO_LIVE_MIGRATE, context, host or "another host", instance=instance.uuid)
        yield from self.objects.save(context, instance, expected_task_state=None, task_state="migrating")
        yield from self.compute_task_api.live_migrate_instance(context, instance, host)

    def evacuate(self, context: Context, instance: Server, host: str | None = None) -> Steps:
        """Rebuild a server of a dead host on another one. Raises ComputeServiceInUse where the host is up."""
        self._check_instance_state(instance, ("active", "stopped", "error"), "evacuate", None)
        self.say(logs.EVACUATION_SCHEDULED, context, instance=instance.uuid)
        if instance.host is not None and self.servicegroup_api.service_is_up(instance.host):
            self.say(logs.EVACUATED_HOST_IS_UP, context, instance.host)
            raise exception.ComputeServiceInUse(host=instance.host)
        self._check_instance_host(instance)
        yield from self.objects.save(context, instance, task_state="rebuilding")
        yield from self.objects.create_migration(context, self._tombstone(instance, host))
        yield from self.compute_task_api.rebuild_instance(context, instance, instance.image, host, recreate=True)

    def _tombstone(self, instance: Server, host: str | None) -> Migration:
        """The record by which the dead host, when it is back, knows what it has lost."""
        migrations = self.site.tables.migrations
        uuid = migrations.new_uuid(self.world.streams["openstack/migration"], instance.uuid)
        flavor, source = instance.flavor, str(instance.host)
        return Migration(uuid, instance.uuid, "evacuation", source, "accepted", flavor, flavor, host)

    def rebuild(self, context: Context, instance: Server, image_href: str) -> Steps:
        """Build a server's disk anew on its host."""
        self._check_instance_state(instance, ("active", "stopped", "error"), "rebuild")
        image = yield from self._get_image(context, image_href)
        self._validate_flavor_image(context, image, instance.flavor)
        self._check_instance_host(instance)
        yield from self.objects.save(context, instance, expected_task_state=None, task_state="rebuilding")
        yield from self.compute_task_api.rebuild_instance(context, instance, image["id"], instance.host)

    # --- volumes and interfaces -------------------------------------------------------------------------------

    def attach_volume(self, context: Context, instance: Server, volume_id: str) -> Steps:
        """Reserve a volume, and have the host attach it. Returns the device."""
        self._check_instance_state(instance, ("active", "stopped", "paused"), "attach_volume")
        volume = yield from self.volume_api.get(context, volume_id)
        self._check_volume_already_attached(instance, volume)
        device = yield from self._create_volume_bdm(context, instance, volume["id"])
        try:
            attachment = yield from self._check_attach_and_reserve_volume(context, volume, instance)
            yield from self.compute_rpcapi.attach_volume(context, instance, volume["id"], attachment["id"])
        except Exception as error:
            self.unexpected(error)
            instance.volumes.pop(volume_id, None)
            raise
        return device

    def _check_volume_already_attached(self, instance: Server, volume: dict[str, Any]) -> None:
        if instance.volumes.get(volume["id"]):
            raise exception.InvalidVolume(reason=f"volume {volume['id']} already attached")

    def _create_volume_bdm(self, context: Context, instance: Server, volume_id: str) -> Steps:
        device = yield from self.compute_rpcapi.reserve_block_device_name(context, instance, volume_id)
        return device

    def _check_attach_and_reserve_volume(self, context: Context, volume: dict[str, Any], instance: Server) -> Steps:
        attachment = yield from self.volume_api.attachment_create(context, volume["id"], instance.uuid)
        instance.volumes[volume["id"]] = attachment["id"]
        return attachment

    def detach_volume(self, context: Context, instance: Server, volume_id: str) -> Steps:
        """Have the host let go of a volume."""
        self._check_instance_state(instance, ("active", "stopped", "paused"), "detach_volume")
        volume = yield from self.volume_api.get(context, volume_id)
        if volume_id not in instance.volumes:
            raise exception.VolumeBDMNotFound(volume_id=volume_id)
        self.volume_api.check_attached(context, volume)
        yield from self.volume_api.begin_detaching(context, volume["id"])
        yield from self.compute_rpcapi.detach_volume(
            context, instance, volume["id"], attachment_id=instance.volumes[volume_id]
        )

    def attach_interface(self, context: Context, instance: Server, network_id: str) -> Steps:
        """One more port for a server."""
        self._check_instance_state(instance, ("active", "stopped", "paused"), "attach_interface")
        port = yield from self.compute_rpcapi.attach_interface(context, instance, network_id)
        return port

    # --- events of neutron ------------------------------------------------------------------------------------

    def external_instance_event(self, context: Context, instances: Sequence[Server], events: Sequence[Any]) -> Steps:
        """Hand events on to the hosts of their servers."""
        by_host: dict[str, list[Server]] = {}
        for instance in instances:
            for host in self._get_relevant_hosts(instance):
                by_host.setdefault(host, []).append(instance)
        for host, there in by_host.items():
            uuids = {instance.uuid for instance in there}
            theirs = [event for event in events if event["server_uuid"] in uuids]
            yield from self.compute_rpcapi.external_instance_event(context, there, theirs, host)

    def _get_relevant_hosts(self, instance: Server) -> list[str]:
        """The hosts that may wait for an event of a server: while it moves, both."""
        hosts, moving = [instance.host], instance.migration_context
        if moving is not None:
            hosts += [moving.source_compute, moving.dest_compute]
        return [host for host in dict.fromkeys(hosts) if host is not None]

    # --- checks -----------------------------------------------------------------------------------------------

    def _check_instance_state(
        self, instance: Server, vm_state: Sequence[str], method: str, task_state: Sequence[str | None] | None = (None,)
    ) -> None:
        """The decorator of the real methods; no task states: any will do. Raises InstanceInvalidState."""
        invalid = partial(exception.InstanceInvalidState, instance_uuid=instance.uuid, method=method)
        if instance.vm_state not in vm_state:
            raise invalid(attr="vm_state", state=instance.vm_state)
        if task_state is not None and instance.task_state not in task_state:
            raise invalid(attr="task_state", state=instance.task_state)

    def _check_instance_host(self, instance: Server) -> None:
        if instance.host is None:
            raise exception.InstanceNotReady(instance_id=instance.uuid)
