"""The network between components: what delays, loses or cuts off messages.

A component sends from its own network namespace (a pod's) through its node's interface; conditions sit on either.
Chaos Mesh's NetworkChaos lives in the pod's namespace (layer CONTAINER), so a new pod is clean.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twin.components import Component
from twin.mechanics import network as mechanics
from twin.mechanics.conditions import Condition
from twin.mechanics.network import HEALTHY, Path, retransmission_timeout, transfer_rate
from twin.streams import Key

if TYPE_CHECKING:
    from twin.world import World

SCRAPE_TIMEOUT = 10.0
"""Prometheus' default scrape_timeout: an exporter that answers later is absent."""


@dataclass(slots=True, eq=False)
class _Message:
    arrive: Callable[[], None]
    key: tuple[Key, ...]
    size: float
    since: float
    attempts: int = 0


@dataclass(slots=True, eq=False)
class _Connection:
    """The TCP connection of an ordered pair: what was sent first arrives first."""

    sent: int = 0
    last_arrival: float = 0.0
    on_the_way: int = 0
    """Messages that will arrive at a known time."""
    waiting: deque[_Message] = field(default_factory=deque)
    """The message that is being retransmitted, and those behind it."""


class Network:
    """Delivers messages between components. A healthy path delivers at once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.monitor: Component | None = None
        """Where the monitoring system scrapes from."""
        self.retransmitted: dict[str, int] = {}
        """Segments sent again, by the node that sent them."""
        self._disturbed: dict[Component, None] = {}
        self._connections: dict[tuple[Component, Component], _Connection] = {}
        self._unfinished = 0
        self._free_at: dict[Component, float] = {}
        """When the token bucket of a sender has let pass what it was given."""

    def conditions_changed(self, component: Component) -> None:
        """Called when conditions of a component came or went."""
        if any(c.parameter in mechanics.PARAMETERS for c in component.conditions):
            self._disturbed[component] = None
        else:
            self._disturbed.pop(component, None)

    @property
    def disturbed(self) -> bool:
        """Whether any condition concerns packets now."""
        return bool(self._disturbed)

    # --- messages ---------------------------------------------------------------------------------------------

    def deliver(
        self,
        source: Component,
        target: Component,
        arrive: Callable[[], None],
        key: tuple[Key, ...] = (),
        size: float = mechanics.SEGMENT,
        since: float | None = None,
    ) -> None:
        """Call `arrive` when a message of `size` bytes from `source` has reached `target`; in order on each pair.

        What is random about it is drawn by `key`, which should name the message (a request's id, and what of it);
        without one, by the message's number on its pair. The end of a stream whose first byte was sent at `since` has
        the stream's size. Nothing arrives where TCP gives the connection up.
        """
        if not self._disturbed and not self._unfinished:
            arrive()
            return
        connection = self._connections.setdefault((source, target), _Connection())
        connection.sent += 1
        now = self.world.now
        message = _Message(arrive, key or ("message", connection.sent), size, now if since is None else since)
        self._unfinished += 1
        if connection.waiting or not self._transmit(source, target, connection, message):
            connection.waiting.append(message)

    def close(self, component: Component) -> None:
        """Called when a process is gone: its connections go with it, and what waited on them."""
        for pair in [pair for pair in self._connections if component in pair]:
            connection = self._connections.pop(pair)
            self._unfinished -= len(connection.waiting)
            connection.waiting.clear()

    def _transmit(self, source: Component, target: Component, connection: _Connection, message: _Message) -> bool:
        """Put a message on the wire; whether it gets through this time. If not, it is sent again later."""
        path = self.path(source, target)
        stream = self.world.streams["network"]
        pair = (source.name, target.name)
        if path.loss and path.survives(1.0):
            through = path.survives(stream.uniform(*pair, *message.key, "loss", message.attempts))
        else:
            through = not path.blocked
        if not through:
            self._send_again_later(source, target, connection, message, path)
            return False
        delay = 0.0
        if path is not HEALTHY:
            own = stream.uniform(*pair, *message.key)
            delay = path.delay(own, stream.uniform(*pair, int(self.world.now)))
            delay += self._queued(source, message, path)
        arrival = max(self.world.now + delay, connection.last_arrival)
        if arrival <= self.world.now and not connection.on_the_way:
            self._unfinished -= 1
            message.arrive()
            return True
        connection.last_arrival = arrival
        connection.on_the_way += 1

        def land(_: object) -> None:
            connection.on_the_way -= 1
            self._unfinished -= 1
            message.arrive()

        self.world.clock.at(arrival, land)
        return True

    def _queued(self, source: Component, message: _Message, path: Path) -> float:
        """Seconds until a token bucket has let the last byte pass. It serves what a pod sends one after the other."""
        if path.bandwidth == math.inf:
            return 0.0
        begun = max(self._free_at.get(source, 0.0), message.since)
        self._free_at[source] = done = begun + message.size * (1.0 + path.duplicate) / path.bandwidth
        return max(0.0, done - self.world.now)

    def _send_again_later(
        self, source: Component, target: Component, connection: _Connection, message: _Message, path: Path
    ) -> None:
        round_trip = path.latency + self.path(target, source).latency
        timeout = retransmission_timeout(round_trip, message.attempts)
        message.attempts += 1

        def send_again(_: object) -> None:
            if message.attempts > mechanics.RETRANSMISSIONS:  # the connection is given up, and all that is queued on it
                self._unfinished -= len(connection.waiting)
                connection.waiting.clear()
                return
            node = self.node_of(source)
            self.retransmitted[node.name] = self.retransmitted.get(node.name, 0) + 1
            while connection.waiting and self._transmit(source, target, connection, connection.waiting[0]):
                if connection.waiting:  # or what arrived has closed the connection
                    connection.waiting.popleft()

        self.world.clock.at(self.world.now + timeout, send_again)

    # --- paths ------------------------------------------------------------------------------------------------

    def path(self, source: Component, target: Component) -> Path:
        """What a packet from `source` to `target` meets now."""
        if not self._disturbed or source is target:
            return HEALTHY
        return mechanics.path(self._conditions(source, target))

    def reachable(self, source: Component, target: Component) -> bool:
        """Whether packets pass in both directions now, as a new connection needs; both machines must be up."""
        if not self.node_of(source).up or not self.node_of(target).up:
            return False
        if not self._disturbed:
            return True
        there, back = self.path(source, target), self.path(target, source)
        return not (there.blocked or back.blocked or there.loss >= 1.0 or back.loss >= 1.0)

    def round_trip(self, source: Component, target: Component) -> float:
        """Mean seconds there and back, beyond those of a healthy network; without retransmissions."""
        if not self._disturbed:
            return 0.0
        return self.path(source, target).latency + self.path(target, source).latency

    def message_seconds(self, source: Component, target: Component, *key: Key) -> float:
        """Seconds beyond a healthy network's that a small message takes, lost and sent again as `key` draws it.

        Infinite where nothing passes. For those who do not need the order of what they send (`deliver`).
        """
        path = self.path(source, target)
        if path is HEALTHY:
            return 0.0
        if path.blocked or path.loss >= 1.0:
            return math.inf
        stream, pair = self.world.streams["network"], (source.name, target.name)
        own, shared = stream.uniform(*pair, *key), stream.uniform(*pair, int(self.world.now))
        seconds = path.delay(own, shared)
        round_trip = path.latency + self.path(target, source).latency
        for attempt in range(mechanics.RETRANSMISSIONS):
            if path.survives(stream.uniform(*pair, *key, "loss", attempt)):
                return seconds
            seconds += retransmission_timeout(round_trip, attempt)
        return math.inf

    def resolves(self, component: Component) -> bool:
        """Whether names resolve for it: its resolver works, and the cluster's DNS (beside the monitor) is reached."""
        if component.value("dns_failure") or self.node_of(component).value("dns_failure"):
            return False
        return self.monitor is None or self.reachable(component, self.monitor)

    def transfer_seconds(self, source: Component, target: Component, size: float) -> float:
        """Seconds that a transfer of `size` bytes takes under the conditions of now; infinite where none passes."""
        there, back = self.path(source, target), self.path(target, source)
        if not self.reachable(source, target):
            return math.inf
        rate = transfer_rate(there.bandwidth, there.latency + back.latency, there.loss)
        return size * (1.0 + there.duplicate) / rate + there.latency

    def scraped(self, component: Component) -> bool:
        """Whether the monitoring system reaches a component's exporter within its time-out."""
        if self.monitor is None or not self._disturbed:
            return True
        return self.reachable(self.monitor, component) and self.round_trip(self.monitor, component) < SCRAPE_TIMEOUT

    def node_of(self, component: Component) -> Component:
        """The machine that a component is on (itself, if it is one)."""
        return next((place for place in component.places() if place.kind == "node"), component)

    def _conditions(self, source: Component, target: Component) -> Iterator[Condition]:
        sending, receiving = self._interfaces(source), self._interfaces(target)
        if sending[-1] is receiving[-1]:  # within a machine packets do not pass its interface
            sending, receiving = sending[:-1], receiving[:-1]
        here, there = {c.name for c in self._interfaces(source)}, {c.name for c in self._interfaces(target)}
        ends = ((sending, here, there, "from"), (receiving, there, here, "to"))
        for interfaces, this_end, other_end, against in ends:
            for interface in interfaces:
                if interface in self._disturbed:
                    for condition in interface.conditions:
                        traffic = condition.traffic
                        if traffic.direction == against or (traffic.peers and not traffic.peers & other_end):
                            continue
                        if not traffic.own or traffic.own & this_end:
                            yield condition

    def _interfaces(self, component: Component) -> list[Component]:
        """Where its packets pass: its own network namespace, then its machine's interface."""
        node = self.node_of(component)
        return [component] if node is component else [component, node]
