"""What the DHCP agent knows of its networks."""

from __future__ import annotations

from collections.abc import Collection

from twin.openstack.neutron.tables import Row
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service


class NetworkCache(Flow):
    """Networks with their subnets and ports; a network's ports are a dict here, by id."""

    source = "neutron.agent.dhcp.agent"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.clear()

    def clear(self) -> None:
        """Know nothing."""
        self.cache: dict[str, Row] = {}
        self.port_lookup: dict[str, str] = {}
        self._by_ip: dict[tuple[str, str], str] = {}
        self._deleted_ports: set[str] = set()

    def is_port_message_stale(self, payload: Row) -> bool:
        """Whether a later state of a port is known, or its end."""
        orig = self.get_port_by_id(payload["id"])
        if orig is not None and orig["revision_number"] > payload["revision_number"]:
            return True
        return payload["id"] in self._deleted_ports

    def get_port_ids(self, network_ids: Collection[str | None]) -> list[str]:
        """The ports of some networks, or of all."""
        return [port for port, network in self.port_lookup.items() if not network_ids or network in network_ids]

    def get_network_ids(self) -> set[str]:
        """All networks."""
        return set(self.cache)

    def get_network_by_id(self, network_id: str) -> Row | None:
        """A network, if it is known."""
        return self.cache.get(network_id)

    def get_network_by_subnet_id(self, subnet_id: str) -> Row | None:
        """The network of a subnet."""
        for network in self.cache.values():
            if any(subnet["id"] == subnet_id for subnet in network["subnets"]):
                return network
        return None

    def put(self, network: Row) -> None:
        """Take a network in, in place of what was known of it."""
        if network["id"] in self.cache:
            self.remove(self.cache[network["id"]])
        self.cache[network["id"]] = network
        for port in network["ports"].values():
            self._note(port)

    def remove(self, network: Row) -> None:
        """Forget a network."""
        for port in network["ports"].values():
            self._forget(port)
        self.cache.pop(network["id"], None)  # a resync and the news of its end may both come to it

    def put_port(self, port: Row) -> None:
        """Take a port in."""
        self.cache[port["network_id"]]["ports"][port["id"]] = port
        self._note(port)

    def remove_port(self, port: Row) -> None:
        """Forget a port."""
        network = self.cache.get(port["network_id"])
        if network is not None:
            network["ports"].pop(port["id"], None)
        self._forget(port)

    def get_port_by_id(self, port_id: str) -> Row | None:
        """A port, if it is known."""
        network = self.cache.get(self.port_lookup.get(port_id, ""))
        return None if network is None else network["ports"].get(port_id)

    def other_with_address(self, port: Row) -> str | None:
        """Another port of the network that is known to have an address of a port's."""
        for address in port["fixed_ips"]:
            other = self._by_ip.get((port["network_id"], address["ip_address"]))
            if other is not None and other != port["id"]:
                return other
        return None

    def add_to_deleted_ports(self, port_id: str) -> None:
        """Remember that a port has gone: news of it may come late."""
        self._deleted_ports.add(port_id)

    def _note(self, port: Row) -> None:
        self.port_lookup[port["id"]] = port["network_id"]
        for address in port["fixed_ips"]:
            self._by_ip[port["network_id"], address["ip_address"]] = port["id"]

    def _forget(self, port: Row) -> None:
        self.port_lookup.pop(port["id"], None)
        for address in port["fixed_ips"]:
            key = port["network_id"], address["ip_address"]
            if self._by_ip.get(key) == port["id"]:
                del self._by_ip[key]
