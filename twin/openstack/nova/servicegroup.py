"""Who is alive, as nova judges it: by the heartbeats in its database."""

from __future__ import annotations

from twin.openstack.nova import logs
from twin.openstack.oslo.flow import Flow


class ServiceGroup(Flow):
    """nova.servicegroup.api.API over the database driver."""

    source = "nova.servicegroup.api"

    def service_is_up(self, host: str) -> bool:
        """Whether the nova-compute of a host has been heard from within `service_down_time`."""
        name = self.site.computes[host].name
        row = self.site.tables.services.get(name)
        if row is None:
            return False
        now = self.world.now + self.service.clock_offset
        if not row.up(now):
            elapsed = now - row.last_seen
            self.say(logs.SERVICE_SEEMS_DOWN, None, row.binary, row.host, row.last_seen, elapsed)
            return False
        return True
