"""A router on its machine: namespace, interfaces, gateway, floating IPs, metadata proxy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twin.mechanics import neutron as facts
from twin.openstack.neutron.agent import logs
from twin.openstack.neutron.tables import Row
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps

if TYPE_CHECKING:
    from twin.openstack.neutron.agent.l3 import L3PluginApi
    from twin.openstack.neutron.agent.l3_service import L3AgentService


@dataclass(slots=True)
class RouterState:
    """What the agent has built of a router."""

    router_id: str
    internal_ports: dict[str, Row] = field(default_factory=dict)
    ex_gw_port: Row | None = None
    floating_ips: dict[str, str] = field(default_factory=dict)
    """Address -> port."""


class RouterInfo(Flow):
    """Builds routers."""

    source = "neutron.agent.l3.router_info"
    service: L3AgentService

    def __init__(self, service: L3AgentService, plugin: L3PluginApi) -> None:
        super().__init__(service)
        self.plugin = plugin

    def initialize(self, context: Context, state: RouterState) -> Steps:
        """Make the namespace, with its metadata proxy."""
        yield from self.think(context, facts.ROUTER_INIT)
        self.service.machine.routers.setdefault(state.router_id, set())
        self.service.machine.proxies.add(state.router_id)

    def process(self, context: Context, state: RouterState, router: Row) -> Steps:
        """Make everything as the server says."""
        self.service.debug(logs.ROUTER_PROCESSING, context, state.router_id)
        yield from self._process_internal_ports(context, state, router)
        yield from self.process_external(context, state, router)

    def _process_internal_ports(self, context: Context, state: RouterState, router: Row) -> Steps:
        wanted = {port["id"]: port for port in router["_interfaces"]}
        for port_id in [id for id in wanted if id not in state.internal_ports]:
            yield from self.internal_network_added(context, state, wanted[port_id])
            state.internal_ports[port_id] = wanted[port_id]
        for port_id in [id for id in state.internal_ports if id not in wanted]:
            yield from self.internal_network_removed(context, state, state.internal_ports[port_id])
            del state.internal_ports[port_id]

    def internal_network_added(self, context: Context, state: RouterState, port: Row) -> Steps:
        """Plug an interface in."""
        yield from self.think(context, facts.ROUTER_INTERFACE)
        self.service.switch.plug(port["id"])
        self.service.machine.routers[state.router_id].add(port["network_id"])

    def internal_network_removed(self, context: Context, state: RouterState, port: Row) -> Steps:
        """Take it away."""
        yield from self.think(context, facts.ROUTER_INTERFACE)
        self.service.switch.unplug(port["id"])
        self.service.machine.routers[state.router_id].discard(port["network_id"])

    def process_external(self, context: Context, state: RouterState, router: Row) -> Steps:
        """The gateway, then floating IPs."""
        yield from self._process_external_gateway(context, state, router["gw_port"])
        if router["gw_port"] is None:
            return
        try:
            fip_statuses = yield from self.configure_fip_addresses(context, state, router["_floatingips"])
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.ROUTER_FLOATING_IPS_FAILED, context, error)
            fip_statuses = {floating_ip["id"]: "ERROR" for floating_ip in router["_floatingips"]}
        yield from self.update_fip_statuses(context, state, fip_statuses)

    def _process_external_gateway(self, context: Context, state: RouterState, ex_gw_port: Row | None) -> Steps:
        if ex_gw_port is not None and state.ex_gw_port is None:
            yield from self.external_gateway_added(context, state, ex_gw_port)
        elif ex_gw_port is None and state.ex_gw_port is not None:
            self.service.switch.unplug(state.ex_gw_port["id"])
        state.ex_gw_port = ex_gw_port

    def external_gateway_added(self, context: Context, state: RouterState, ex_gw_port: Row) -> Steps:
        """Plug the gateway in."""
        yield from self.think(context, facts.ROUTER_INTERFACE)
        self.service.switch.plug(ex_gw_port["id"])

    def configure_fip_addresses(self, context: Context, state: RouterState, floating_ips: list[Row]) -> Steps:
        """Set floating IPs up and remove others; what became of each that changed."""
        statuses: dict[str, str] = {}
        wanted = {floating_ip["floating_ip_address"]: floating_ip for floating_ip in floating_ips}
        for address in [address for address in state.floating_ips if address not in wanted]:
            yield from self.remove_floating_ip(context, state, address)
        for address, floating_ip in wanted.items():
            if state.floating_ips.get(address) != floating_ip["port_id"]:
                statuses[floating_ip["id"]] = yield from self.add_floating_ip(context, state, floating_ip)
        return statuses

    def add_floating_ip(self, context: Context, state: RouterState, fip: Row) -> Steps:
        """Set a floating IP up; its status."""
        yield from self.think(context, facts.ROUTER_FLOATING_IP)
        state.floating_ips[fip["floating_ip_address"]] = fip["port_id"]
        self.service.machine.floating[fip["floating_ip_address"]] = fip["port_id"]
        return "ACTIVE"

    def remove_floating_ip(self, context: Context, state: RouterState, address: str) -> Steps:
        """Remove a floating IP."""
        yield from self.think(context, facts.ROUTER_FLOATING_IP)
        state.floating_ips.pop(address, None)
        self.service.machine.floating.pop(address, None)

    def update_fip_statuses(self, context: Context, state: RouterState, fip_statuses: dict[str, str]) -> Steps:
        """Tell the server."""
        if fip_statuses:
            yield from self.plugin.update_floatingip_statuses(context, state.router_id, fip_statuses)

    def delete(self, context: Context, state: RouterState) -> Steps:
        """Remove everything."""
        yield from self.think(context, facts.ROUTER_DELETE)
        machine, switch = self.service.machine, self.service.switch
        for port in (*state.internal_ports.values(), *([state.ex_gw_port] if state.ex_gw_port else [])):
            switch.unplug(port["id"])
        for address in list(state.floating_ips):
            machine.floating.pop(address, None)
        machine.routers.pop(state.router_id, None)
        machine.proxies.discard(state.router_id)
