"""The Open vSwitch agent's own code: one pass of its loop, and what makes another pass necessary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin.mechanics import neutron as facts
from twin.openstack.neutron.agent import logs
from twin.openstack.neutron.agent.bridge import LocalVlanManager, OVSIntegrationBridge
from twin.openstack.neutron.agent.rpc import (
    BackingOffClient,
    CacheBackedPluginApi,
    PluginReportStateAPI,
    RemoteResourceCache,
)
from twin.openstack.neutron.agent.securitygroups import OVSFirewallDriver, SecurityGroupAgentRpc
from twin.openstack.neutron.agents_db import AGENT_REVIVED
from twin.openstack.neutron.exceptions import MappingNotFound, VifIdNotFound
from twin.openstack.neutron.tables import Row
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import MessagingTimeout
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps

if TYPE_CHECKING:
    from twin.openstack.neutron.agent.openvswitch_service import OpenvswitchAgent

OVS_NORMAL, OVS_RESTARTED = "normal", "restarted"
PortInfo = dict[str, set[str]]
"""Ports that are on the bridge (current), new to the agent, gone, or changed: added, removed, updated."""


class OVSNeutronAgent(Flow):
    """Wires the ports of one host."""

    source = "neutron.plugins.ml2.drivers.openvswitch.agent.ovs_neutron_agent"
    service: OpenvswitchAgent

    def __init__(self, service: OpenvswitchAgent) -> None:
        super().__init__(service)
        self.host = service.node.name
        self.agent_id = f"ovs-agent-{self.host}"
        self.int_br = OVSIntegrationBridge(service, service.switch)
        self.vlan_manager = LocalVlanManager(service)
        client = BackingOffClient(service)
        self.cache = RemoteResourceCache(client, self.host)
        self.plugin_rpc = CacheBackedPluginApi(client, self.cache)
        self.state_rpc = PluginReportStateAPI(client)
        self.sg_agent = SecurityGroupAgentRpc(service, self.cache, OVSFirewallDriver(service, service.switch))
        self.start()

    def start(self) -> None:
        """A new process knows nothing."""
        self.iter_num = 0
        self.fullsync = self.sync = True
        self.start_flag = self.tunnel_out_of_sync = self.need_clean_stale_flow = True
        self.failed_report_state = False
        self.ports: set[str] = set()
        self.updated_ports: set[str] = set()
        self.deleted_ports: set[str] = set()
        self.failed_devices: dict[str, set[str]] = {"added": set(), "removed": set()}
        self.consecutive_resyncs = 0
        self.cache.ports = {}
        self.sg_agent.devices_to_refilter = set()
        self.sg_agent.firewall.filtered_ports = set()
        self.vlan_manager.clear()
        self.int_br.not_ready = set()

    def adopt(self, port: Row, vlan: int) -> None:
        """A port that was wired before the beginning, with the local VLAN of its network."""
        self.ports.add(port["id"])
        self.cache.ports[port["id"]] = port
        self.vlan_manager.add(port["network_id"], vlan)
        self.vlan_manager.vif_ports.setdefault(port["network_id"], set()).add(port["id"])
        self.sg_agent.firewall.filtered_ports.add(port["id"])

    # --- heartbeats ----------------------------------------------------------------------------------------------

    def _report_state(self, context: Context) -> Steps:
        state = self.service.report(self.start_flag)
        try:
            agent_status = yield from self.state_rpc.report_state(context, state)
            if agent_status == AGENT_REVIVED:
                self.say(logs.OVS_REVIVED, context)
                self.fullsync = True
                self.service.wake()
            self.start_flag = False
        except Exception as error:
            self.unexpected(error)
            self.failed_report_state = True
            self.exception(logs.OVS_REPORT_FAILED, context, error)
            return
        if self.failed_report_state:
            self.failed_report_state = False
            self.say(logs.OVS_REPORT_RECOVERED, context)

    # --- what the server pushes ----------------------------------------------------------------------------------

    def port_update(self, context: Context, port: Row) -> None:
        """A port of this host has changed: look at it in the next pass."""
        self.updated_ports.add(port["id"])

    def port_delete(self, context: Context, port_id: str) -> None:
        """A port was deleted."""
        self.deleted_ports.add(port_id)
        self.updated_ports.discard(port_id)

    # --- the loop ------------------------------------------------------------------------------------------------

    def agent_has_updates(self) -> bool:
        """Whether a pass has anything to do."""
        return bool(
            self.sync
            or self.fullsync
            or self.updated_ports
            or self.deleted_ports
            or self.sg_agent.firewall_refresh_needed()
            or any(self.failed_devices.values())
            or self.int_br.has_events()
            or self.int_br.became_ready()
            or not self.int_br.check_canary_table(None)
        )

    def rpc_loop(self, context: Context) -> Steps:
        """One pass that has something to do; passes that have not cost nothing here."""
        start = self.world.now
        if self.fullsync:
            self.say(logs.OVS_FULL_SYNC, context)
            self.sync, self.fullsync = True, False
            self.ports.clear()
        if self.check_ovs_status(context) == OVS_RESTARTED:
            self.sync, self.tunnel_out_of_sync, self.need_clean_stale_flow = True, True, True
            self.ports.clear()
            self.setup_integration_br(context)
        if self.tunnel_out_of_sync:
            try:
                self.tunnel_out_of_sync = yield from self.tunnel_sync(context)
            except Exception as error:
                self.unexpected(error)
                self.exception(logs.OVS_TUNNEL_SYNC_FAILED, context, error)
        self.say(logs.OVS_LOOP_POLLING, context, self.iter_num, self.world.now - start)
        updated_ports_copy, self.updated_ports = self.updated_ports, set()
        try:
            port_info = yield from self.process_port_info(context, self.sync, updated_ports_copy)
            self.sync = False
            self.process_deleted_ports(context, port_info)
            self.say(logs.OVS_LOOP_PORT_INFO, context, self.iter_num, self.world.now - start)
            if self._port_info_has_changes(port_info) or self.sg_agent.firewall_refresh_needed():
                self.failed_devices = yield from self.process_network_ports(context, port_info)
                self.say(logs.OVS_LOOP_PROCESSED, context, self.iter_num, self.world.now - start)
            if self.need_clean_stale_flow:
                self.cleanup_stale_flows(context)
                self.need_clean_stale_flow = False
            self.ports = port_info["current"]
            self.int_br.polling_completed()
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.OVS_PORTS_FAILED, context, error)
            self.updated_ports |= updated_ports_copy
            self.sync = True
        self.iter_num += 1

    def setup_integration_br(self, context: Context) -> None:
        """Write what every bridge begins with."""
        self.int_br.setup_canary_table(context)

    def check_ovs_status(self, context: Context) -> str:
        """Whether the switch has been started anew since it was last looked at."""
        if self.int_br.check_canary_table(context):
            return OVS_NORMAL
        self.say(logs.OVS_RESTARTED, context)
        return OVS_RESTARTED

    def tunnel_sync(self, context: Context) -> Steps:
        """Make tunnels to all machines that the server knows; whether that has to be done again."""
        try:
            details = yield from self.plugin_rpc.tunnel_sync(context, self.host)
        except MessagingTimeout:
            return True
        for remote in details["tunnels"]:
            self._setup_tunnel_port(context, remote)
        return False

    def tunnel_update(self, context: Context, tunnel: str) -> None:
        """Another machine has an agent now."""
        self._setup_tunnel_port(context, tunnel)

    def _setup_tunnel_port(self, context: Context, remote: str) -> None:
        if remote != self.host:
            self.service.switch.tunnels.add(remote)

    def cleanup_stale_flows(self, context: Context) -> None:
        """After everything was written anew: what nobody has written is old."""
        for bridge in ("br-int", "br-tun"):
            self.say(logs.OVS_FLOWS_CLEANED, context, bridge)
        self.int_br.cleanup_flows(context)

    def process_port_info(self, context: Context, sync: bool, updated_ports_copy: set[str]) -> Steps:
        """What is on the bridge, and what of it is new."""
        if sync:
            self.say(logs.OVS_OUT_OF_SYNC, context)
            self.consecutive_resyncs += 1
            if self.consecutive_resyncs >= facts.MAX_DEVICE_RETRIES:
                self.say(logs.OVS_CACHE_CLEARED, context, facts.MAX_DEVICE_RETRIES)
                self.ports.clear()
                self.consecutive_resyncs = 0
        else:
            self.consecutive_resyncs = 0
        return (yield from self.scan_ports(context, self.ports, sync, updated_ports_copy))

    def scan_ports(self, context: Context, registered_ports: set[str], sync: bool, updated_ports: set[str]) -> Steps:
        """Compare the bridge with what is known."""
        cur_ports = yield from self.int_br.get_vif_port_set(context)
        port_info = self._get_port_info(registered_ports, cur_ports, sync)
        failed = self.failed_devices
        port_info["added"] |= failed["added"] & cur_ports
        port_info["removed"] |= failed["removed"] - cur_ports
        port_info["updated"] = updated_ports & cur_ports
        return port_info

    def _get_port_info(self, registered_ports: set[str], cur_ports: set[str], readd_registered_ports: bool) -> PortInfo:
        added = cur_ports if readd_registered_ports else cur_ports - registered_ports
        return {"current": set(cur_ports), "added": set(added), "removed": registered_ports - cur_ports}

    def _port_info_has_changes(self, port_info: PortInfo) -> bool:
        return bool(port_info["added"] or port_info["removed"] or port_info["updated"])

    def process_deleted_ports(self, context: Context, port_info: PortInfo) -> None:
        """Ports that were deleted while their tap is still there go into the dead VLAN."""
        self.deleted_ports -= port_info["removed"]
        deleted_ports, self.deleted_ports = self.deleted_ports, set()
        for port_id in sorted(deleted_ports):
            if port_id in port_info["current"]:
                self.port_dead(context, port_id)
            self.port_unbound(context, port_id)
        gone = deleted_ports & self.sg_agent.firewall.filtered_ports
        if gone:
            self.sg_agent.remove_devices_filter(context, gone)

    def process_network_ports(self, context: Context, port_info: PortInfo) -> Steps:
        """Wire what is new or has changed, unwire what has gone; the devices with which that failed."""
        failed_devices: dict[str, set[str]] = {"added": set(), "removed": set()}
        devices_added_updated = port_info["added"] | port_info["updated"]
        need_binding_devices: list[Row] = []
        skipped_devices: set[str] = set()
        start = self.world.now
        if devices_added_updated:
            (
                skipped_devices,
                need_binding_devices,
                inactive,
                failed_devices["added"],
            ) = yield from self.treat_devices_added_or_updated(context, devices_added_updated)
            self.say(
                logs.OVS_PORTS_TREATED,
                context,
                self.iter_num,
                len(skipped_devices),
                len(inactive),
                len(port_info["current"]),
                self.world.now - start,
            )
            port_info["current"] -= skipped_devices
        added_ports = port_info["added"] - skipped_devices
        yield from self.sg_agent.setup_port_filters(context, added_ports, port_info["updated"])
        self.say(logs.OVS_PORTS_SECURED, context, self.iter_num, self.world.now - start)
        failed_devices["added"] |= yield from self._bind_devices(context, need_binding_devices)
        if port_info["removed"]:
            start = self.world.now
            failed_devices["removed"] |= yield from self.treat_devices_removed(context, port_info["removed"])
            self.say(logs.OVS_PORTS_GONE, context, self.iter_num, self.world.now - start)
        if skipped_devices:
            yield from self.treat_devices_skipped(context, skipped_devices)
        return failed_devices

    # --- ports ---------------------------------------------------------------------------------------------------

    def treat_devices_added_or_updated(self, context: Context, devices: set[str]) -> Steps:
        """Give devices their local VLAN: (skipped, to be bound, without an active binding here, failed)."""
        skipped_devices: set[str] = set()
        need_binding_devices: list[Row] = []
        inactive: set[str] = set()
        devices_details_list = yield from self.plugin_rpc.get_devices_details_list_and_failed_devices(
            context, sorted(devices), self.agent_id, self.host
        )
        failed_devices = set(devices_details_list["failed_devices"])
        vif_by_id = self.int_br.get_vifs_by_ids(context, [d["device"] for d in devices_details_list["devices"]])
        for details in devices_details_list["devices"]:
            device = details["device"]
            port = vif_by_id.get(device)
            if port is None:
                self.say(logs.OVS_PORT_NOT_ON_BRIDGE, context, device)
                skipped_devices.add(device)
            elif "port_id" in details:
                self.say(logs.OVS_PORT_UPDATED, context, device, details)
                if (yield from self.treat_vif_port(context, port, details)):
                    need_binding_devices.append(details)
            elif "no_active_binding" in details:
                inactive.add(device)
                self.port_dead(context, device)
            else:
                self.say(logs.OVS_PORT_NOT_DEFINED, context, device)
                self.port_dead(context, device)
        return skipped_devices, need_binding_devices, inactive, failed_devices

    def treat_vif_port(self, context: Context, vif_port: Any, details: Row) -> Steps:
        """Provision a port; whether it is to be bound."""
        if not details["admin_state_up"]:
            self.port_dead(context, details["port_id"])
            return False
        port_id, net_uuid = details["port_id"], details["network_id"]
        return (yield from self.port_bound(context, vif_port, port_id, net_uuid, details["segmentation_id"]))

    def port_bound(self, context: Context, port: Any, vif_id: str, net_uuid: str, segmentation_id: str) -> Steps:
        """The network has a local VLAN now. Raises MappingNotFound where there is none left."""
        if net_uuid not in self.vlan_manager.mapping:
            self.provision_local_vlan(context, net_uuid, segmentation_id)
        self.vlan_manager.get(net_uuid, segmentation_id)
        self.vlan_manager.vif_ports.setdefault(net_uuid, set()).add(vif_id)
        yield from self.think(context, facts.WIRE_PORT if port.tag == 0 else 0.1 * facts.WIRE_PORT)
        return True

    def provision_local_vlan(self, context: Context, net_uuid: str, segmentation_id: str) -> None:
        """Find a free VLAN of br-int for a network."""
        vlan = self.vlan_manager.available()
        if vlan is None:
            self.say(logs.OVS_NO_VLAN, context, net_uuid)
            return
        self.vlan_manager.add(net_uuid, vlan)
        self.say(logs.OVS_VLAN_ASSIGNED, context, vlan, net_uuid, segmentation_id)

    def _bind_devices(self, context: Context, need_binding_ports: list[Row]) -> Steps:
        """Set the VLAN of ports and tell the server; what could not be told."""
        devices_up = []
        for port_detail in need_binding_ports:
            try:
                vlan = self.vlan_manager.get(port_detail["network_id"], port_detail["segmentation_id"])
            except MappingNotFound:
                continue
            if self.int_br.set_db_attribute(context, "Port", port_detail["port_id"], "tag", vlan):
                devices_up.append(port_detail["device"])
        failed_devices: set[str] = set()
        if devices_up:
            devices_set = yield from self.plugin_rpc.update_device_list(
                context, devices_up, [], self.agent_id, self.host
            )
            failed_devices = set(devices_set["failed_devices_up"]) | set(devices_set["failed_devices_down"])
            if failed_devices:
                self.say(logs.OVS_PORTS_CONFIGURE_FAILED, context, failed_devices)
            self.say(logs.OVS_PORTS_CONFIGURED, context, devices_up, [])
        return failed_devices

    def treat_devices_removed(self, context: Context, devices: set[str]) -> Steps:
        """Taps have gone: remove their filters and tell the server."""
        self.sg_agent.remove_devices_filter(context, devices)
        self.say(logs.OVS_PORTS_REMOVED, context, sorted(devices))
        yield from self.think(context, facts.REMOVE_PORT * len(devices))
        devices_down = yield from self.plugin_rpc.update_device_list(
            context, [], sorted(devices), self.agent_id, self.host
        )
        failed_devices = set(devices_down["failed_devices_down"])
        for device in sorted(devices):
            self.port_unbound(context, device)
        return failed_devices

    def treat_devices_skipped(self, context: Context, devices: set[str]) -> Steps:
        """Taps that went while they were looked at."""
        self.say(logs.OVS_PORTS_SKIPPED, context, sorted(devices))
        yield from self.plugin_rpc.update_device_list(context, [], sorted(devices), self.agent_id, self.host)

    def port_dead(self, context: Context, port_id: str) -> None:
        """Put a port into the dead VLAN."""
        self.int_br.drop_port(context, port_id)

    def port_unbound(self, context: Context, vif_id: str) -> None:
        """Forget a port; the VLAN of a network whose last port it was is free again."""
        try:
            net_uuid = self.vlan_manager.get_net_uuid(vif_id)
        except VifIdNotFound:  # an ordinary thing: its tap goes after the news of its deletion, or before
            self.say(logs.OVS_VLAN_UNMANAGED, context, None)
            return
        bound = self.vlan_manager.vif_ports[net_uuid]
        bound.discard(vif_id)
        if not bound:
            self.reclaim_local_vlan(context, net_uuid)

    def reclaim_local_vlan(self, context: Context, net_uuid: str) -> None:
        """Give a local VLAN back."""
        vlan = self.vlan_manager.pop(net_uuid)
        if vlan is not None:
            self.say(logs.OVS_VLAN_RECLAIMED, context, vlan, net_uuid, net_uuid)
