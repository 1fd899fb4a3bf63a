"""Ray's Global Control Service: actors start and end through it, and it declares nodes dead.

It is backed by an external store, as Ray recommends for services: without an answering GCS, what runs goes on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twin.inference.messages import serve
from twin.mechanics.serving import NODE_CHECK_FAILURES, NODE_CHECK_PERIOD, NODE_CHECK_TIMEOUT
from twin.process import State

if TYPE_CHECKING:
    from twin.inference.replica import Replica
    from twin.inference.router import Router


class Gcs:
    """Answers or does not. Pings every pod's raylet each 3 s; one silent for 5 time-outs of 10 s is a dead node.

    In KubeRay a worker pod is a Ray node, with a raylet of its own.
    """

    def __init__(self, head: Router) -> None:
        self.head = head
        self.dead: set[str] = set()
        """Pods whose Ray node was declared dead."""
        self._silent: dict[str, float] = {}
        """Pods whose raylet does not answer, and since when."""
        self._life = 0

    @property
    def answers(self) -> bool:
        """Whether it answers calls."""
        return self.head.up and not self.head.value("gcs_down")

    def silent_since(self, replica: Replica) -> float:
        """Since when a pod's raylet has not answered (seconds); infinite where it does."""
        return self._silent.get(replica.name, math.inf)

    def start(self) -> None:
        """Begin to ping the pods."""
        self._life += 1
        self._silent.clear()
        self.dead.clear()
        self._ping_later(self._life)

    def _ping_later(self, life: int) -> None:
        world = self.head.world
        world.clock.at(world.now + NODE_CHECK_PERIOD, lambda _: self._ping(life))

    def _ping(self, life: int) -> None:
        if life != self._life or not self.head.up:
            return
        if self.answers:
            for replica in self.head.replicas:
                if replica.state is not State.ABSENT:
                    self._judge(replica)
        else:
            self._silent.clear()
        self._ping_later(life)

    def _judge(self, replica: Replica) -> None:
        world, name = self.head.world, replica.name
        if world.network.reachable(self.head, replica):
            self._silent.pop(name, None)
            if name in self.dead:
                self.dead.discard(name)
                if name not in self.head.controller.running and replica.up:
                    replica.die("raylet exited")  # it hears that it is dead, and its actors go with it
            return
        since = self._silent.setdefault(name, world.now)
        if name not in self.dead and world.now - since >= NODE_CHECK_FAILURES * NODE_CHECK_TIMEOUT:
            self.dead.add(name)
            identity = world.streams["ray/node"].hexadecimal(56, name)
            self.head.log(serve.NODE_DEAD, identity, replica.node.name, name)
            self.head.controller.actor_died(replica)
