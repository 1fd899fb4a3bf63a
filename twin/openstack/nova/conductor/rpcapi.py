"""The client side of nova-conductor's tasks, as nova-api and nova-compute use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server


class ComputeTaskAPI(Flow):
    """nova.conductor.rpcapi.ComputeTaskAPI."""

    source = "nova.conductor.rpcapi"
    service: AmqpService

    def schedule_and_build_instances(
        self, context: Context, instances: Sequence[Server], requested_networks: Sequence[str] = ()
    ) -> Steps:
        yield from self.service.cast(
            context,
            "conductor",
            "schedule_and_build_instances",
            instances=instances,
            requested_networks=requested_networks,
        )

    def build_instances(
        self,
        context: Context,
        instances: Sequence[Server],
        retry: dict[str, Any],
        requested_networks: Sequence[str] = (),
        host_list: Sequence[str] | None = None,
    ) -> Steps:
        yield from self.service.cast(
            context,
            "conductor",
            "build_instances",
            instances=instances,
            retry=retry,
            requested_networks=requested_networks,
            host_list=host_list,
        )

    def resize_instance(
        self,
        context: Context,
        instance: Server,
        flavor: Any,
        host: str | None = None,
        retry: dict[str, Any] | None = None,
        host_list: Sequence[str] | None = None,
    ) -> Steps:
        yield from self.service.cast(
            context,
            "conductor",
            "migrate_server",
            instance=instance,
            flavor=flavor,
            live=False,
            host=host,
            retry=retry,
            host_list=host_list,
        )

    def live_migrate_instance(self, context: Context, instance: Server, host: str | None = None) -> Steps:
        yield from self.service.cast(
            context, "conductor", "migrate_server", instance=instance, flavor=None, live=True, host=host
        )

    def rebuild_instance(
        self, context: Context, instance: Server, image: str, host: str | None = None, recreate: bool = False
    ) -> Steps:
        yield from self.service.cast(
            context, "conductor", "rebuild_instance", instance=instance, image=image, host=host, recreate=recreate
        )
