"""Live migration: a running server goes to another host."""

from __future__ import annotations

from dataclasses import dataclass

from twin.mechanics import openstack as facts
from twin.openstack.infrastructure.errors import LibvirtError
from twin.openstack.nova import exception
from twin.openstack.nova.compute import moving_logs as logs
from twin.openstack.nova.compute.resizing import Resizing
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import RUNNING, Server


@dataclass(frozen=True, slots=True)
class BlockDevices:
    """A server's block device mapping as it was on the source: volume -> attachment, volume -> connection info."""

    volumes: dict[str, str]
    connections: dict[str, dict[str, str]]


class Moving(Resizing):
    """The live migration methods of nova.compute.manager.ComputeManager."""

    def check_can_live_migrate_destination(self, context: Context, instance: Server) -> Steps:
        """On the destination: is this host fit for the guest."""
        yield from self.service.think(context, 0.05)
        if self.service.libvirt.disk.full:
            raise exception.MigrationPreCheckError(
                reason=f"Unable to migrate {instance.uuid}: Disk of instance is too large."
            )
        data = yield from self.compute_rpcapi.check_can_live_migrate_source(context, instance)
        return data

    def check_can_live_migrate_source(self, context: Context, instance: Server) -> Steps:
        """On the source: can the guest go; and is anybody there."""
        yield from self.service.think(context, 0.05)
        return {"is_shared_instance_path": False}

    def pre_live_migration(self, context: Context, instance: Server) -> Steps:
        """On the destination: attach its volumes here as well, plug its interfaces."""
        network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        source_volumes = dict(instance.volumes)
        connector = self.driver.get_volume_connector(instance)
        try:
            for volume_id in source_volumes:
                attachment = yield from self.volume_api.attachment_create(
                    context, volume_id, instance.uuid, connector=connector
                )
                volumes = {**instance.volumes, volume_id: attachment["id"]}
                yield from self.objects.save(context, instance, volumes=volumes)
            yield from self._get_instance_block_device_info(context, instance)
            yield from self.driver.pre_live_migration(context, instance, network_info)
        except Exception as error:
            self.unexpected(error)
            for volume_id, attachment_id in list(instance.volumes.items()):
                if attachment_id != source_volumes.get(volume_id):
                    yield from self.volume_api.attachment_delete(context, attachment_id)
            yield from self.objects.save(context, instance, volumes=source_volumes)
            raise
        yield from self._complete_volume_attachments(context, instance)
        yield from self.service.host_work(context, facts.MIGRATION_SETUP)
        return {}

    def live_migration(self, context: Context, instance: Server, dest: str) -> Steps:
        """On the source: prepare the destination, move the guest, tidy up."""
        source_bdms = BlockDevices(dict(instance.volumes), dict(instance.connections))
        try:
            began = self.world.now
            yield from self.compute_rpcapi.pre_live_migration(context, instance, dest)
            self.say(logs.MIGRATION_TOOK, context, self.world.now - began, dest, instance=instance.uuid)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.PRE_LIVE_MIGRATION_FAILED, context, error, dest, instance=instance.uuid)
            yield from self._rollback_live_migration(context, instance, dest, error, source_bdms)
            return
        try:
            yield from self.driver.live_migration(context, instance, dest)
        except LibvirtError as error:
            yield from self._rollback_live_migration(context, instance, dest, error, source_bdms)
            return
        except Exception as error:  # it is almost certainly too late to go back
            self.unexpected(error)
            self.exception(logs.LIVE_MIGRATION_FAILED, context, error, instance=instance.uuid)
            yield from self._set_instance_obj_error_state(context, instance, clean_task_state=True)
            raise
        yield from self._post_live_migration(context, instance, dest, source_bdms)

    def _post_live_migration(self, context: Context, instance: Server, dest: str, source_bdms: BlockDevices) -> Steps:
        self.say(logs.POST_LIVE_MIGRATION, context, instance=instance.uuid)
        yield from self.driver.post_live_migration(context, instance, source_bdms.connections)
        yield from self._post_live_migration_remove_source_vol_connections(context, instance, source_bdms)
        network_info = self._network_info(instance)
        yield from self.driver.post_live_migration_at_source(context, instance, network_info)
        yield from self.rt.update_usage(context, instance)
        try:
            yield from self.compute_rpcapi.post_live_migration_at_destination(context, instance, dest)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.POST_AT_DESTINATION_FAILED, context, error, dest, instance=instance.uuid)
        yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, self.host)
        self.say(logs.MIGRATING, context, dest, instance=instance.uuid)

    def _post_live_migration_remove_source_vol_connections(
        self, context: Context, instance: Server, source_bdms: BlockDevices
    ) -> Steps:
        for attachment_id in source_bdms.volumes.values():
            try:
                yield from self.volume_api.attachment_delete(context, attachment_id)
            except Exception as error:  # the destination must be told in any case
                self.unexpected(error)
                said = logs.SOURCE_ATTACHMENT_KEPT
                self.say(said, context, attachment_id, self.host, error, instance=instance.uuid)

    def post_live_migration_at_destination(self, context: Context, instance: Server) -> Steps:
        """On the destination: the server is here now."""
        self.say(logs.POST_AT_DESTINATION, context, instance=instance.uuid)
        yield from self.network_api.setup_networks_on_host(context, instance, self.host)
        self.rt.tracked[instance.uuid] = instance.resources()
        yield from self.objects.save(
            context,
            instance,
            expected_task_state="migrating",
            host=self.host,
            power_state=RUNNING,
            task_state=None,
        )

    def _rollback_live_migration(
        self, context: Context, instance: Server, dest: str, error: Exception, source_bdms: BlockDevices
    ) -> Steps:
        yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid, dest)
        yield from self._remove_remote_volume_connections(context, instance, dest)
        yield from self._rollback_volume_bdms(context, instance, source_bdms)
        yield from self.compute_rpcapi.rollback_live_migration_at_destination(context, instance, dest)
        yield from self.objects.save(context, instance, expected_task_state="migrating", task_state=None)
        yield from self.objects.add_fault(context, instance, error)

    def _remove_remote_volume_connections(self, context: Context, instance: Server, dest: str) -> Steps:
        for volume_id in list(instance.volumes):
            try:
                yield from self.compute_rpcapi.remove_volume_connection(context, instance, volume_id, dest)
            except Exception as error:
                self.unexpected(error)
                self.say(logs.ROLLBACK_OF_CONNECTION_FAILED, context, volume_id, dest, instance=instance.uuid)

    def _rollback_volume_bdms(self, context: Context, instance: Server, original_bdms: BlockDevices) -> Steps:
        """Delete the destination's attachments; the source's are still there."""
        for volume_id, attachment_id in list(instance.volumes.items()):
            original = original_bdms.volumes.get(volume_id)
            if original is None:
                continue
            try:
                if attachment_id != original:
                    yield from self.volume_api.attachment_delete(context, attachment_id)
            except HttpError:
                said = logs.ROLLBACK_OF_ATTACHMENT_FAILED
                self.say(said, context, attachment_id, volume_id, instance=instance.uuid)
                continue
            volumes = {**instance.volumes, volume_id: original}
            held = {volume: info for volume, info in original_bdms.connections.items() if volume == volume_id}
            connections = instance.connections | held
            yield from self.objects.save(context, instance, volumes=volumes, connections=connections)

    def rollback_live_migration_at_destination(self, context: Context, instance: Server) -> Steps:
        """On the destination: unplug what was prepared."""
        yield from self.driver.unplug_vifs(context, instance, self._network_info(instance))
