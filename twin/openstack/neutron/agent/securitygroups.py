"""Security groups on a host: whose filters are to be written, and the flows that a port then has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twin.mechanics import neutron as facts
from twin.openstack.neutron.agent import logs
from twin.openstack.neutron.agent.rpc import RemoteResourceCache
from twin.openstack.neutron.tables import Row
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

if TYPE_CHECKING:
    from twin.openstack.infrastructure.openvswitch import Switch

SSH = 22


class OVSFirewallDriver(Flow):
    """The firewall as flows of br-int."""

    source = "neutron.agent.linux.openvswitch_firewall.firewall"

    def __init__(self, service: Service, switch: Switch) -> None:
        super().__init__(service)
        self.switch = switch
        self.filtered_ports: set[str] = set()

    def prepare_port_filter(self, context: Context, port: Row) -> Steps:
        """Write the flows of a port that has none."""
        found = self.switch.ports.get(port["id"])
        written = found is not None and found.flows
        yield from self.think(context, facts.REFRESH_FILTER if written else facts.FILTER_PORT)
        self.filtered_ports.add(port["id"])
        self._let_in(port)

    def update_port_filter(self, context: Context, port: Row) -> Steps:
        """Write them anew."""
        if port["id"] not in self.filtered_ports:
            yield from self.prepare_port_filter(context, port)
            return
        yield from self.think(context, facts.REFRESH_FILTER)
        self._let_in(port)

    def remove_port_filter(self, context: Context, port_id: str) -> None:
        """Remove them."""
        self.filtered_ports.discard(port_id)

    def _let_in(self, port: Row) -> None:
        path = self.site.dataplane.ports.get(port["id"])
        if path is not None and path.host == self.service.node.name:
            groups = (self.site.neutron.tables.security_groups.get(group) for group in port["security_groups"])
            path.ssh_allowed = any(group is not None and group.admits("tcp", SSH) for group in groups)


class SecurityGroupAgentRpc(Flow):
    """Which devices need their filters written."""

    source = "neutron.agent.securitygroups_rpc"

    def __init__(self, service: Service, cache: RemoteResourceCache, firewall: OVSFirewallDriver) -> None:
        super().__init__(service)
        self.cache = cache
        self.firewall = firewall
        self.devices_to_refilter: set[str] = set()

    # --- what the server pushes ----------------------------------------------------------------------------------

    def security_groups_member_updated(self, context: Context, security_groups: set[str]) -> None:
        """Ports have come to a group, or left it."""
        self.say(logs.SG_MEMBER_UPDATED, context, logs.as_set(security_groups))
        self._security_group_updated(context, security_groups)

    def security_groups_rule_updated(self, context: Context, security_groups: list[str]) -> None:
        """A group lets more or less pass."""
        self.say(logs.SG_RULE_UPDATED, context, security_groups)
        self._security_group_updated(context, security_groups)

    def _security_group_updated(self, context: Context, security_groups: Iterable[str]) -> None:
        wanted = set(security_groups)
        for port_id in self.firewall.filtered_ports:
            port = self.cache.ports.get(port_id)
            if port is not None and wanted.intersection(port["security_groups"]):
                self.devices_to_refilter.add(port_id)

    def firewall_refresh_needed(self) -> bool:
        """Whether filters are to be written though no port has changed."""
        return bool(self.devices_to_refilter)

    # --- what the loop does --------------------------------------------------------------------------------------

    def setup_port_filters(self, context: Context, new_devices: set[str], updated_devices: set[str]) -> Steps:
        """Write the filters of new devices, and of those that have changed."""
        devices_to_refilter, self.devices_to_refilter = self.devices_to_refilter, set()
        if new_devices:
            yield from self.prepare_devices_filter(context, new_devices)
        updated_devices = (updated_devices | devices_to_refilter) - new_devices
        if updated_devices:
            yield from self.refresh_firewall(context, updated_devices)

    def prepare_devices_filter(self, context: Context, device_ids: set[str]) -> Steps:
        """Write the filters of devices that have none."""
        if not device_ids:
            return
        self.say(logs.SG_FILTERS_PREPARING, context, sorted(device_ids))
        for device in sorted(device_ids):
            port = self.cache.ports.get(device)
            if port is not None:
                yield from self.firewall.prepare_port_filter(context, port)

    def refresh_firewall(self, context: Context, device_ids: set[str]) -> Steps:
        """Write the filters of devices anew."""
        self.say(logs.SG_REFRESH, context)
        for device in sorted(device_ids):
            port = self.cache.ports.get(device)
            if port is not None:
                yield from self.firewall.update_port_filter(context, port)

    def remove_devices_filter(self, context: Context, device_ids: set[str]) -> None:
        """Remove the filters of devices that have gone."""
        self.say(logs.SG_FILTERS_REMOVED, context, sorted(device_ids))
        for device in sorted(device_ids):
            self.firewall.remove_port_filter(context, device)
