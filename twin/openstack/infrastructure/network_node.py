"""What neutron's agents leave running on a network node: dnsmasq, namespaces of routers, metadata proxies.

They are the kernel's and programs of their own: they live on when the agent that made them dies, and not when the
machine boots.
"""

from __future__ import annotations

from twin.components import Component
from twin.node import Node

KILLED, DIES_AGAIN = 1.0, 2.0
"""Values of `dhcp_dead`: dnsmasq was killed once, or dies whenever it is started."""


class NetworkNode:
    """dnsmasq by network, routers with their networks and floating IPs, metadata proxies: one machine's."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._booted = node.booted
        self._dnsmasq: dict[str, set[str]] = {}
        self._dead: dict[str, None] = {}
        self._routers: dict[str, set[str]] = {}
        self._floating: dict[str, str] = {}
        self._proxies: set[str] = set()
        self._interfaces: dict[str, str] = {}
        self._kills: set[object] = set()

    def _settle(self) -> None:
        if self.node.booted != self._booted:
            self._booted = self.node.booted
            self._dnsmasq, self._dead, self._routers, self._floating, self._proxies = {}, {}, {}, {}, set()
            self._interfaces = {}

    # --- DHCP ----------------------------------------------------------------------------------------------------

    @property
    def dnsmasq(self) -> dict[str, set[str]]:
        """Ports that the dnsmasq of a network knows, by network: those of the dead ones are kept in its files."""
        self._settle()
        return self._dnsmasq

    @property
    def interfaces(self) -> dict[str, str]:
        """The port whose tap is dnsmasq's, by network: what the agent notes in a file, and knows when the port is
        deleted; the DHCP agent adds and removes."""
        self._settle()
        return self._interfaces

    def start_dnsmasq(self, agent: Component, network: str) -> bool:
        """Start the dnsmasq of a network; whether it lives. Nothing where one runs."""
        known = self.dnsmasq
        known.setdefault(network, set())
        if agent.value("dhcp_dead") >= DIES_AGAIN:
            self._dead[network] = None
            return False
        self._dead.pop(network, None)
        if not self._dead:  # the last of those that were killed is there again
            for condition in [c for c in agent.conditions if c.parameter == "dhcp_dead" and c.value == KILLED]:
                agent.world.truth.cleared(agent.name, [condition], agent.world.now, by="process monitor")
                agent.lift(condition)
        return True

    def stop_dnsmasq(self, network: str) -> None:
        """The network has no DHCP any more."""
        self.dnsmasq.pop(network, None)
        self._dead.pop(network, None)

    def reload_allocations(self, network: str, ports: set[str]) -> None:
        """Write the hosts file of a network and have dnsmasq read it (HUP): whom it answers from now on."""
        if network in self.dnsmasq:
            self.dnsmasq[network] = set(ports)

    def serves(self, network: str) -> bool:
        """Whether the dnsmasq of a network runs."""
        return self.node.up and network in self.dnsmasq and network not in self._dead

    @property
    def running(self) -> int:
        """How many dnsmasqs live."""
        return sum(network not in self._dead for network in self.dnsmasq)

    def dead(self) -> list[str]:
        """Networks whose dnsmasq has died: what the agent's process monitor finds every 60 s
        (`check_child_processes_interval`) and starts again."""
        self._settle()
        return list(self._dead)

    def notice(self, agent: Component) -> None:
        """The DHCP agent's conditions changed: with `dhcp_dead` every dnsmasq dies now."""
        present: set[object] = {c for c in agent.conditions if c.parameter == "dhcp_dead"}
        if present - self._kills:
            self._dead = dict.fromkeys(self.dnsmasq)
        self._kills = present

    # --- routers -------------------------------------------------------------------------------------------------

    @property
    def routers(self) -> dict[str, set[str]]:
        """Networks by router namespace; the L3 agent adds and removes."""
        self._settle()
        return self._routers

    @property
    def floating(self) -> dict[str, str]:
        """The fixed port by floating IP that is set up on a router here; the L3 agent adds and removes."""
        self._settle()
        return self._floating

    @property
    def proxies(self) -> set[str]:
        """Routers and networks whose namespace has a metadata proxy; the L3 and DHCP agents add and remove."""
        self._settle()
        return self._proxies

    def router_of(self, network: str) -> str | None:
        """The router here that has an interface in the network."""
        return next((router for router, networks in self.routers.items() if network in networks), None)
