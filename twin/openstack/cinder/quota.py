"""Cinder's quotas: reserve, then commit or roll back."""

from __future__ import annotations

from twin.mechanics import cinder as facts
from twin.openstack.cinder import exception
from twin.openstack.cinder.tables import CinderTables
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps


class QuotaEngine(Flow):
    """cinder.quota.QUOTAS. A reservation that nobody commits or rolls back keeps its room."""

    source = "cinder.quota"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.tables: CinderTables = service.site.volumes

    def reserve(self, context: Context, project_id: str, **deltas: int) -> Steps:
        """Reserve what grows and what shrinks; the reservations' ids. Raises OverQuota where something does not fit."""
        yield from self.sql(context, facts.STATEMENTS["reserve"], write=True)
        tables, quotas = self.tables, self.tables.quotas
        usages = {name: tables.usage(project_id, name) for name in deltas}
        overs = [
            name
            for name, delta in deltas.items()
            if delta > 0 and usages[name].in_use + usages[name].reserved + delta > quotas[name] >= 0
        ]
        if overs:
            raise exception.OverQuota(
                overs=sorted(overs),
                quotas=dict(quotas),
                usages={name: {"in_use": u.in_use, "reserved": u.reserved} for name, u in usages.items()},
            )
        reservations = []
        for name, delta in deltas.items():
            context.trace.draws += 1
            stream = self.world.streams["cinder/reservation"]
            reservation = stream.uuid(context.trace.key, context.trace.draws)
            tables.reservations[reservation] = (project_id, name, delta)
            if delta > 0:
                usages[name].reserved += delta
            reservations.append(reservation)
        return reservations

    def get_project_quotas(self, context: Context, project_id: str) -> Steps:
        """Limit and use of each resource."""
        yield from self.sql(context, facts.STATEMENTS["list"])
        tables = self.tables
        return {
            name: {
                "limit": limit,
                "in_use": tables.usage(project_id, name).in_use,
                "reserved": tables.usage(project_id, name).reserved,
            }
            for name, limit in tables.quotas.items()
        }

    def commit(self, context: Context, reservations: list[str], project_id: str) -> Steps:
        """Turn reservations into use."""
        yield from self.sql(context, facts.STATEMENTS["commit"], write=True)
        for project, name, delta in self._taken(reservations):
            usage = self.tables.usage(project, name)
            if delta > 0:
                usage.reserved -= delta
            usage.in_use += delta

    def rollback(self, context: Context, reservations: list[str], project_id: str) -> Steps:
        """Give reservations back."""
        yield from self.sql(context, facts.STATEMENTS["rollback"], write=True)
        for project, name, delta in self._taken(reservations):
            if delta > 0:
                self.tables.usage(project, name).reserved -= delta

    def _taken(self, reservations: list[str]) -> list[tuple[str, str, int]]:
        """The rows of reservations, deleted; those that are gone already are none of SQL's business."""
        rows = self.tables.reservations
        return [rows.pop(reservation) for reservation in reservations if reservation in rows]
