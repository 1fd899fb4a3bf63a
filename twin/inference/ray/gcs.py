"""Ray's Global Control Service: actors start and end through it, and it declares nodes dead.

It is backed by an external store, as Ray recommends for services: without an answering GCS, what runs goes on.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from twin.inference.messages import serve
from twin.mechanics.serving import GCS_RPC_TIMEOUT, NODE_CHECK_FAILURES, NODE_CHECK_PERIOD, NODE_CHECK_TIMEOUT
from twin.node import Node

if TYPE_CHECKING:
    from twin.inference.router import Router

PARAMETERS = frozenset({"gcs_down"})


class Gcs:
    """Answers or does not. Pings nodes every 3 s; one that stays silent for 5 time-outs of 10 s is dead."""

    def __init__(self, head: Router) -> None:
        self.head = head
        self.dead: set[str] = set()
        """Nodes declared dead."""
        self._silent: dict[str, float] = {}
        """Nodes that do not answer, and since when."""
        self._life = 0

    @property
    def answers(self) -> bool:
        """Whether it answers calls."""
        return self.head.up and not self.head.value("gcs_down")

    def start(self) -> None:
        """Begin to ping the nodes."""
        self._life += 1
        self._silent.clear()
        self.dead.clear()
        self._ping_later(self._life)

    def wait(self) -> Generator[Any, Any, None]:
        """Until it answers; each attempt takes its time-out."""
        while not self.answers:
            yield self.head.world.clock.timeout(GCS_RPC_TIMEOUT)

    def _ping_later(self, life: int) -> None:
        world = self.head.world
        world.clock.at(world.now + NODE_CHECK_PERIOD, lambda _: self._ping(life))

    def _ping(self, life: int) -> None:
        if life != self._life or not self.head.up:
            return
        if self.answers:
            nodes = {replica.node.name: replica.node for replica in self.head.replicas if replica.pid}
            for name, node in nodes.items():
                self._judge(name, node)
        else:
            self._silent.clear()
        self._ping_later(life)

    def _judge(self, name: str, node: Node) -> None:
        world = self.head.world
        if world.network.reachable(self.head, node):
            self._silent.pop(name, None)
            if name in self.dead:
                self.dead.discard(name)
                self._fence(node)
            return
        since = self._silent.setdefault(name, world.now)
        if name not in self.dead and world.now - since >= NODE_CHECK_FAILURES * NODE_CHECK_TIMEOUT:
            self.dead.add(name)
            identity = world.streams["ray/node"].hexadecimal(56, name)
            self.head.log(serve.NODE_DEAD, identity, name, name)
            for replica in self.head.replicas:
                if replica.node is node:
                    self.head.controller.actor_died(replica)

    def _fence(self, node: Node) -> None:
        """A raylet that comes back and hears that it is dead exits, and its actors with it."""
        for replica in self.head.replicas:
            if replica.node is node and replica.name not in self.head.controller.running and replica.up:
                replica.die("raylet exited")
