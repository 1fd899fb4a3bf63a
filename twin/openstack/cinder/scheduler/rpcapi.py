"""What others ask of cinder-scheduler through RabbitMQ."""

from __future__ import annotations

from typing import Any

from twin.openstack.cinder.tables import Snapshot, Volume
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps

TOPIC = "cinder-scheduler"


class SchedulerAPI(Flow):
    """The client side of cinder-scheduler's procedures."""

    source = "cinder.scheduler.rpcapi"

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.rpc = service

    def create_volume(
        self,
        ctxt: Context,
        volume: Volume,
        snapshot_id: str | None = None,
        image_id: str | None = None,
        request_spec: dict[str, Any] | None = None,
        filter_properties: dict[str, Any] | None = None,
    ) -> Steps:
        yield from self.rpc.cast(
            ctxt,
            TOPIC,
            "create_volume",
            volume=volume,
            snapshot_id=snapshot_id,
            image_id=image_id,
            request_spec=request_spec,
            filter_properties=filter_properties,
        )

    def create_snapshot(
        self, ctxt: Context, volume: Volume, snapshot: Snapshot, backend: str | None, request_spec: dict[str, Any]
    ) -> Steps:
        yield from self.rpc.cast(
            ctxt, TOPIC, "create_snapshot", volume=volume, snapshot=snapshot, backend=backend, request_spec=request_spec
        )

    def extend_volume(
        self, ctxt: Context, volume: Volume, new_size: int, reservations: list[str], request_spec: dict[str, Any]
    ) -> Steps:
        yield from self.rpc.cast(
            ctxt,
            TOPIC,
            "extend_volume",
            volume=volume,
            new_size=new_size,
            reservations=reservations,
            request_spec=request_spec,
        )

    def update_service_capabilities(self, ctxt: Context, host: str, capabilities: dict[str, Any]) -> Steps:
        yield from self.rpc.cast(
            ctxt,
            TOPIC,
            "update_service_capabilities",
            service_name="volume",
            host=host,
            capabilities=capabilities,
        )
