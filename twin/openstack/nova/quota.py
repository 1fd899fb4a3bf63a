"""Nova's quotas, counted from the rows."""

from __future__ import annotations

from collections.abc import Mapping

from twin.openstack.nova import logs
from twin.openstack.nova.exception import TooManyInstances
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps

STATEMENTS = 6
"""Of counting what a project uses (assumed)."""


class Quotas(Flow):
    """nova.objects.Quotas."""

    source = "nova.objects.quotas"

    def check_deltas(self, context: Context, deltas: Mapping[str, int], project_id: str) -> Steps:
        """Raises TooManyInstances where a project would use more than it may."""
        yield from self.sql(context, STATEMENTS)
        self.say(logs.GETTING_QUOTAS, context, project_id, list(deltas))
        used = {"instances": 0, "cores": 0, "ram": 0}
        for server in self.site.tables.of(project_id):
            used["instances"] += 1
            used["cores"] += server.flavor.vcpus
            used["ram"] += server.flavor.memory_mb
        limits = self.site.quotas
        over = [name for name, delta in deltas.items() if used[name] + delta > limits[name] >= 0]
        if over:
            name = over[0]
            self.say(logs.QUOTA_EXCEEDED, context, ", ".join(over), project_id, deltas.get("instances", 1), "")
            raise TooManyInstances(overs=name, req=deltas[name], used=used[name], allowed=limits[name])
