"""Procedures of neutron-server that its agents call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin.mechanics import neutron as facts
from twin.openstack.neutron import exceptions as errors
from twin.openstack.neutron import logs
from twin.openstack.neutron.agent_notifiers import AgentNotifierApi
from twin.openstack.neutron.agents_db import DhcpAgentSchedulerDbMixin
from twin.openstack.neutron.managers import OVS_AGENT
from twin.openstack.neutron.plugin import Ml2Plugin
from twin.openstack.neutron.provisioning_blocks import DHCP_ENTITY, L2_AGENT_ENTITY
from twin.openstack.neutron.tables import Network, Row
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import described
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

if TYPE_CHECKING:
    from twin.openstack.neutron.server import Neutron


class RpcCallbacks(Flow):
    """What the L2 agents call."""

    source = "neutron.plugins.ml2.rpc"

    def __init__(self, service: Neutron, plugin: Ml2Plugin) -> None:
        super().__init__(service)
        self.plugin = plugin
        self.notifier = AgentNotifierApi(service)

    def tunnel_sync(self, context: Context, host: str) -> Steps:
        """An agent's end of tunnels: the others are told, and it is told all."""
        work = facts.RPC["update_device_list"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        hosts = [agent.host for agent in self.plugin.tables.agents_of(OVS_AGENT)]
        yield from self.notifier.tunnel_update(context, host)
        return {"tunnels": hosts}

    def update_device_list(
        self, context: Context, devices_up: list[str], devices_down: list[str], agent_id: str, host: str
    ) -> Steps:
        """Devices are wired, or have gone; which of them could not be written."""
        work = facts.RPC["update_device_list"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        result: Row = {"devices_up": [], "failed_devices_up": [], "devices_down": [], "failed_devices_down": []}
        for device in devices_up:
            try:
                yield from self.update_device_up(context, agent_id, host, device)
                result["devices_up"].append(device)
            except Exception as error:
                self.unexpected(error)
                self.exception(logs.DEVICE_UP_FAILED, context, error, device)
                result["failed_devices_up"].append(device)
        for device in devices_down:
            try:
                dev = yield from self.update_device_down(context, agent_id, host, device)
                result["devices_down"].append(dev)
            except Exception as error:
                self.unexpected(error)
                self.exception(logs.DEVICE_DOWN_FAILED, context, error, device)
                result["failed_devices_down"].append(device)
        return result

    def update_device_up(self, context: Context, agent_id: str, host: str, device: str) -> Steps:
        """A device is wired on its host."""
        port = self.plugin.port_bound_to_host(context, device, host)
        if host and not port:
            unbound = self.plugin.tables.ports.get(device)
            if unbound is not None and unbound.device_owner.startswith("compute:"):
                self.plugin.nova_notifier.notify_port_active_direct(context, unbound.show())
            return
        yield from self.update_port_status_to_active(context, port, device, host)

    def update_port_status_to_active(self, context: Context, port: Any, port_id: str, host: str) -> Steps:
        """L2 is ready."""
        yield from self.plugin.provisioning_blocks.provisioning_complete(context, port["id"], "port", L2_AGENT_ENTITY)

    def update_device_down(self, context: Context, agent_id: str, host: str, device: str) -> Steps:
        """A device has gone from its host."""
        port_exists = True
        if host and not self.plugin.port_bound_to_host(context, device, host):
            port_exists = device in self.plugin.tables.ports
        else:
            port_exists = bool((yield from self.plugin.update_port_status(context, device, "DOWN", host)))
        return {"device": device, "exists": port_exists}


class ResourcesPullRpcCallback(Flow):
    """Objects that an agent's cache lacks."""

    source = "neutron.api.rpc.handlers.resources_rpc"

    def __init__(self, service: Service, plugin: Ml2Plugin) -> None:
        super().__init__(service)
        self.plugin = plugin

    def bulk_pull(self, context: Context, resource_type: str, filter_kwargs: Row) -> Steps:
        """All objects of a type with these attributes."""
        work = facts.RPC["bulk_pull"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        return self._objects(context, resource_type, filter_kwargs)

    def _objects(self, context: Context, resource_type: str, filter_kwargs: Row) -> list[Row]:
        tables = self.plugin.tables
        if resource_type == "Port" and "host" in filter_kwargs:
            return [port.show() for port in tables.ports_of(tables.ports_by_host, filter_kwargs["host"])]
        if resource_type == "Port":
            found = (tables.ports.get(id) for id in filter_kwargs["id"])
            return [port.show() for port in found if port is not None]
        return []


class DhcpRpcCallback(Flow):
    """What the DHCP agents call."""

    source = "neutron.api.rpc.handlers.dhcp_rpc"

    def __init__(self, service: Service, plugin: Ml2Plugin, schedulers: DhcpAgentSchedulerDbMixin) -> None:
        super().__init__(service)
        self.plugin = plugin
        self.schedulers = schedulers

    def _info(self, context: Context, network: Network) -> Row:
        """A network with its subnets and ports."""
        tables = self.plugin.tables
        shown = network.show()
        shown["subnets"] = [tables.subnets[subnet].show() for subnet in network.subnets]
        shown["ports"] = [port.show() for port in tables.ports_of(tables.ports_by_network, network.id)]
        return shown

    def get_active_networks_info(self, context: Context, host: str) -> Steps:
        """All networks of an agent."""
        work = facts.RPC["get_active_networks_info"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        return self._get_active_networks(context, host)

    def _get_active_networks(self, context: Context, host: str) -> list[Row]:
        networks = self.plugin.tables.networks.values()
        return [self._info(context, network) for network in networks if host in network.dhcp_agents]

    def get_network_info(self, context: Context, network_id: str, host: str) -> Steps:
        """A network; None where it is gone."""
        work = facts.RPC["dhcp"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        network = self.plugin.tables.networks.get(network_id)
        return None if network is None else self._info(context, network)

    def create_dhcp_port(self, context: Context, port: Row, host: str) -> Steps:
        """The port of an agent's own on a network; None where the network is gone."""
        try:
            return (yield from self._port_action(context, port))
        except (errors.NetworkNotFound, errors.SubnetNotFound, errors.IpAddressGenerationFailure) as error:
            network_id = port["network_id"]
            self.say(logs.DHCP_PORT_ACTION_FAILED, context, "create_port", network_id, error, described(error))
            return None

    def _port_action(self, context: Context, port: Row) -> Steps:
        return (yield from self.plugin.create_port(context, port))

    def release_dhcp_port(self, context: Context, network_id: str, device_id: str) -> Steps:
        """Delete the port of an agent's own."""
        tables = self.plugin.tables
        for port in tables.ports_of(tables.ports_by_device, device_id):
            if port.network_id == network_id:
                yield from self.plugin.delete_port(context, port.id)

    def dhcp_ready_on_ports(self, context: Context, port_ids: list[str]) -> Steps:
        """dnsmasq knows these ports."""
        yield from self.think(context, facts.RPC["dhcp"].python)
        for port_id in port_ids:
            yield from self.plugin.provisioning_blocks.provisioning_complete(context, port_id, "port", DHCP_ENTITY)

    def get_ports(self, context: Context, port_filters: dict[str, Any]) -> Steps:
        """Ports with these attributes."""
        work = facts.RPC["get_ports"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        return self.plugin.db.get_ports(context, port_filters)
