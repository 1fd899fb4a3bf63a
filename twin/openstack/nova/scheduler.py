"""nova-scheduler: candidates from placement, filters, weights, claim."""

from __future__ import annotations

from twin.mechanics import openstack as facts
from twin.openstack.nova import logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.messaging import Procedure
from twin.openstack.oslo.reporting import ReportingService
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import Response, expect
from twin.openstack.tables import Server


class NovaScheduler(ReportingService):
    """The filter scheduler with ComputeFilter and the RAM weigher."""

    kind = "nova-scheduler"
    program = "nova-scheduler"
    topic = "scheduler"

    @property
    def procedures(self) -> dict[str, Procedure]:
        return {"select_destinations": self._select}

    def on_running(self) -> None:
        super().on_running()
        if self.world.now > 0:
            self.say(logs.STARTING, None, "scheduler")

    def _select(self, context: Context, server: Server, tried: tuple[str, ...]) -> Steps:
        """The host with most free memory that passes, claimed; None where there is none."""
        yield from self.think(context, facts.RPC["select_destinations"].python)
        placement = self.site.placement
        uri = (
            f"/allocation_candidates?limit=1000&resources=DISK_GB%3A{facts.FLAVOR_DISK_GB}%2CMEMORY_MB%3A"
            f"{facts.FLAVOR_MEMORY_MB}%2CVCPU%3A{facts.FLAVOR_VCPUS}&root_required=%21COMPUTE_STATUS_DISABLED"
        )
        response: Response = expect((yield placement.serve(context, "candidates", "GET", uri)), "placement")
        if not response.body:
            self.say(logs.NO_CANDIDATES, context)
            return None
        yield from self.sql(context, facts.RPC["select_destinations"].statements)
        passed = [host for host in response.body if host not in tried and self._heard_from(context, host)]
        if not passed:
            self.say(logs.NO_HOSTS_LEFT, context, "ComputeFilter")
            return None
        tie = self.world.streams["scheduler/tie"]
        free = self.site.tables.free
        passed.sort(key=lambda host: (-free(host)[1], tie.uniform(server.number, host)))
        for host in passed:
            uri = f"/allocations/{server.uuid}"
            claim = expect((yield placement.serve(context, "claim", "PUT", uri, server=server, host=host)), "placement")
            if claim.status < 300:
                return host
        return None

    def _heard_from(self, context: Context, host: str) -> bool:
        compute = self.site.computes[host]
        if self.site.heard_from(compute.name):
            return True
        servers = len(self.site.tables.on(host))
        memory = int(self.site.tables.free(host)[1])
        self.say(logs.NOT_HEARD_FROM, context, host, host, memory, 0, 0, servers)
        return False
