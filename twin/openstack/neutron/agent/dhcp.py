"""The DHCP agent's own code: what it does with news of networks and ports, and how it finds its way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin.mechanics import neutron as facts
from twin.openstack.neutron.agent import logs
from twin.openstack.neutron.agent.dhcp_driver import DHCP_OWNER, DhcpPluginApi, Dnsmasq
from twin.openstack.neutron.agent.network_cache import NetworkCache
from twin.openstack.neutron.agent.queue import ResourceProcessingQueue, ResourceUpdate
from twin.openstack.neutron.agent.rpc import BackingOffClient, PluginReportStateAPI
from twin.openstack.neutron.agents_db import AGENT_REVIVED
from twin.openstack.neutron.exceptions import Conflict, NetworkNotFound
from twin.openstack.neutron.tables import Row
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError, MessagingTimeout, described
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps

if TYPE_CHECKING:
    from twin.openstack.neutron.agent.dhcp_service import DhcpAgentService

ACTIONS = ("enable", "disable", "restart", "reload_allocations")
"""Of the driver."""
NOT_SERVED = ("network:router_ha_interface", "network:floatingip", DHCP_OWNER)
"""Owners of ports that dnsmasq need not know."""


def port_requires_dhcp_configuration(port: Row) -> bool:
    """Whether dnsmasq is to know a port."""
    return port["device_owner"] not in NOT_SERVED


class DhcpAgent(Flow):
    """Runs a dnsmasq for each network that it is given."""

    source = "neutron.agent.dhcp.agent"
    service: DhcpAgentService

    def __init__(self, service: DhcpAgentService) -> None:
        super().__init__(service)
        client = BackingOffClient(service)
        self.plugin_rpc = DhcpPluginApi(client, service.node.name)
        self.state_rpc = PluginReportStateAPI(client)
        self.dhcp_driver = Dnsmasq(service, self.plugin_rpc)
        self.cache = NetworkCache(service)
        self._queue = ResourceProcessingQueue(
            service, facts.DHCP_QUEUE_THREADS, lambda update: self._process_resource_update(update)
        )
        self.start()

    def start(self) -> None:
        """A new process knows nothing."""
        self.needs_resync_reasons: dict[str | None, list[str]] = {}
        self.dhcp_ready_ports: dict[str, None] = {}
        self.failed_report_state = False
        self.start_flag = True
        self.cache.clear()
        self._populate_networks_cache()
        self._queue.clear(held=self.world.now > 0)

    def _populate_networks_cache(self) -> None:
        """What an older process served: what the server names no more is taken down by the first `sync_state`."""
        for network_id in self.dhcp_driver.existing_dhcp_networks(None):
            self.cache.put({"id": network_id, "subnets": [], "ports": {}})

    def run(self) -> None:
        """The first `sync_state` is over: news is taken up."""
        self._queue.release()

    # --- heartbeats ----------------------------------------------------------------------------------------------

    def _report_state(self, context: Context) -> Steps:
        try:
            agent_status = yield from self.state_rpc.report_state(context, self.service.report(self.start_flag))
            self.start_flag = False
            if agent_status == AGENT_REVIVED:
                self.say(logs.DHCP_REVIVED, context)
                self.schedule_resync(context, "Agent has just been revived")
        except Exception as error:
            self.unexpected(error)
            self.failed_report_state = True
            self.exception(logs.DHCP_REPORT_FAILED, context, error)
            return
        if self.failed_report_state:
            self.failed_report_state = False
            self.say(logs.DHCP_REPORT_RECOVERED, context)

    # --- the driver ----------------------------------------------------------------------------------------------

    def call_driver(self, context: Context, action: str, network: Row | None) -> Steps:
        """Have the driver do something; whether it could. What fails is done again by a resync."""
        if not network:
            return None
        try:
            yield from getattr(self.dhcp_driver, action)(context, network)
            return True
        except Conflict:
            return None
        except Exception as error:
            self.unexpected(error)
            self.schedule_resync(context, str(error), network["id"])
            if not isinstance(error, NetworkNotFound):
                self.exception(logs.DHCP_DRIVER_FAILED, context, error, action, network["id"])
        return None

    # --- finding the way back ------------------------------------------------------------------------------------

    def schedule_resync(self, context: Context, reason: str, network_id: str | None = None) -> None:
        """Ask the server again, for a network or for all."""
        self.needs_resync_reasons.setdefault(network_id, []).append(reason)
        self.service.resync_later()

    def sync_state(self, context: Context, networks: list[str | None] | None = None) -> Steps:
        """Do what the server says of some networks, or of all."""
        only_nets = set() if not networks or None in networks else set(networks)
        self.say(logs.DHCP_SYNCING, context)
        known_network_ids = self.cache.get_network_ids()
        try:
            active_networks = yield from self.plugin_rpc.get_active_networks_info(context)
            self.say(logs.DHCP_SYNC_FETCHED, context)
            active_network_ids = {network["id"] for network in active_networks}
            for deleted_id in sorted(known_network_ids - active_network_ids):
                try:
                    yield from self.disable_dhcp_helper(context, deleted_id)
                except Exception as error:
                    self.unexpected(error)
                    self.schedule_resync(context, str(error), deleted_id)
                    self.exception(logs.DHCP_SYNC_FAILED_FOR, context, error, deleted_id)
            for network in active_networks:
                if not only_nets or network["id"] not in known_network_ids or network["id"] in only_nets:
                    yield from self.safe_configure_dhcp_for_network(context, network)
            self.ready(self.cache.get_port_ids(only_nets))
            self.say(logs.DHCP_SYNC_COMPLETE, context)
        except Exception as error:
            self.unexpected(error)
            for network_id in only_nets or (None,):
                self.schedule_resync(context, str(error), network_id)
            self.exception(logs.DHCP_SYNC_FAILED, context, error)

    def _periodic_resync_helper(self, context: Context) -> Steps:
        """One turn of the loop that resynchronises where something failed."""
        if self.needs_resync_reasons:
            reasons, self.needs_resync_reasons = self.needs_resync_reasons, {}
            yield from self.sync_state(context, list(reasons))

    # --- ports that are ready ------------------------------------------------------------------------------------

    def ready(self, port_ids: list[str]) -> None:
        """dnsmasq knows these ports."""
        self.dhcp_ready_ports.update(dict.fromkeys(port_ids))
        self.service.say_ready_later()

    def _dhcp_ready_ports_loop(self, context: Context) -> Steps:
        """One turn of the loop that tells the server which ports are ready."""
        ports_to_send = list(self.dhcp_ready_ports)[: facts.DHCP_READY_PORTS]
        if not ports_to_send:
            return
        for port_id in ports_to_send:
            del self.dhcp_ready_ports[port_id]
        try:
            yield from self.plugin_rpc.dhcp_ready_on_ports(context, ports_to_send)
            self.say(logs.DHCP_PORTS_READY, context, logs.as_set(ports_to_send))
            return
        except MessagingTimeout as error:
            self.say(logs.DHCP_READY_TIMEOUT, context, described(error))
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.DHCP_READY_FAILED, context, error)
        self.dhcp_ready_ports.update(dict.fromkeys(ports_to_send))

    # --- networks ------------------------------------------------------------------------------------------------

    def safe_get_network_info(self, context: Context, network_id: str) -> Steps:
        """A network from the server; None where it is gone or cannot be had."""
        try:
            return (yield from self.plugin_rpc.get_network_info(context, network_id))
        except Exception as error:
            self.unexpected(error)
            self.schedule_resync(context, str(error), network_id)
            self.exception(logs.DHCP_INFO_FAILED, context, error, network_id)
        return None

    def enable_dhcp_helper(self, context: Context, network_id: str) -> Steps:
        """Serve a network."""
        network = yield from self.safe_get_network_info(context, network_id)
        if network:
            yield from self.configure_dhcp_for_network(context, network)

    def safe_configure_dhcp_for_network(self, context: Context, network: Row) -> Steps:
        """The same, with a word about it."""
        try:
            self.say(logs.DHCP_CONFIGURING, context, network["id"])
            yield from self.configure_dhcp_for_network(context, network)
            self.say(logs.DHCP_CONFIGURED, context, network["id"])
        except (NetworkNotFound, RuntimeError) as error:
            self.say(logs.DHCP_NETWORK_MAYBE_GONE, context, network["id"], described(error))

    def configure_dhcp_for_network(self, context: Context, network: Row) -> Steps:
        """Have a dnsmasq run where a subnet wants one."""
        if not network["admin_state_up"]:
            return
        if any(subnet["enable_dhcp"] for subnet in network["subnets"]) and (
            yield from self.call_driver(context, "enable", network)
        ):
            self.cache.put(network)
            self.ready(list(network["ports"]))

    def disable_dhcp_helper(self, context: Context, network_id: str) -> Steps:
        """Serve a network no longer."""
        network = self.cache.get_network_by_id(network_id)
        if network and (yield from self.call_driver(context, "disable", network)):
            self.cache.remove(network)

    def refresh_dhcp_helper(self, context: Context, network_id: str) -> Steps:
        """A network's subnets have changed."""
        old_network = self.cache.get_network_by_id(network_id)
        if not old_network:
            yield from self.enable_dhcp_helper(context, network_id)
            return
        network = yield from self.safe_get_network_info(context, network_id)
        if not network:
            return
        if not any(subnet["enable_dhcp"] for subnet in network["subnets"]):
            yield from self.disable_dhcp_helper(context, network["id"])
            return
        old_cidrs = [subnet["cidr"] for subnet in old_network["subnets"] if subnet["enable_dhcp"]]
        new_cidrs = [subnet["cidr"] for subnet in network["subnets"] if subnet["enable_dhcp"]]
        if old_cidrs == new_cidrs:
            yield from self.call_driver(context, "reload_allocations", network)
            self.cache.put(network)
        elif (yield from self.call_driver(context, "restart", network)):
            self.cache.put(network)
        self.ready(list(network["ports"]))

    # --- news ----------------------------------------------------------------------------------------------------

    def _add(self, context: Context, network_id: str, action: str, resource: Any) -> None:
        self._queue.add(ResourceUpdate(network_id, action, (context, resource)))

    def network_create_end(self, context: Context, payload: Row) -> Steps:
        """A network was scheduled to this agent."""
        self._add(context, payload["network"]["id"], "_network_create", payload)
        yield from ()

    def _network_create(self, context: Context, payload: Row) -> Steps:
        yield from self.enable_dhcp_helper(context, payload["network"]["id"])

    def network_delete_end(self, context: Context, payload: Row) -> Steps:
        """A network was deleted."""
        self._add(context, payload["network_id"], "_network_delete", payload)
        yield from ()

    def _network_delete(self, context: Context, payload: Row) -> Steps:
        yield from self.disable_dhcp_helper(context, payload["network_id"])

    def subnet_create_end(self, context: Context, payload: Row) -> Steps:
        """A subnet came."""
        self._add(context, payload["subnet"]["network_id"], "_subnet_update", payload)
        yield from ()

    subnet_update_end = subnet_create_end

    def _subnet_update(self, context: Context, payload: Row) -> Steps:
        yield from self.refresh_dhcp_helper(context, payload["subnet"]["network_id"])

    def subnet_delete_end(self, context: Context, payload: Row) -> Steps:
        """A subnet went."""
        self._add(context, payload["network_id"], "_subnet_delete", payload)
        yield from ()

    def _subnet_delete(self, context: Context, payload: Row) -> Steps:
        network = self.cache.get_network_by_subnet_id(payload["subnet_id"])
        if network:
            yield from self.refresh_dhcp_helper(context, network["id"])

    def port_create_end(self, context: Context, payload: Row) -> Steps:
        """A port came."""
        created_port = payload["port"]
        if port_requires_dhcp_configuration(created_port):
            self._add(context, created_port["network_id"], "_port_create", created_port)
        yield from ()

    def _port_create(self, context: Context, created_port: Row) -> Steps:
        network = self.cache.get_network_by_id(created_port["network_id"])
        if not network:
            return
        if self.cache.other_with_address(created_port) is not None:
            reason = "Duplicate IP addresses found, DHCP cache is out of sync"
            self.schedule_resync(context, reason, created_port["network_id"])
            return
        yield from self.reload_allocations(context, created_port, network)

    def port_update_end(self, context: Context, payload: Row) -> Steps:
        """A port changed."""
        updated_port = payload["port"]
        if port_requires_dhcp_configuration(updated_port) and not self.cache.is_port_message_stale(updated_port):
            self._add(context, updated_port["network_id"], "_port_update", updated_port)
        yield from ()

    def _port_update(self, context: Context, updated_port: Row) -> Steps:
        if self.cache.is_port_message_stale(updated_port):
            return
        network = self.cache.get_network_by_id(updated_port["network_id"])
        if network:
            yield from self.reload_allocations(context, updated_port, network)

    def port_delete_end(self, context: Context, payload: Row) -> Steps:
        """A port went."""
        self._add(context, payload["network_id"], "_port_delete", payload)
        yield from ()

    def _port_delete(self, context: Context, payload: Row) -> Steps:
        port_id = payload["port_id"]
        port = self.cache.get_port_by_id(port_id)
        network = self.cache.get_network_by_id(payload["network_id"])
        self.cache.add_to_deleted_ports(port_id)
        if not port or not network:
            return
        self.cache.remove_port(port)
        if port["device_owner"] == DHCP_OWNER:
            yield from self.call_driver(context, "disable", network)
            self.schedule_resync(context, "Agent port was deleted", port["network_id"])
        else:
            yield from self.call_driver(context, "reload_allocations", network)

    def reload_allocations(self, context: Context, port: Row, network: Row) -> Steps:
        """Have dnsmasq know a port."""
        self.say(logs.DHCP_RELOAD, context, port, network["id"])
        self.cache.put_port(port)
        yield from self.call_driver(context, "reload_allocations", network)
        self.ready([port["id"]])

    def _process_resource_update(self, update: ResourceUpdate) -> Steps:
        """A thread takes an update up."""
        context, resource = update.resource
        try:
            yield from getattr(self, update.action)(context, resource)
        except CloudError:
            return  # the thread's greenlet ends with what it printed to stderr
