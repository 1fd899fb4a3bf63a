"""What others ask of cinder-volume through RabbitMQ."""

from __future__ import annotations

from typing import Any

from twin.mechanics import cinder as facts
from twin.openstack.cinder.tables import Snapshot, Volume
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps


class VolumeAPI(Flow):
    """The client side of cinder-volume's procedures. Each volume's host has a queue of its own."""

    source = "cinder.volume.rpcapi"

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.rpc = service

    def create_volume(
        self,
        ctxt: Context,
        volume: Volume,
        request_spec: dict[str, Any],
        filter_properties: dict[str, Any],
        allow_reschedule: bool = True,
    ) -> Steps:
        topic = self._topic(volume.host)
        yield from self.rpc.cast(
            ctxt,
            topic,
            "create_volume",
            volume=volume,
            request_spec=request_spec,
            filter_properties=filter_properties,
            allow_reschedule=allow_reschedule,
        )

    def delete_volume(self, ctxt: Context, volume: Volume) -> Steps:
        topic = self._topic(volume.host)
        yield from self.rpc.cast(ctxt, topic, "delete_volume", volume=volume)

    def extend_volume(self, ctxt: Context, volume: Volume, new_size: int, reservations: list[str]) -> Steps:
        topic = self._topic(volume.host)
        yield from self.rpc.cast(
            ctxt, topic, "extend_volume", volume=volume, new_size=new_size, reservations=reservations
        )

    def create_snapshot(self, ctxt: Context, volume: Volume, snapshot: Snapshot) -> Steps:
        topic = self._topic(volume.host)
        yield from self.rpc.cast(ctxt, topic, "create_snapshot", snapshot=snapshot)

    def delete_snapshot(self, ctxt: Context, snapshot: Snapshot, host: str) -> Steps:
        topic = self._topic(host)
        yield from self.rpc.cast(ctxt, topic, "delete_snapshot", snapshot=snapshot)

    def attachment_update(self, ctxt: Context, vref: Volume, connector: dict[str, Any], attachment_id: str) -> Steps:
        topic = self._topic(vref.host)
        return (
            yield from self.rpc.call(
                ctxt, topic, "attachment_update", vref=vref, connector=connector, attachment_id=attachment_id
            )
        )

    def attachment_delete(self, ctxt: Context, attachment_id: str, vref: Volume) -> Steps:
        topic = self._topic(vref.host)
        return (yield from self.rpc.call(ctxt, topic, "attachment_delete", attachment_id=attachment_id, vref=vref))

    def detach_volume(self, ctxt: Context, volume: Volume, attachment_id: str | None) -> Steps:
        topic = self._topic(volume.host)
        return (
            yield from self.rpc.call(ctxt, topic, "detach_volume", volume_id=volume.id, attachment_id=attachment_id)
        )

    def _topic(self, host: str | None) -> str:
        """The queue of a backend: ``cinder-volume.controller-2@lvm`` for host ``controller-2@lvm#LVM``.

        Without a host it is the queue that all backends share, and there is one.
        """
        backend = host.split("#")[0] if host is not None else f"{self.site.storage.node.name}@{facts.BACKEND}"
        return f"cinder-volume.{backend}"
