"""neutron.db: the rows of networks, subnets and ports, and the addresses of the ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from twin.openstack.neutron import exceptions as errors
from twin.openstack.neutron import logs
from twin.openstack.neutron.tables import Network, NeutronTables, Port, Row, Subnet
from twin.openstack.neutron.transaction import Transaction
from twin.openstack.oslo.context import Context, fresh_id
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service

AUTO_DELETE_PORT_OWNERS = ("network:dhcp",)
"""Owners of ports that go with their network."""


class IpamPluggableBackend(Flow):
    """Which address a port gets."""

    source = "neutron.db.ipam_pluggable_backend"

    def __init__(self, service: Service, tables: NeutronTables) -> None:
        super().__init__(service)
        self.tables = tables

    def allocate_ips_for_port_and_store(self, context: Context, port: Port, port_id: str) -> list[Row]:
        """Give a port an address of a subnet of its network. Raises IpAddressGenerationFailure."""
        ips = self._allocate_ips_for_port(context, port)
        for ip in ips:
            self._store_ip_allocation(context, ip["ip_address"], port.network_id, ip["subnet_id"], port_id)
        return ips

    def _allocate_ips_for_port(self, context: Context, port: Port) -> list[Row]:
        subnets = [self.tables.subnets[s] for s in self.tables.networks[port.network_id].subnets]
        if not subnets:
            return []
        return self._ipam_allocate_ips(context, subnets, port)

    def _ipam_allocate_ips(self, context: Context, subnets: Sequence[Subnet], port: Port) -> list[Row]:
        for subnet in subnets:
            address = subnet.allocate()
            if address is not None:
                return [{"subnet_id": subnet.id, "ip_address": address}]
        raise errors.IpAddressGenerationFailure(net_id=port.network_id)

    def _store_ip_allocation(
        self, context: Context, ip_address: str, network_id: str, subnet_id: str, port_id: str
    ) -> None:
        if subnet_id not in self.tables.subnets:
            raise errors.SubnetNotFound(subnet_id=subnet_id)
        self.tables.ports[port_id].fixed_ips.append({"subnet_id": subnet_id, "ip_address": ip_address})

    def deallocate_ips_from_port(self, context: Context, port: Port, ips: list[Row]) -> None:
        """Give a port's addresses back."""
        for ip in ips:
            subnet = self.tables.subnets.get(ip["subnet_id"])
            if subnet is not None:
                subnet.release(ip["ip_address"])
        port.fixed_ips = []


class NeutronDbPluginV2(Flow):
    """Rows of networks, subnets and ports. What it raises is what the API tells the client."""

    source = "neutron.db.db_base_plugin_v2"

    def __init__(self, service: Service, tables: NeutronTables) -> None:
        super().__init__(service)
        self.tables = tables
        self.ipam = IpamPluggableBackend(service, tables)

    def _generate(self, context: Context, kind: str) -> str:
        """A fresh uuid."""
        return fresh_id(self.world, context, kind)

    def _generate_mac(self, port_id: str) -> str:
        digits = self.world.streams["neutron/mac"].hexadecimal(6, port_id)
        return f"fa:16:3e:{digits[:2]}:{digits[2:4]}:{digits[4:]}"

    # --- networks ------------------------------------------------------------------------------------------------

    def create_network_db(self, context: Context, network: Row) -> Network:
        """Insert a network without its segment."""
        project = network["project_id"]
        row = Network(
            self._generate(context, "network"), network["name"], project, 0, bool(network.get("router:external"))
        )
        self.tables.networks[row.id] = row
        self.tables.count(project, "network", 1)
        return row

    def _get_network(self, context: Context, id: str) -> Network:
        network = self.tables.networks.get(id)
        if network is None:
            raise errors.NetworkNotFound(net_id=id)
        return network

    def get_network(self, context: Context, id: str) -> Row:
        """A network as the API shows it. Raises NetworkNotFound."""
        return self._get_network(context, id).show()

    def get_networks(self, context: Context, filters: Mapping[str, Any]) -> list[Row]:
        """Networks with these attributes."""
        if "id" in filters:
            wanted = filters["id"] if isinstance(filters["id"], list) else [filters["id"]]
            found = (self.tables.networks.get(network) for network in wanted)
            return [network.show() for network in found if network is not None]
        shown = (network.show() for network in self.tables.networks.values())
        return [network for network in shown if all(network[name] == value for name, value in filters.items())]

    def delete_network_db(self, context: Context, network: Network) -> None:
        """Delete a network's row, and what goes with it."""
        for subnet in list(network.subnets):
            self.delete_subnet_db(context, self.tables.subnets[subnet])
        del self.tables.networks[network.id]
        self.tables.count(network.project_id, "network", -1)

    def _ensure_network_not_in_use(self, context: Context, net_id: str) -> None:
        """Raises NetworkInUse where ports of others than the DHCP agent are on it."""
        ports = self.tables.ports_of(self.tables.ports_by_network, net_id)
        if any(port.device_owner not in AUTO_DELETE_PORT_OWNERS for port in ports):
            raise errors.NetworkInUse(net_id=net_id)

    # --- subnets -------------------------------------------------------------------------------------------------

    def create_subnet_db(self, context: Context, subnet: Row) -> Subnet:
        """Insert a subnet of a network. Raises NetworkNotFound, InvalidInput."""
        network = self._get_network(context, subnet["network_id"])
        cidr = subnet["cidr"]
        self._validate_subnet_cidr(context, network, cidr)
        base = cidr.rpartition("/")[0].rpartition(".")[0]
        row = Subnet(self._generate(context, "subnet"), network.id, network.project_id, cidr, f"{base}.1")
        self.tables.subnets[row.id] = row
        network.subnets.append(row.id)
        self.tables.count(row.project_id, "subnet", 1)
        return row

    def _validate_subnet_cidr(self, context: Context, network: Network, new_subnet_cidr: str) -> None:
        for subnet_id in network.subnets:
            if self.tables.subnets[subnet_id].cidr == new_subnet_cidr:
                message = f"Requested subnet with cidr: {new_subnet_cidr} for network: {network.id} overlaps"
                raise errors.InvalidInput(f"Invalid input for operation: {message} with another subnet.")

    def _get_subnet(self, context: Context, id: str) -> Subnet:
        subnet = self.tables.subnets.get(id)
        if subnet is None:
            raise errors.SubnetNotFound(subnet_id=id)
        return subnet

    def delete_subnet_db(self, context: Context, subnet: Subnet) -> None:
        """Delete a subnet's row."""
        self.tables.subnets.pop(subnet.id)
        self.tables.networks[subnet.network_id].subnets.remove(subnet.id)
        self.tables.count(subnet.project_id, "subnet", -1)

    def _ensure_no_user_ports_on_subnet(self, context: Context, id: str) -> None:
        """Raises SubnetInUse where ports of others than the DHCP agent have an address of it."""
        network = self.tables.subnets[id].network_id
        for port in self.tables.ports_of(self.tables.ports_by_network, network):
            mine = [ip["ip_address"] for ip in port.fixed_ips if ip["subnet_id"] == id]
            if mine and port.device_owner not in AUTO_DELETE_PORT_OWNERS:
                self.say(logs.SUBNET_IN_USE, context, port.id, mine[0], id)
                raise errors.SubnetInUse(subnet_id=id)

    def is_dhcp_active_on_any_subnet(self, context: Context, subnet_ids: Sequence[str]) -> bool:
        """Whether any of the subnets has DHCP."""
        return any(self.tables.subnets[s].enable_dhcp for s in subnet_ids if s in self.tables.subnets)

    # --- ports ---------------------------------------------------------------------------------------------------

    def create_port_db(self, context: Context, port: Row) -> Port:
        """Insert a port with its address. Raises NetworkNotFound, IpAddressGenerationFailure."""
        with Transaction() as rollback:
            network = self._get_network(context, port["network_id"])
            port_id = self._generate(context, "port")
            row = Port(
                port_id,
                network.id,
                port["project_id"],
                self._generate_mac(port_id),
                port["device_id"],
                port["device_owner"],
                port["status"],
            )
            self.tables.add_port(row)
            rollback(partial(self.tables.remove_port, row))
            self.ipam.allocate_ips_for_port_and_store(context, row, row.id)
            return row

    def _get_port(self, context: Context, id: str) -> Port:
        port = self.tables.ports.get(id)
        if port is None:
            raise errors.PortNotFound(port_id=id)
        return port

    def get_port(self, context: Context, id: str) -> Row:
        """A port as the API shows it. Raises PortNotFound."""
        return self._get_port(context, id).show()

    def get_ports(self, context: Context, filters: Mapping[str, Any]) -> list[Row]:
        """Ports with these attributes."""
        tables, filters = self.tables, dict(filters)
        address, owner = filters.pop("ip_address", None), filters.pop("device_owner", None)
        if isinstance(filters.get("device_id"), list):
            devices = filters.pop("device_id")
            found = [port for device in devices for port in tables.ports_of(tables.ports_by_device, device)]
        elif "device_id" in filters:
            found = tables.ports_of(tables.ports_by_device, filters["device_id"])
        elif "network_id" in filters:
            found = tables.ports_of(tables.ports_by_network, filters["network_id"])
        else:
            found = list(tables.ports.values())
        if address is not None:
            found = [port for port in found if any(ip["ip_address"] == address for ip in port.fixed_ips)]
        if owner is not None:
            found = [port for port in found if port.device_owner == owner]
        project = filters.pop("project_id", None)
        if project is not None:
            found = [port for port in found if port.project_id == project]
        shown = [port.show() for port in found]
        return [port for port in shown if all(port[name] == value for name, value in filters.items())]

    def update_port_db(self, context: Context, id: str, port: Row) -> Row:
        """Write attributes of a port; the port as it then is."""
        row = self._get_port(context, id)
        columns = {name: port[name] for name in ("device_id", "device_owner", "status") if name in port}
        if columns:
            self.tables.change_port(row, **columns)
        return row.show()

    def delete_port_db(self, context: Context, id: str) -> None:
        """Delete a port's row with its addresses."""
        self.tables.remove_port(self._get_port(context, id))
