"""Neutron's tables: networks, subnets, ports, routers, floating IPs, security groups, agents, provisioning blocks.

Rows are found by uuid and by the indices that the service asks for; every write goes through `NeutronTables`, which
keeps the indices. Reading and writing costs statements elsewhere (`Service.sql`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from ipaddress import IPv4Network
from typing import Any

from twin.mechanics import neutron as facts

Row = dict[str, Any]
"""A resource as the API shows it."""


@dataclass(slots=True)
class Network:
    """A row of `networks` with its segment."""

    id: str
    name: str
    project_id: str
    segmentation_id: int
    external: bool = False
    mtu: int = 1450
    subnets: list[str] = field(default_factory=list)
    dhcp_agents: list[str] = field(default_factory=list)
    """Hosts (`networkdhcpagentbindings`)."""

    def show(self) -> Row:
        """As the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "status": "ACTIVE",
            "admin_state_up": True,
            "mtu": self.mtu,
            "router:external": self.external,
            "shared": False,
            "subnets": list(self.subnets),
            "provider:network_type": "vxlan",
            "provider:segmentation_id": self.segmentation_id,
            "provider:physical_network": None,
        }


@dataclass(slots=True)
class Subnet:
    """A row of `subnets` with its allocation pool."""

    id: str
    network_id: str
    project_id: str
    cidr: str
    gateway_ip: str
    enable_dhcp: bool = True
    _base: int = 0
    _size: int = 0
    _next: int = 2
    _released: list[int] = field(default_factory=list)
    _taken: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        network = IPv4Network(self.cidr)
        self._base, self._size = int(network.network_address), network.num_addresses

    def allocate(self) -> str | None:
        """The first free address; None where there is none."""
        while self._released:
            number = heappop(self._released)
            if number not in self._taken:
                self._taken.add(number)
                return self._address(number)
        if self._next >= self._size - 1:
            return None
        number, self._next = self._next, self._next + 1
        self._taken.add(number)
        return self._address(number)

    def release(self, address: str) -> None:
        """Give an address back."""
        number = self._number(address)
        if number in self._taken:
            self._taken.remove(number)
            heappush(self._released, number)

    @property
    def allocated(self) -> int:
        """Addresses in use."""
        return len(self._taken)

    def _number(self, address: str) -> int:
        a, b, c, d = (int(part) for part in address.split("."))
        return (a << 24 | b << 16 | c << 8 | d) - self._base

    def _address(self, number: int) -> str:
        whole = self._base + number
        return f"{whole >> 24}.{whole >> 16 & 255}.{whole >> 8 & 255}.{whole & 255}"

    def show(self) -> Row:
        """As the API shows it."""
        return {
            "id": self.id,
            "network_id": self.network_id,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "cidr": self.cidr,
            "gateway_ip": self.gateway_ip,
            "enable_dhcp": self.enable_dhcp,
            "ip_version": 4,
        }


@dataclass(slots=True)
class Port:
    """A row of `ports` with its addresses and its binding."""

    id: str
    network_id: str
    project_id: str
    mac_address: str
    device_id: str = ""
    device_owner: str = ""
    status: str = "DOWN"
    host: str = ""
    vif_type: str = "unbound"
    fixed_ips: list[Row] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    revision: int = 1

    def show(self) -> Row:
        """As the API shows it."""
        return {
            "id": self.id,
            "network_id": self.network_id,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "mac_address": self.mac_address,
            "device_id": self.device_id,
            "device_owner": self.device_owner,
            "status": self.status,
            "admin_state_up": True,
            "binding:host_id": self.host,
            "binding:vif_type": self.vif_type,
            "binding:vnic_type": "normal",
            "binding:profile": {},
            "fixed_ips": [dict(address) for address in self.fixed_ips],
            "security_groups": list(self.security_groups),
            "revision_number": self.revision,
        }


@dataclass(slots=True)
class Router:
    """A row of `routers` with its gateway; `host` is its L3 agent's."""

    id: str
    name: str
    project_id: str
    external_network_id: str | None = None
    gateway_port: str | None = None
    host: str = ""
    interfaces: dict[str, str] = field(default_factory=dict)
    """Subnet -> port."""

    def show(self) -> Row:
        """As the API shows it."""
        gateway = {"network_id": self.external_network_id} if self.external_network_id else None
        return {
            "id": self.id,
            "name": self.name,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "status": "ACTIVE",
            "admin_state_up": True,
            "external_gateway_info": gateway,
        }


@dataclass(slots=True)
class FloatingIP:
    """A row of `floatingips`."""

    id: str
    project_id: str
    floating_network_id: str
    floating_ip_address: str
    floating_port_id: str
    """The port that holds the address."""
    port_id: str | None = None
    fixed_ip_address: str | None = None
    router_id: str | None = None
    status: str = "DOWN"

    def show(self) -> Row:
        """As the API shows it."""
        return {
            "id": self.id,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "floating_network_id": self.floating_network_id,
            "floating_ip_address": self.floating_ip_address,
            "port_id": self.port_id,
            "fixed_ip_address": self.fixed_ip_address,
            "router_id": self.router_id,
            "status": self.status,
        }


@dataclass(slots=True)
class SecurityGroup:
    """A row of `securitygroups` with its rules."""

    id: str
    name: str
    project_id: str
    rules: list[Row] = field(default_factory=list)

    def admits(self, protocol: str, port: int) -> bool:
        """Whether a rule lets packets of a TCP or UDP port in."""
        return any(
            rule["direction"] == "ingress"
            and rule["remote_group_id"] is None
            and rule["protocol"] in (protocol, None)
            and (rule["port_range_min"] is None or rule["port_range_min"] <= port <= rule["port_range_max"])
            for rule in self.rules
        )

    def show(self) -> Row:
        """As the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "security_group_rules": [dict(rule) for rule in self.rules],
        }


@dataclass(slots=True)
class Agent:
    """A row of `agents`. Times in seconds."""

    id: str
    binary: str
    agent_type: str
    host: str
    heartbeat: float
    started: float
    admin_state_up: bool = True

    def alive(self, now: float) -> bool:
        """Whether neutron takes it for alive."""
        return now - self.heartbeat <= facts.AGENT_DOWN_TIME

    def show(self, now: float) -> Row:
        """As the API shows it."""
        return {
            "id": self.id,
            "binary": self.binary,
            "agent_type": self.agent_type,
            "host": self.host,
            "alive": self.alive(now),
            "admin_state_up": self.admin_state_up,
            "heartbeat_timestamp": self.heartbeat,
        }


Index = dict[str, dict[str, Port]]
"""Ports by some attribute, then by id, in the order in which they came."""


class NeutronTables:
    """The rows. Insertion order is the order of the primary keys."""

    def __init__(self) -> None:
        self.networks: dict[str, Network] = {}
        self.subnets: dict[str, Subnet] = {}
        self.ports: dict[str, Port] = {}
        self.routers: dict[str, Router] = {}
        self.floating_ips: dict[str, FloatingIP] = {}
        self.security_groups: dict[str, SecurityGroup] = {}
        self.agents: dict[str, dict[str, Agent]] = {}
        """By agent type, then host."""
        self.provisioning_blocks: dict[str, set[str]] = {}
        """Port -> who has yet to say that it is ready."""
        self.ports_by_device: Index = {}
        self.ports_by_network: Index = {}
        self.ports_by_host: Index = {}
        self.usage: dict[tuple[str, str], int] = {}
        """How many of a resource a project has: what quotas are held against."""
        self.quotas = dict(facts.QUOTAS)
        """What a project may have of a resource; -1: as much as it wants."""
        self.port_states: dict[str, int] = {}
        """Ports by status."""
        self.default_groups: dict[str, str] = {}
        """Project -> its default security group."""
        self._segments = 0

    def next_segment(self) -> int:
        """A VXLAN network identifier."""
        self._segments += 1
        return self._segments

    def count(self, project: str, resource: str, by: int) -> None:
        """A project has more or less of a resource."""
        key = (project, resource)
        self.usage[key] = self.usage.get(key, 0) + by

    # --- ports ---------------------------------------------------------------------------------------------------

    def add_port(self, port: Port) -> None:
        """Insert a port."""
        self.ports[port.id] = port
        self.port_states[port.status] = self.port_states.get(port.status, 0) + 1
        self.count(port.project_id, "port", 1)
        self._index(port)

    def change_port(self, port: Port, **values: Any) -> None:
        """Write columns of a port that is there."""
        self._unindex(port)
        self.port_states[port.status] -= 1
        for name, value in values.items():
            setattr(port, name, value)
        port.revision += 1
        self.port_states[port.status] = self.port_states.get(port.status, 0) + 1
        self._index(port)

    def remove_port(self, port: Port) -> None:
        """Delete a port with its addresses and its provisioning blocks."""
        if self.ports.pop(port.id, None) is None:
            return
        self._unindex(port)
        self.port_states[port.status] -= 1
        self.count(port.project_id, "port", -1)
        self.provisioning_blocks.pop(port.id, None)
        for address in port.fixed_ips:
            subnet = self.subnets.get(address["subnet_id"])
            if subnet is not None:
                subnet.release(address["ip_address"])

    def ports_of(self, index: Index, key: str) -> list[Port]:
        """The ports that an index has for a key."""
        return list(index.get(key, {}).values())

    def _keys(self, port: Port) -> Iterable[tuple[Index, str]]:
        yield self.ports_by_network, port.network_id
        if port.device_id:
            yield self.ports_by_device, port.device_id
        if port.host:
            yield self.ports_by_host, port.host

    def _index(self, port: Port) -> None:
        for index, key in self._keys(port):
            index.setdefault(key, {})[port.id] = port

    def _unindex(self, port: Port) -> None:
        for index, key in self._keys(port):
            rows = index[key]
            del rows[port.id]
            if not rows:
                del index[key]

    # --- agents --------------------------------------------------------------------------------------------------

    def agent(self, agent_type: str, host: str) -> Agent | None:
        """The agent of a type on a host."""
        return self.agents.get(agent_type, {}).get(host)

    def agents_of(self, agent_type: str) -> list[Agent]:
        """All agents of a type."""
        return list(self.agents.get(agent_type, {}).values())
