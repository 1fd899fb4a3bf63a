"""dnsmasq and its interface: what the DHCP agent does on its machine for a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.mechanics import neutron as facts
from twin.openstack.neutron.agent import logs
from twin.openstack.neutron.agent.rpc import BackingOffClient
from twin.openstack.neutron.exceptions import Conflict
from twin.openstack.neutron.tables import Row
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps

if TYPE_CHECKING:
    from twin.openstack.neutron.agent.dhcp_service import DhcpAgentService

DHCP_OWNER = "network:dhcp"


def net_model(network: Row | None) -> Row | None:
    """A network as the agent keeps it (neutron.agent.linux.dhcp.NetModel): its ports by id."""
    return None if network is None else network | {"ports": {port["id"]: port for port in network["ports"]}}


class DhcpPluginApi(Flow):
    """The server as the DHCP agent sees it."""

    source = "neutron.agent.dhcp.agent"

    def __init__(self, client: BackingOffClient, host: str) -> None:
        super().__init__(client.service)
        self.client = client
        self.host = host

    def get_active_networks_info(self, context: Context) -> Steps:
        """All networks of this agent."""
        networks = yield from self.client.call(context, "get_active_networks_info", host=self.host)
        return [net_model(network) for network in networks]

    def get_network_info(self, context: Context, network_id: str) -> Steps:
        """A network; None where it is gone."""
        network = yield from self.client.call(context, "get_network_info", network_id=network_id, host=self.host)
        return net_model(network)

    def create_dhcp_port(self, context: Context, port: Row) -> Steps:
        """A port for this agent; None where the network is gone."""
        return (yield from self.client.call(context, "create_dhcp_port", port=port, host=self.host))

    def release_dhcp_port(self, context: Context, network_id: str, device_id: str) -> Steps:
        """Give this agent's port back."""
        yield from self.client.call(context, "release_dhcp_port", network_id=network_id, device_id=device_id)

    def dhcp_ready_on_ports(self, context: Context, port_ids: list[str]) -> Steps:
        """dnsmasq knows these ports."""
        yield from self.client.call(context, "dhcp_ready_on_ports", port_ids=port_ids)


class DeviceManager(Flow):
    """The interface of dnsmasq in its namespace."""

    source = "neutron.agent.linux.dhcp"
    service: DhcpAgentService

    def __init__(self, service: DhcpAgentService, plugin: DhcpPluginApi) -> None:
        super().__init__(service)
        self.plugin = plugin

    def get_device_id(self, network: Row) -> str:
        """How the agent's port on a network is known."""
        return f"dhcp-{self.service.node.name}-{network['id']}"

    def setup(self, context: Context, network: Row) -> Steps:
        """Plug the interface in; the port's id."""
        port = yield from self.setup_dhcp_port(context, network)
        network["ports"][port["id"]] = port
        self.plug(context, network, port)
        return port["id"]

    def setup_dhcp_port(self, context: Context, network: Row) -> Steps:
        """The agent's port on the network, which is created where there is none. Raises Conflict."""
        device_id = self.get_device_id(network)
        dhcp_port = self._setup_existing_dhcp_port(context, network, device_id)
        if dhcp_port is None:
            dhcp_port = yield from self._setup_new_dhcp_port(context, network, device_id)
        if dhcp_port is None:
            raise Conflict(f"Unable to create DHCP port on network {network['id']}")
        return dhcp_port

    def _setup_existing_dhcp_port(self, context: Context, network: Row, device_id: str) -> Row | None:
        return next((port for port in network["ports"].values() if port["device_id"] == device_id), None)

    def _setup_new_dhcp_port(self, context: Context, network: Row, device_id: str) -> Steps:
        port = {
            "network_id": network["id"],
            "project_id": network["project_id"],
            "device_id": device_id,
            "device_owner": DHCP_OWNER,
            "binding:host_id": self.service.node.name,
        }
        return (yield from self.plugin.create_dhcp_port(context, port))

    def plug(self, context: Context, network: Row, port: Row) -> None:
        """Add the interface to br-int, where the Open vSwitch agent finds it."""
        self.service.switch.plug(port["id"])
        self.service.machine.interfaces[network["id"]] = port["id"]

    def unplug(self, context: Context, network: Row) -> None:
        """Take the interface away."""
        port_id = self.service.machine.interfaces.pop(network["id"], None)
        if port_id is not None:
            self.service.switch.unplug(port_id)

    def destroy(self, context: Context, network: Row) -> Steps:
        """Take the interface away and give the port back."""
        self.unplug(context, network)
        yield from self.plugin.release_dhcp_port(context, network["id"], self.get_device_id(network))


class Dnsmasq(Flow):
    """The driver: one dnsmasq a network."""

    source = "neutron.agent.linux.dhcp"
    service: DhcpAgentService

    def __init__(self, service: DhcpAgentService, plugin: DhcpPluginApi) -> None:
        super().__init__(service)
        self.device_manager = DeviceManager(service, plugin)

    def enable(self, context: Context, network: Row) -> Steps:
        """Have a dnsmasq run for a network."""
        if self._enable(context, network) is False:
            return
        yield from self.device_manager.setup(context, network)
        yield from self.think(context, facts.DHCP_ENABLE)
        self._output_config_files(context, network)
        self.spawn_process(context, network)

    def _enable(self, context: Context, network: Row) -> bool:
        """Whether there is anything to start."""
        return any(subnet["enable_dhcp"] for subnet in network["subnets"])

    def spawn_process(self, context: Context, network: Row) -> None:
        """Start dnsmasq, and the metadata proxy of a network without a router."""
        self.service.machine.start_dnsmasq(self.service, network["id"])
        self._output_hosts_file(context, network)
        self.service.machine.proxies.add(network["id"])

    def restart(self, context: Context, network: Row) -> Steps:
        """Start dnsmasq anew."""
        yield from self.disable(context, network, retain_port=True)
        yield from self.enable(context, network)

    def disable(self, context: Context, network: Row, retain_port: bool = False) -> Steps:
        """Stop dnsmasq; the port goes unless it is to be kept."""
        yield from self.think(context, facts.DHCP_DISABLE)
        self.service.machine.stop_dnsmasq(network["id"])
        self.service.machine.proxies.discard(network["id"])
        if not retain_port:
            yield from self.device_manager.destroy(context, network)

    def reload_allocations(self, context: Context, network: Row) -> Steps:
        """Write the hosts file and have dnsmasq read it; stop it where no subnet wants it."""
        if not self._enable(context, network):
            yield from self.disable(context, network)
            return
        self.service.debug(logs.DNSMASQ_RELOADING, context, network["id"])
        yield from self.think(context, facts.DHCP_RELOAD)
        self._output_hosts_file(context, network)

    def existing_dhcp_networks(self, context: Context | None) -> list[str]:
        """Networks that have a folder here: an older process has left it."""
        return list(self.service.machine.dnsmasq)

    def _output_config_files(self, context: Context, network: Row) -> None:
        self.service.machine.dnsmasq.setdefault(network["id"], set())

    def _output_hosts_file(self, context: Context, network: Row) -> None:
        self.service.machine.reload_allocations(network["id"], set(network["ports"]))
