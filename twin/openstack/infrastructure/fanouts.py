"""Fan-outs: what is sent to everybody who listens to a topic, each of whom has a queue of its own for it.

Such a queue is a transient classic one (`TOPIC_fanout_UUID`) on the node to which its consumer was connected when the
process began: it goes with that node, keeps what comes while its consumer reconnects, and that of a dead process fills
until it has been unused for `TRANSIENT_TTL` seconds. The next process declares another one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from simpy.events import Event

from twin.mechanics.rabbitmq import TRANSIENT_TTL
from twin.openstack.infrastructure.queues import Message

if TYPE_CHECKING:
    from twin.openstack.infrastructure.broker import Broker
    from twin.openstack.infrastructure.rabbitmq import RabbitMQ
    from twin.openstack.oslo.messaging import AmqpService


class FanoutQueue:
    """One process's queue for one topic."""

    __slots__ = ("backlog", "client", "consumer", "node", "process", "topic", "unused")

    def __init__(self, topic: str, node: RabbitMQ, consumer: AmqpService) -> None:
        self.topic = topic
        self.node = node
        self.client = consumer.name
        self.process = consumer.pid
        self.consumer: AmqpService | None = consumer
        """None while it is not connected."""
        self.backlog: deque[Message] = deque()
        self.unused = 0.0
        """Since when nobody consumes it, where nobody does."""


class Fanouts:
    """The fan-out queues of a broker."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._bound: dict[str, list[FanoutQueue]] = {}
        self._of: dict[str, list[FanoutQueue]] = {}
        """Those of the last process of a client."""
        self.waiting = 0
        """Messages in all of them."""

    def attach(self, client: AmqpService, node: RabbitMQ) -> None:
        """A client is connected: it gets what its queues have kept, or declares new ones."""
        queues = self._of.get(client.name)
        if queues and queues[0].process == client.pid:
            for queue in queues:
                queue.consumer = client
            self.flush(client)
            return
        self._of[client.name] = [FanoutQueue(topic, node, client) for topic in client.fanouts]
        for queue in self._of[client.name]:
            self._bound.setdefault(queue.topic, []).append(queue)

    def part(self, client: AmqpService) -> None:
        """A client's connection has ended."""
        clock, now = self.broker.clock, self.broker.world.now
        for queue in self._of.get(client.name, ()):
            queue.consumer, queue.unused = None, now
            clock.at(now + TRANSIENT_TTL, self._expiry(queue, now))

    def _expiry(self, queue: FanoutQueue, since: float) -> Callable[[Event], None]:
        def expire(_: Event) -> None:
            if queue.consumer is None and queue.unused == since:
                self.broker.expired += self._delete(queue)

        return expire

    def node_down(self, node: RabbitMQ) -> None:
        """A node has stopped, or has stopped to serve: its transient queues are no more."""
        for queue in [queue for queues in self._bound.values() for queue in queues if queue.node is node]:
            self.broker.lost += self._delete(queue)

    def _delete(self, queue: FanoutQueue) -> int:
        """Delete a queue; how many messages were in it."""
        if queue not in self._bound[queue.topic]:
            return 0
        self._bound[queue.topic].remove(queue)
        if queue in self._of[queue.client]:
            self._of[queue.client].remove(queue)
        self._count(-len(queue.backlog))
        return len(queue.backlog)

    def _count(self, messages: int) -> None:
        self.waiting += messages
        self.broker.waiting += messages

    # --- messages ------------------------------------------------------------------------------------------------

    def spread(self, message: Message, origin: RabbitMQ) -> None:
        """A fan-out reaches all queues of its topic. Those on nodes that its own does not hear miss it."""
        broker = self.broker
        disturbed = broker.world.network.disturbed
        for queue in tuple(self._bound.get(message.topic, ())):
            broker.published += 1
            if disturbed and not broker.quorum.hears(origin, queue.node):
                broker.lost += 1
            elif queue.consumer is None or queue.backlog or not broker.passes_to(queue.consumer):
                queue.backlog.append(message)
                self._count(1)
            else:
                broker.delivered += 1
                queue.node.delivered += 1
                queue.consumer.hear(message)

    def flush(self, client: AmqpService) -> None:
        """What a client's queues have kept reaches it."""
        for queue in self._of.get(client.name, ()):
            while queue.backlog and queue.consumer is not None:
                message = queue.backlog.popleft()
                self._count(-1)
                self.broker.delivered += 1
                queue.node.delivered += 1
                client.hear(message)

    def kept(self, node: RabbitMQ) -> tuple[int, int]:
        """Messages in queues of a node: that nobody consumes, and that a consumer has not got yet."""
        ready = unacked = 0
        for queues in self._bound.values() if self.waiting else ():
            for queue in queues:
                if queue.backlog and queue.node is node:
                    if queue.consumer is None:
                        ready += len(queue.backlog)
                    else:
                        unacked += len(queue.backlog)
        return ready, unacked
