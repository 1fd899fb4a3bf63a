"""Procedures of neutron-server that L3 agents call."""

from __future__ import annotations

from twin.mechanics import neutron as facts
from twin.openstack.neutron import exceptions as errors
from twin.openstack.neutron.l3_db import L3RouterPlugin
from twin.openstack.neutron.tables import Router, Row
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps


class L3RpcCallback(Flow):
    """What the L3 agents call."""

    source = "neutron.api.rpc.handlers.l3_rpc"

    def __init__(self, service: Service, plugin: L3RouterPlugin) -> None:
        super().__init__(service)
        self.l3plugin = plugin

    def sync_routers(self, context: Context, host: str, router_ids: list[str] | None = None) -> Steps:
        """Routers of an agent with all that it needs to build them; of all its routers where none is named."""
        work = facts.RPC["sync_routers"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        routers = self.list_active_sync_routers_on_active_l3_agent(context, host, router_ids)
        for router in routers:
            yield from self._ensure_host_set_on_ports(context, host, router)
        return routers

    def list_active_sync_routers_on_active_l3_agent(
        self, context: Context, host: str, router_ids: list[str] | None
    ) -> list[Row]:
        """The agent's routers among those named."""
        tables = self.l3plugin.tables
        wanted = tables.routers.values() if router_ids is None else (tables.routers.get(id) for id in router_ids)
        return [self._sync_data(router) for router in wanted if router is not None and router.host == host]

    def _sync_data(self, router: Router) -> Row:
        tables = self.l3plugin.tables
        shown = router.show()
        interfaces = (tables.ports.get(port) for port in router.interfaces.values())
        gateway = tables.ports.get(router.gateway_port or "")
        shown["_interfaces"] = [port.show() for port in interfaces if port is not None]
        shown["gw_port"] = None if gateway is None else gateway.show()
        shown["_floatingips"] = [fip.show() for fip in tables.floating_ips.values() if fip.router_id == router.id]
        return shown

    def _ensure_host_set_on_ports(self, context: Context, host: str, router: Row) -> Steps:
        """Bind the router's ports to the agent's host."""
        for port in (*router["_interfaces"], *([router["gw_port"]] if router["gw_port"] else [])):
            if port["binding:host_id"] != host or port["binding:vif_type"] == "binding_failed":
                yield from self._ensure_host_set_on_port(context, host, port, router["id"])

    def _ensure_host_set_on_port(self, context: Context, host: str, port: Row, router_id: str) -> Steps:
        try:
            bound = yield from self.l3plugin.core_plugin.update_port(context, port["id"], {"binding:host_id": host})
            port.update(bound)
        except errors.PortNotFound:
            return

    def update_floatingip_statuses(self, context: Context, router_id: str, fip_statuses: dict[str, str]) -> Steps:
        """What became of floating IPs on the agent."""
        yield from self.think(context, facts.RPC["dhcp"].python)
        yield from self.sql(context, 2 * len(fip_statuses), write=True)
        for floatingip_id, status in fip_statuses.items():
            row = self.l3plugin.tables.floating_ips.get(floatingip_id)
            if row is not None:
                row.status = status
