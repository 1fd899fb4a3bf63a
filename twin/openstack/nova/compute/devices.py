"""Volumes and interfaces of servers, on the compute host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twin.openstack.nova.compute import event_logs as logs
from twin.openstack.nova.compute.powering import Powering
from twin.openstack.nova.exception import InterfaceAttachFailed, NovaException
from twin.openstack.nova.virt import logs as virt_logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server


class Devices(Powering):
    """The device methods of nova.compute.manager.ComputeManager."""

    def reserve_block_device_name(self, context: Context, instance: Server, volume_id: str) -> Steps:
        """The name that the volume will have in the guest."""
        yield from self.service.think(context, 0.01)
        taken = len(instance.connections)
        return f"/dev/vd{chr(ord('b') + taken)}"

    def attach_volume(self, context: Context, instance: Server, volume_id: str, attachment_id: str) -> Steps:
        """Connect a volume to this host and give it to the guest."""
        self.say(logs.ATTACHING, context, volume_id, "/dev/vdb", instance=instance.uuid)
        try:
            yield from self._attach_volume(context, instance, volume_id, attachment_id)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.ATTACH_FAILED, context, error, volume_id, "/dev/vdb", instance=instance.uuid)
            instance.volumes.pop(volume_id, None)
            yield from self.objects.add_fault(context, instance, error)
            yield from self.volume_api.attachment_delete(context, attachment_id)
            raise

    def _attach_volume(self, context: Context, instance: Server, volume_id: str, attachment_id: str) -> Steps:
        connector = self.driver.get_volume_connector(instance)
        attachment = yield from self.volume_api.attachment_update(context, attachment_id, connector)
        connection_info = attachment["connection_info"]
        yield from self.driver.attach_volume(context, instance, volume_id, connection_info)
        connections = {**instance.connections, volume_id: connection_info}
        yield from self.objects.save(context, instance, connections=connections)
        yield from self.volume_api.attachment_complete(context, attachment_id)
        self.notify(context, "instance.volume_attach.end", instance=instance.uuid)

    def detach_volume(
        self, context: Context, instance: Server, volume_id: str, attachment_id: str | None = None
    ) -> Steps:
        """Take a volume from the guest and disconnect it from this host."""
        self.say(logs.DETACHING, context, volume_id, instance=instance.uuid)
        try:
            yield from self._detach_volume(context, instance, volume_id, attachment_id)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.DETACH_FAILED_AT, context, error, volume_id, "/dev/vdb", instance=instance.uuid)
            yield from self.volume_api.roll_detaching(context, volume_id)
            yield from self.objects.add_fault(context, instance, error)
            raise

    def _detach_volume(
        self, context: Context, instance: Server, volume_id: str, attachment_id: str | None, destroy_bdm: bool = True
    ) -> Steps:
        """Where the server is on another host, as in an evacuation, only cinder is told."""
        connection_info = instance.connections.get(volume_id)
        if instance.host == self.host and connection_info is not None:  # else an attachment that is under way
            self.say(virt_logs.DRIVER_DETACHING, context, volume_id, "/dev/vdb", instance=instance.uuid)
            yield from self.driver.detach_volume(context, instance, volume_id, connection_info)
        if attachment_id is not None:
            yield from self.volume_api.attachment_delete(context, attachment_id)
        if not destroy_bdm:
            return
        instance.volumes.pop(volume_id, None)
        connections = {volume: held for volume, held in instance.connections.items() if volume != volume_id}
        yield from self.objects.save(context, instance, connections=connections)
        self.notify(context, "instance.volume_detach.end", instance=instance.uuid)

    # --- volumes of a server that moves -----------------------------------------------------------------------

    def _terminate_volume_connections(self, context: Context, instance: Server) -> Steps:
        """Give the attachments of this host back for new ones of no host: cinder knows no other way to change hosts."""
        for volume_id, attachment_id in list(instance.volumes.items()):
            reserved = yield from self.volume_api.attachment_create(context, volume_id, instance.uuid)
            yield from self.volume_api.attachment_delete(context, attachment_id)
            volumes = {**instance.volumes, volume_id: reserved["id"]}
            yield from self.objects.save(context, instance, volumes=volumes)

    def _update_volume_attachments(self, context: Context, instance: Server) -> Steps:
        """Tell cinder that this is the host now."""
        connector = self.driver.get_volume_connector(instance)
        for attachment_id in list(instance.volumes.values()):
            yield from self.volume_api.attachment_update(context, attachment_id, connector)

    def _get_instance_block_device_info(self, context: Context, instance: Server) -> Steps:
        """The connections, read again from cinder (`refresh_conn_info`) and kept."""
        connections = {}
        for volume_id, attachment_id in list(instance.volumes.items()):
            attachment = yield from self.volume_api.attachment_get(context, attachment_id)
            connections[volume_id] = attachment["connection_info"]
        if connections:
            yield from self.objects.save(context, instance, connections=connections)
        return connections

    def _complete_volume_attachments(self, context: Context, instance: Server) -> Steps:
        """The volumes are in use."""
        for attachment_id in list(instance.volumes.values()):
            yield from self.volume_api.attachment_complete(context, attachment_id)

    def remove_volume_connection(self, context: Context, instance: Server, volume_id: str) -> Steps:
        """On the destination of a move that failed: let go of a volume."""
        connection_info = instance.connections.get(volume_id)
        if connection_info is not None:
            yield from self.driver._disconnect_volume(context, connection_info, instance)

    # --- interfaces and events --------------------------------------------------------------------------------

    def attach_interface(self, context: Context, instance: Server, network_id: str) -> Steps:
        """One more port, plugged into the running guest."""
        try:
            vif = yield from self._attach_interface(context, instance, network_id)
        except Exception as error:
            self.unexpected(error)
            yield from self.objects.add_fault(context, instance, error)
            raise
        return vif

    def _attach_interface(self, context: Context, instance: Server, network_id: str) -> Steps:
        network_info = yield from self.network_api.allocate_port_for_instance(context, instance, network_id)
        if len(network_info) != 1:  # somebody has deleted it meanwhile
            self.say(logs.ALLOCATED_PORTS, context, len(network_info))
            raise InterfaceAttachFailed(instance_uuid=instance.uuid)
        try:
            yield from self.driver.attach_interface(context, instance, network_info[0])
        except NovaException as error:
            port_id = network_info[0]["id"]
            self.say(logs.ATTACH_INTERFACE_FAILED, context, port_id, error, instance=instance.uuid)
            try:
                yield from self.network_api.deallocate_port_for_instance(context, instance, port_id)
            except Exception as worse:
                self.unexpected(worse)
                self.say(logs.DEALLOCATE_PORT_FAILED, context, port_id, instance=instance.uuid)
            raise InterfaceAttachFailed(instance_uuid=instance.uuid) from error
        return network_info[0]

    def external_instance_event(self, context: Context, instances: Sequence[Server], events: Sequence[Any]) -> Steps:
        """Events that neutron or cinder sent for servers of this host."""
        yield from self.service.think(context, 0.004)
        by_uuid = {instance.uuid: instance for instance in instances}
        for event in events:
            instance = by_uuid[event["server_uuid"]]
            if event["name"] == "network-changed":
                self.say(logs.REFRESHING_ON_EVENT, context, event["name"], instance=instance.uuid)
                yield from self.network_api.get_instance_nw_info(context, instance)
            elif event["name"] == "network-vif-deleted":
                if event.get("tag") in instance.ports:
                    self.say(logs.INTERFACE_DELETED, context, event["tag"], instance=instance.uuid)
                    self.service.unplug(event["tag"])
            elif event["name"] == "volume-extended":
                self.say(logs.VOLUME_EXTENDED, context, event.get("tag"), instance=instance.uuid)
            else:
                self._process_instance_event(context, instance, event)

    def _process_instance_event(self, context: Context, instance: Server, event: dict[str, Any]) -> None:
        self.instance_events.pop_instance_event(context, instance, event)
