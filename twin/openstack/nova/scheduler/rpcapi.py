"""The client side of nova-scheduler."""

from __future__ import annotations

from collections.abc import Sequence

from twin.openstack.nova.scheduler.manager import RequestSpec
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps


class SchedulerAPI(Flow):
    """nova.scheduler.rpcapi.SchedulerAPI."""

    source = "nova.scheduler.rpcapi"
    service: AmqpService

    def select_destinations(
        self, context: Context, spec_obj: RequestSpec, instance_uuids: Sequence[str], return_alternates: bool = False
    ) -> Steps:
        """For each server its host and alternates. Raises NoValidHost, MessagingTimeout."""
        selections = yield from self.service.call(
            context,
            "scheduler",
            "select_destinations",
            request_spec=spec_obj,
            instance_uuids=instance_uuids,
            return_alternates=return_alternates,
        )
        return selections

    def update_instance_info(self, context: Context, host_name: str, instance_uuid: str) -> Steps:
        """Tell the schedulers that a host has one more server."""
        yield from self.service.cast(
            context, "scheduler", "update_instance_info", host_name=host_name, instance_uuid=instance_uuid
        )

    def delete_instance_info(self, context: Context, host_name: str, instance_uuid: str) -> Steps:
        """Tell them that it has one less."""
        yield from self.service.cast(
            context, "scheduler", "delete_instance_info", host_name=host_name, instance_uuid=instance_uuid
        )

    def sync_instance_info(self, context: Context, host_name: str, instance_uuids: Sequence[str]) -> Steps:
        """Tell them all that it has."""
        yield from self.service.cast(
            context, "scheduler", "sync_instance_info", host_name=host_name, instance_uuids=instance_uuids
        )
