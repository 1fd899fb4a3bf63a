"""A compute host whose libvirt cannot be had takes itself out of scheduling, and comes back with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.openstack.nova.exception import ComputeHostNotFound
from twin.openstack.nova.virt import logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import ServiceRow

if TYPE_CHECKING:
    from twin.openstack.nova.compute.service import NovaCompute

DISABLE_PREFIX = "AUTO: "
"""What tells a host that has disabled itself from one that an operator has."""
STATUS = {True: "disabled", False: "enabled"}


class Availability(Flow):
    """The connection events of nova.virt.libvirt.driver.LibvirtDriver."""

    source = "nova.virt.libvirt.driver"
    chapter_of = "LibvirtDriver"
    service: NovaCompute

    def _handle_conn_event(self, context: Context, enabled: bool, reason: str | None) -> Steps:
        """The connection to libvirt was lost, or is there again."""
        self.say(logs.CONNECTION_EVENT, None, int(enabled), reason)
        yield from self._set_host_enabled(context, enabled, reason)

    def _set_host_enabled(self, context: Context, enabled: bool, disable_reason: str | None) -> Steps:
        """Write the host's status, and tell placement; what an operator has disabled stays so."""
        disable_service, host = not enabled, self.service.node.name
        objects = self.service.manager.objects
        try:
            service = yield from objects.get_service(context, self.service.name)
            if service.disabled == disable_service:
                return
            if service.disabled and not service.disabled_reason.startswith(DISABLE_PREFIX):
                self.say(logs.NOT_OVERRIDING, context, STATUS[disable_service])
                return
            reason = f"{DISABLE_PREFIX}{disable_reason}" if disable_service and disable_reason else ""
            yield from objects.save_service(
                context, self.service.name, disabled=disable_service, disabled_reason=reason
            )
            self.say(logs.UPDATING_STATUS, context, STATUS[disable_service])
            yield from self._update_compute_provider_status(context, service)
        except ComputeHostNotFound:
            self.say(logs.HOST_NOT_REGISTERED, context, host)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.STATUS_NOT_UPDATED, context, error, host)

    def _update_compute_provider_status(self, context: Context, service: ServiceRow) -> Steps:
        """Add the trait to the host's provider, or take it away. The audit sets it right where this fails."""
        host = self.service.node.name
        try:
            yield from self.service.manager.reportclient.update_from_provider_tree(context, host, service.disabled)
        except Exception as error:
            self.unexpected(error)
            provider = self.site.tables.providers[host].uuid
            self.exception(logs.PROVIDER_STATUS_FAILED, context, error, STATUS[service.disabled], provider)
