"""The data plane as a whole: can a packet get from here to there, can a tester log in to a server.

Pure questions, asked when somebody needs the answer; nothing here costs an event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from twin.components import Component
from twin.mechanics import hypervisor as facts
from twin.node import Node
from twin.openstack.infrastructure.domains import Domain, DomainState
from twin.openstack.infrastructure.libvirt import Libvirt
from twin.openstack.infrastructure.network_node import NetworkNode
from twin.openstack.infrastructure.openvswitch import Switch

EXTERNAL = "external"
"""Outside of the cloud: whoever comes in through a floating IP."""

ENCAPSULATION = 50
"""Bytes that VXLAN over IPv4 adds."""
INTERFACE_MTU = 1500.0
NETWORK_MTU = 1450
"""What neutron gives a VXLAN network over an interface of 1,500 bytes."""

Symptom = Literal["connected", "timed out", "no route", "refused", "hung", "denied"]


@dataclass(frozen=True, slots=True)
class Reach:
    """What a login by SSH came to. `why` is the inside view and is shown to nobody; `symptom` is what the client sees.

    connected; no answer until it gives up; no route to host (nobody answers the router's ARP); connection refused;
    banner seen and then nothing, as large packets vanish; permission denied, without the key. Seconds until it knows.
    """

    ok: bool
    why: str
    seconds: float
    symptom: Symptom


@dataclass(slots=True)
class PortPath:
    """Where a neutron port is: its server, network, host, and whether its security group lets SSH in."""

    server: str
    network: str
    host: str
    ssh_allowed: bool = True
    mtu: int = NETWORK_MTU


class DataPlane:
    """All switches, network nodes and guests of a site.

    Neutron's server tells where ports are bound (`ports`); its agents work on `switches` and `network_nodes`; libvirt's
    guests ask it (`answers_dhcp`, `answers_metadata`); testers ask `reaches`.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, Libvirt] = {}
        self.switches: dict[str, Switch] = {}
        """By machine."""
        self._numbers: dict[str, int] = {}
        self.network_nodes: dict[str, NetworkNode] = {}
        self.agents: dict[str, Component] = {}
        """The Open vSwitch agent of each machine, whose configuration has a say in its MTU."""
        self.ports: dict[str, PortPath] = {}
        self.by_server: dict[str, list[str]] = {}
        self.demand: dict[str, float] = {}
        """What the programs in a server want all the time, where they want anything: cores, and streams of disk."""
        self.metadata_backend: Callable[[], bool] = _always
        """Whether the metadata agent and nova's metadata API answer now."""
        self.on_metadata: Callable[[str], None] | None = None
        """Told of the port of a guest whose questions reach the metadata agent."""

    # --- who is there --------------------------------------------------------------------------------------------

    def add_host(self, libvirt: Libvirt) -> Switch:
        """A compute host with its switch."""
        self.hosts[libvirt.node.name] = libvirt
        libvirt.network = self
        return self._switch(libvirt.node)

    def add_network_node(self, node: Node) -> NetworkNode:
        """A machine with DHCP, L3 and metadata agents, and its switch."""
        self._switch(node)
        return self.network_nodes.setdefault(node.name, NetworkNode(node))

    def _switch(self, node: Node) -> Switch:
        if node.name not in self.switches:
            self.switches[node.name] = Switch(node, self._numbers)
        return self.switches[node.name]

    def bind(self, port: str, path: PortPath) -> None:
        """A port is bound to a host, or to another one after a migration."""
        before = self.ports.get(port)
        if before is not None and before.server != path.server:
            self.by_server[before.server].remove(port)
            before = None
        self.ports[port] = path
        if before is None:
            self.by_server.setdefault(path.server, []).append(port)

    def release(self, port: str) -> None:
        """A port is deleted."""
        path = self.ports.pop(port, None)
        if path is not None:
            self.by_server[path.server].remove(port)
            if not self.by_server[path.server]:
                del self.by_server[path.server]

    # --- between machines ----------------------------------------------------------------------------------------

    def tunnel(self, one: str, other: str) -> bool:
        """Whether packets of tenants pass between two machines."""
        if one == other:
            return self.switches[one].node.up
        a, b = self.switches[one], self.switches[other]
        if other not in a.tunnels or one not in b.tunnels:
            return False
        return a.node.world.network.reachable(a.node, b.node)

    def mtu_between(self, one: str, other: str) -> float:
        """Bytes of the largest packet that passes between two machines, without encapsulation."""
        if one == other:
            return float("inf")
        return min(self._interface_mtu(one), self._interface_mtu(other)) - ENCAPSULATION

    def _interface_mtu(self, machine: str) -> float:
        agent = self.agents.get(machine)
        own = agent.value("mtu") if agent is not None else INTERFACE_MTU
        return min(INTERFACE_MTU, self.switches[machine].node.value("mtu"), own)

    def _passes(self, port: str, machine: str) -> bool:
        """Whether small packets pass between a port and a machine."""
        path = self.ports.get(port)
        if path is None or path.host not in self.switches or not self.switches[path.host].passes(port):
            return False
        return self.tunnel(path.host, machine) and self.mtu_between(path.host, machine) >= SMALL_PACKET

    # --- what guests ask -----------------------------------------------------------------------------------------

    def answers_dhcp(self, port: str) -> bool:
        """Whether a discover from this port gets an offer now."""
        path = self.ports.get(port)
        if path is None:
            return False
        return any(
            node.serves(path.network) and port in node.dnsmasq[path.network] and self._passes(port, name)
            for name, node in self.network_nodes.items()
        )

    def answers_metadata(self, port: str) -> bool:
        """Whether 169.254.169.254 answers this port now, by the proxy of its router or, without one, of its network."""
        path = self.ports.get(port)
        if path is None:
            return False
        for name, node in self.network_nodes.items():
            through = node.router_of(path.network) or path.network
            if node.node.up and through in node.proxies and self._passes(port, name):
                answers = self.metadata_backend()
                if answers and self.on_metadata is not None:
                    self.on_metadata(port)
                return answers
        return False

    # --- what testers ask ----------------------------------------------------------------------------------------

    def reaches(self, server: str, source: str = EXTERNAL) -> Reach:
        """Log in to a server by SSH with the tenant's key, from outside by a floating IP or from another server."""
        port = next(iter(self.by_server.get(server, ())), None)
        if port is None:
            return _lost("no port")
        path = self.ports[port]
        if source == EXTERNAL:
            entry = next((n for n in self.network_nodes.values() if n.node.up and port in n.floating.values()), None)
            if entry is None:
                return _lost("no floating IP")
            if entry.router_of(path.network) is None:
                return _lost("no router")
            machine = entry.node.name
        else:
            origin = self._origin(source, path.network)
            if isinstance(origin, Reach):
                return origin
            machine = origin
        return self._through(server, port, path, machine, source)

    def answers(self, server: str, machine: str) -> bool:
        """Whether a login to a server works for somebody behind a machine's router, without a floating IP."""
        port = next(iter(self.by_server.get(server, ())), None)
        return port is not None and self._through(server, port, self.ports[port], machine, EXTERNAL).ok

    def _origin(self, source: str, network: str) -> str | Reach:
        """The host of the server from which the login comes."""
        port = next((p for p in self.by_server.get(source, ()) if self.ports[p].network == network), None)
        if port is None:
            return _lost("source in another network")
        path = self.ports[port]
        domain = self._domain(source, path.host)
        if domain is None or domain.state is not DomainState.RUNNING or not domain.guest.lease_valid():
            return _lost("source has no network")
        return path.host if self.switches[path.host].passes(port) else _lost("source has no flows")

    def _through(self, server: str, port: str, path: PortPath, machine: str, source: str) -> Reach:
        switch = self.switches.get(path.host)
        if switch is None or not switch.node.up:
            return _lost("host down", routed=True)
        wired = switch.ports.get(port)
        if wired is None:
            return _lost("not plugged", routed=True)
        if not wired.flows:
            return _lost("no flows" if wired.tag else "not wired", routed=True)
        if not self.tunnel(machine, path.host):
            return _lost("no tunnel", routed=True)
        domain = self._domain(server, path.host)
        if domain is None or not domain.active:
            return _lost("no guest", routed=True)
        if domain.state is not DomainState.RUNNING or domain.stuck is not None:
            return _lost("guest stands still", routed=True)
        guest, now = domain.guest, switch.node.world.now
        if not guest.booted:
            return _lost("booting", routed=True)
        if not guest.lease_valid():
            return _lost("no address", routed=True)
        if not path.ssh_allowed:
            return _lost("security group")
        if guest.sshd_at is None or now < guest.sshd_at:
            return Reach(False, "sshd not up", 0.01, "refused")
        if self.mtu_between(machine, path.host) < path.mtu:
            return Reach(False, "mtu", facts.SSH_TIMEOUT, "hung")
        if not guest.has_key:
            return Reach(False, "no key", facts.SSH_SECONDS, "denied")
        starved = max(0.05, 1.0 - self.hosts[path.host].steal)
        trip = switch.node.world.network.round_trip(self.switches[machine].node, switch.node)
        return Reach(True, "", facts.SSH_SECONDS / starved + SSH_ROUND_TRIPS * trip, "connected")

    def _domain(self, server: str, host: str) -> Domain | None:
        libvirt = self.hosts.get(host)
        return libvirt.domains.get(server) if libvirt is not None else None


SMALL_PACKET = 576
"""Bytes of a DHCP message (RFC 2131's least size); what metadata and a handshake need to begin."""
SSH_ROUND_TRIPS = 12
"""Of a login: TCP, key exchange, authentication, channel (assumed)."""
ARP_SECONDS = 3.1
"""Linux answers "No route to host" after three unanswered ARP requests, a second apart."""


def _lost(why: str, routed: bool = False) -> Reach:
    """Nobody answers: where the way ends at a router or neighbour that asks by ARP, it says so."""
    if routed:
        return Reach(False, why, ARP_SECONDS, "no route")
    return Reach(False, why, facts.SSH_TIMEOUT, "timed out")


def _always() -> bool:
    return True
