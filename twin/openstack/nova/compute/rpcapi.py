"""The client side of nova-compute's procedures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twin.openstack.migrations import Migration
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server

LONG_RPC_TIMEOUT = 1800.0
"""`long_rpc_timeout`."""


class ComputeAPI(Flow):
    """nova.compute.rpcapi.ComputeAPI: casts and calls to the nova-compute of a host."""

    source = "nova.compute.rpcapi"
    service: AmqpService

    def build_and_run_instance(
        self,
        context: Context,
        instance: Server,
        host: str,
        requested_networks: Sequence[str] = (),
        host_list: Sequence[str] | None = None,
    ) -> Steps:
        yield from self.service.cast(
            context,
            self.topic(host),
            "build_and_run_instance",
            instance=instance,
            requested_networks=requested_networks,
            host_list=host_list,
        )

    def terminate_instance(self, context: Context, instance: Server) -> Steps:
        yield from self.service.cast(context, self.topic(instance.host), "terminate_instance", instance=instance)

    def stop_instance(self, context: Context, instance: Server, do_cast: bool = True) -> Steps:
        yield from self.service.cast(context, self.topic(instance.host), "stop_instance", instance=instance)

    def start_instance(self, context: Context, instance: Server) -> Steps:
        yield from self.service.cast(context, self.topic(instance.host), "start_instance", instance=instance)

    def reboot_instance(self, context: Context, instance: Server, reboot_type: str = "SOFT") -> Steps:
        yield from self.service.cast(
            context, self.topic(instance.host), "reboot_instance", instance=instance, reboot_type=reboot_type
        )

    def snapshot_instance(self, context: Context, instance: Server, image_name: str) -> Steps:
        yield from self.service.cast(
            context, self.topic(instance.host), "snapshot_instance", instance=instance, image_name=image_name
        )

    def external_instance_event(
        self, context: Context, instances: Sequence[Server], events: Sequence[Any], host: str
    ) -> Steps:
        yield from self.service.cast(
            context, self.topic(host), "external_instance_event", instances=instances, events=events
        )

    # --- volumes and interfaces -------------------------------------------------------------------------------

    def reserve_block_device_name(self, context: Context, instance: Server, volume_id: str) -> Steps:
        """The device's name on the server. A call: the API waits for it."""
        device = yield from self.service.call(
            context,
            self.topic(instance.host),
            "reserve_block_device_name",
            timeout=LONG_RPC_TIMEOUT,
            instance=instance,
            volume_id=volume_id,
        )
        return device

    def attach_volume(self, context: Context, instance: Server, volume_id: str, attachment_id: str) -> Steps:
        yield from self.service.cast(
            context,
            self.topic(instance.host),
            "attach_volume",
            instance=instance,
            volume_id=volume_id,
            attachment_id=attachment_id,
        )

    def detach_volume(
        self, context: Context, instance: Server, volume_id: str, attachment_id: str | None = None
    ) -> Steps:
        yield from self.service.cast(
            context,
            self.topic(instance.host),
            "detach_volume",
            instance=instance,
            volume_id=volume_id,
            attachment_id=attachment_id,
        )

    def remove_volume_connection(self, context: Context, instance: Server, volume_id: str, host: str) -> Steps:
        yield from self.service.call(
            context, self.topic(host), "remove_volume_connection", instance=instance, volume_id=volume_id
        )

    def attach_interface(self, context: Context, instance: Server, network_id: str) -> Steps:
        port = yield from self.service.call(
            context,
            self.topic(instance.host),
            "attach_interface",
            timeout=LONG_RPC_TIMEOUT,
            instance=instance,
            network_id=network_id,
        )
        return port

    def set_host_enabled(self, context: Context, host: str, enabled: bool) -> Steps:
        """A call: the API waits until placement knows."""
        result = yield from self.service.call(context, self.topic(host), "set_host_enabled", enabled=enabled)
        return result

    # --- moves ------------------------------------------------------------------------------------------------

    def prep_resize(
        self,
        context: Context,
        instance: Server,
        flavor: Any,
        host: str,
        migration: Migration,
        retry: dict[str, Any] | None,
        host_list: Sequence[str],
    ) -> Steps:
        yield from self.service.cast(
            context,
            self.topic(host),
            "prep_resize",
            instance=instance,
            flavor=flavor,
            migration=migration,
            retry=retry,
            host_list=host_list,
        )

    def resize_instance(self, context: Context, instance: Server, flavor: Any, migration: Migration) -> Steps:
        yield from self.service.cast(
            context,
            self.topic(instance.host),
            "resize_instance",
            instance=instance,
            flavor=flavor,
            migration=migration,
        )

    def finish_resize(self, context: Context, instance: Server, host: str, migration: Migration) -> Steps:
        yield from self.service.cast(context, self.topic(host), "finish_resize", instance=instance, migration=migration)

    def confirm_resize(
        self, context: Context, instance: Server, host: str, migration: Migration, cast: bool = True
    ) -> Steps:
        if not cast:
            yield from self.service.call(
                context, self.topic(host), "confirm_resize", instance=instance, migration=migration
            )
            return
        yield from self.service.cast(
            context, self.topic(host), "confirm_resize", instance=instance, migration=migration
        )

    def revert_resize(self, context: Context, instance: Server, host: str, migration: Migration) -> Steps:
        yield from self.service.cast(context, self.topic(host), "revert_resize", instance=instance, migration=migration)

    def finish_revert_resize(self, context: Context, instance: Server, host: str, migration: Migration) -> Steps:
        yield from self.service.cast(
            context, self.topic(host), "finish_revert_resize", instance=instance, migration=migration
        )

    def check_can_live_migrate_destination(self, context: Context, instance: Server, destination: str) -> Steps:
        data = yield from self.service.call(
            context,
            self.topic(destination),
            "check_can_live_migrate_destination",
            timeout=LONG_RPC_TIMEOUT,
            instance=instance,
        )
        return data

    def check_can_live_migrate_source(self, context: Context, instance: Server) -> Steps:
        data = yield from self.service.call(
            context, self.topic(instance.host), "check_can_live_migrate_source", instance=instance
        )
        return data

    def pre_live_migration(self, context: Context, instance: Server, host: str) -> Steps:
        data = yield from self.service.call(
            context, self.topic(host), "pre_live_migration", timeout=LONG_RPC_TIMEOUT, instance=instance
        )
        return data

    def live_migration(self, context: Context, instance: Server, dest: str) -> Steps:
        yield from self.service.cast(context, self.topic(instance.host), "live_migration", instance=instance, dest=dest)

    def post_live_migration_at_destination(self, context: Context, instance: Server, host: str) -> Steps:
        yield from self.service.call(
            context, self.topic(host), "post_live_migration_at_destination", timeout=LONG_RPC_TIMEOUT, instance=instance
        )

    def rollback_live_migration_at_destination(self, context: Context, instance: Server, destination: str) -> Steps:
        yield from self.service.cast(
            context, self.topic(destination), "rollback_live_migration_at_destination", instance=instance
        )

    def rebuild_instance(
        self,
        context: Context,
        instance: Server,
        image: str,
        host: str,
        recreate: bool,
        migration: Migration | None = None,
    ) -> Steps:
        yield from self.service.cast(
            context,
            self.topic(host),
            "rebuild_instance",
            instance=instance,
            image=image,
            recreate=recreate,
            migration=migration,
        )

    def topic(self, host: str | None) -> str:
        """The queue of a host."""
        if host is None:
            raise NoHostError("No compute host specified")
        return f"compute.{host}"


class NoHostError(CloudError):
    """A message for a server that is on no host (NovaException)."""

    module = "nova.exception"

    @property
    def kind(self) -> str:
        return "nova.exception.NovaException"
