"""br-int of one machine: taps that were plugged in, and the flows that an agent has written for them.

What is in the kernel goes on without the agent: a dead agent changes nothing for ports that it has wired, and wires
none any more. A machine that boots has its bridge, without ports and flows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableSet
from dataclasses import dataclass

from twin.components import Component
from twin.node import Node
from twin.telemetry.records import Level, LogTemplate

PROMISCUOUS = LogTemplate("kernel.promiscuous", "kernel", Level.INFO, "kernel", "device {} entered promiscuous mode")
LEFT_PROMISCUOUS = LogTemplate(
    "kernel.promiscuous-left", "kernel", Level.INFO, "kernel", "device {} left promiscuous mode"
)


@dataclass(slots=True)
class BridgePort:
    """A port of br-int. `tag` is the local VLAN, 0 until an agent has wired it; then it has flows until they go."""

    device: str
    plugged: float
    tag: int = 0
    flows: bool = False


class Tunnels(MutableSet[str]):
    """Machines to which one switch has a tunnel: a set of names, a byte a machine, as every switch has one to every
    other. `numbers` gives the machines of a site their numbers and is shared by its switches."""

    def __init__(self, numbers: dict[str, int]) -> None:
        self._numbers = numbers
        self._made = bytearray()

    def __contains__(self, machine: object) -> bool:
        number = self._numbers.get(machine, -1)  # type: ignore[call-overload]
        return 0 <= number < len(self._made) and bool(self._made[number])

    def __iter__(self) -> Iterator[str]:
        made = self._made
        return (name for name, number in self._numbers.items() if number < len(made) and made[number])

    def __len__(self) -> int:
        return sum(self._made)

    def add(self, value: str) -> None:
        """Make a tunnel."""
        number = self._numbers.setdefault(value, len(self._numbers))
        if number >= len(self._made):
            self._made.extend(bytes(number + 1 - len(self._made)))
        self._made[number] = 1

    def discard(self, value: str) -> None:
        """Take a tunnel away."""
        if value in self:
            self._made[self._numbers[value]] = 0

    def update(self, machines: Iterable[str]) -> None:
        """Make several."""
        for machine in machines:
            self.add(machine)


class Switch:
    """Open vSwitch on one machine.

    os-vif and qemu plug (`plug`, `unplug`); the neutron agent hears of it (`on_plug`, `on_unplug`), wires (`wire`) and
    may write all flows anew (`resync`), as it does when it starts or finds the switch restarted. The agent hands its
    conditions on (`notice`): with `flows_lost` the flows of that share of the ports are gone at that moment, and the
    agent's program does not know it.
    """

    def __init__(self, node: Node, numbers: dict[str, int] | None = None) -> None:
        self.node = node
        self._numbers = {} if numbers is None else numbers
        self.on_plug: Callable[[str], None] | None = None
        self.on_unplug: Callable[[str], None] | None = None
        self.on_restart: Callable[[], None] | None = None
        self.restarts = 0
        """How often ovs-vswitchd has been started anew: the agent's canary flow went with it."""
        self._ports: dict[str, BridgePort] = {}
        self._tunnels = Tunnels(self._numbers)
        self._lost: set[object] = set()
        self._booted = node.booted

    @property
    def ports(self) -> dict[str, BridgePort]:
        """By neutron port."""
        if self.node.booted != self._booted:
            self._booted = self.node.booted
            self._ports, self._tunnels = {}, Tunnels(self._numbers)
        return self._ports

    @property
    def tunnels(self) -> Tunnels:
        """Machines to which the agent has made a tunnel; it adds to and takes from this set."""
        _ = self.ports
        return self._tunnels

    def plug(self, port: str) -> BridgePort:
        """A tap device is added to the bridge. Plugging in twice changes nothing."""
        found = self.ports.get(port)
        if found is None:
            found = self.ports[port] = BridgePort(f"tap{port[:11]}", self.node.world.now)
            self.node.log(PROMISCUOUS, found.device)
            if self.on_plug is not None:
                self.on_plug(port)
        return found

    def unplug(self, port: str) -> None:
        """A tap device goes, and its flows with it."""
        found = self.ports.pop(port, None)
        if found is not None:
            self.node.log(LEFT_PROMISCUOUS, found.device)
            if self.on_unplug is not None:
                self.on_unplug(port)

    def wire(self, port: str, tag: int) -> bool:
        """Give a port its local VLAN and its flows; whether the port is there."""
        found = self.ports.get(port)
        if found is None:
            return False
        found.tag, found.flows = tag, True
        return True

    def unwire(self, port: str) -> None:
        """Put a port into the dead VLAN."""
        found = self.ports.get(port)
        if found is not None:
            found.tag, found.flows = 0, False

    def resync(self, agent: Component, ports: Iterable[str] | None = None) -> None:
        """Write the flows of wired ports anew (all of them by default): what was lost is there again."""
        for port in self.ports if ports is None else ports:
            found = self.ports.get(port)
            if found is not None and found.tag:
                found.flows = True
        if ports is None:
            for condition in [c for c in agent.conditions if c.parameter == "flows_lost"]:
                agent.world.truth.cleared(agent.name, [condition], agent.world.now, by="flows written anew")
                agent.lift(condition)

    def restarted(self) -> None:
        """ovs-vswitchd starts anew: ports stay, flows do not."""
        for found in self.ports.values():
            found.flows = False
        self.restarts += 1
        if self.on_restart is not None:
            self.on_restart()

    @property
    def empty(self) -> bool:
        """Whether ports have no flows at all: the canary by which an agent finds a restarted switch."""
        return bool(self.ports) and not any(found.flows for found in self.ports.values())

    def notice(self, agent: Component) -> None:
        """The agent's conditions changed."""
        present: set[object] = {c for c in agent.conditions if c.parameter == "flows_lost"}
        if present - self._lost:
            share = agent.value("flows_lost")
            stream = self.node.world.streams["openvswitch/lost"]
            for port, found in self.ports.items():
                if stream.uniform(port) < share:
                    found.flows = False
        self._lost = present

    def passes(self, port: str) -> bool:
        """Whether packets of a port pass the bridge now."""
        found = self.ports.get(port)
        return self.node.up and found is not None and found.flows
