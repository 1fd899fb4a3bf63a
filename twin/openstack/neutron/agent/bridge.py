"""br-int through the agent's eyes, and the local VLANs of the networks on a host."""

from __future__ import annotations

from typing import Any

from twin.mechanics import neutron as facts
from twin.openstack.infrastructure.openvswitch import BridgePort, Switch
from twin.openstack.neutron.exceptions import MappingNotFound, VifIdNotFound
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps


class LocalVlanManager(Flow):
    """Local VLAN tags by network."""

    source = "neutron.plugins.ml2.drivers.openvswitch.agent.vlanmanager"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.clear()

    def clear(self) -> None:
        """Know nothing."""
        self.mapping: dict[str, int] = {}
        self.vif_ports: dict[str, set[str]] = {}
        """Ports that were bound, by network."""

    def available(self) -> int | None:
        """The first tag that is free, if any."""
        taken = set(self.mapping.values())
        return next((tag for tag in range(1, 4095) if tag not in taken), None)

    def add(self, net_id: str, vlan: int) -> None:
        """Give a network a tag."""
        self.mapping[net_id] = vlan

    def get(self, net_id: str, segmentation_id: Any) -> int:
        """The tag of a network. Raises MappingNotFound."""
        if net_id not in self.mapping:
            raise MappingNotFound(net_id=net_id, seg_id=segmentation_id)
        return self.mapping[net_id]

    def pop(self, net_id: str) -> int | None:
        """Forget a network."""
        self.vif_ports.pop(net_id, None)
        return self.mapping.pop(net_id, None)

    def get_net_uuid(self, vif_id: str) -> str:
        """The network that a port was bound on. Raises VifIdNotFound."""
        for net_id, ports in self.vif_ports.items():
            if vif_id in ports:
                return net_id
        raise VifIdNotFound(vif_id=vif_id)


class OVSIntegrationBridge(Flow):
    """Commands on br-int."""

    source = "neutron.agent.common.ovs_lib"

    def __init__(self, service: Service, switch: Switch) -> None:
        super().__init__(service)
        self.switch = switch
        self.events = 0
        self._seen = 0
        self.canary = switch.restarts
        self.not_ready: set[str] = set()
        """Ports without a tap yet: the loop looks at them again."""

    def has_events(self) -> bool:
        """Whether OVSDB's monitor has told of ports that came or went."""
        return self.events > self._seen

    def polling_completed(self) -> None:
        """What was told is worked off."""
        self._seen = self._scanned

    _scanned = 0

    def get_vif_port_set(self, context: Context) -> Steps:
        """The ports of guests that are on the bridge, by their neutron ids."""
        yield from self.think(context, facts.SCAN)
        self._scanned = self.events
        self.not_ready = {port for port, found in self.switch.ports.items() if not found.tag and not self._ready(port)}
        return set(self.switch.ports) - self.not_ready

    def _ready(self, port_id: str) -> bool:
        """Whether a port has its number (ofport): os-vif names it to OVSDB, the tap comes with the guest's qemu."""
        plane, host = self.site.dataplane, self.service.node.name
        path = plane.ports.get(port_id)
        if path is None or path.host != host or host not in plane.hosts:
            return True
        domain = plane.hosts[host].domains.get(path.server)
        return domain is not None and domain.active

    def became_ready(self) -> bool:
        """Whether a port that had no number has one now."""
        return any(port not in self.switch.ports or self._ready(port) for port in self.not_ready)

    def get_vifs_by_ids(self, context: Context, port_ids: list[str]) -> dict[str, BridgePort]:
        """Ports by their neutron ids, as far as they are there."""
        ports = self.switch.ports
        return {port_id: ports[port_id] for port_id in port_ids if port_id in ports}

    def set_db_attribute(self, context: Context, table: str, record: str, column: str, value: int) -> bool:
        """Write the tag of a port, and its flows; whether the port is there."""
        return self.switch.wire(record, value)

    def check_canary_table(self, context: Context | None) -> bool:
        """Whether the flow is there that goes with a restart of the switch."""
        return self.switch.restarts == self.canary

    def setup_canary_table(self, context: Context | None) -> None:
        """Write that flow."""
        self.canary = self.switch.restarts

    def cleanup_flows(self, context: Context) -> None:
        """Remove flows with the cookie of an older process: what is left are those that this one has written."""
        self.switch.resync(self.service)

    def drop_port(self, context: Context, port_id: str) -> None:
        """A port's packets go nowhere."""
        self.switch.unwire(port_id)
