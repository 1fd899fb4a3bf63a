"""The message broker as its clients see it: three nodes of RabbitMQ with quorum queues, or one with classic ones.

Nothing that was confirmed is lost when a node goes: its queues elect another leader, its clients connect to the next
node and send again what was not confirmed. A node in a minority stops to serve (`pause_minority`). An alarm on any node
blocks the publishers of all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from simpy.events import Event

from twin.mechanics import openstack as facts
from twin.mechanics import rabbitmq as limits
from twin.node import Node
from twin.openstack.infrastructure import logs
from twin.openstack.infrastructure.fanouts import Fanouts
from twin.openstack.infrastructure.queues import Connection, End, Message, Queue
from twin.openstack.infrastructure.quorum import Quorum
from twin.openstack.infrastructure.rabbitmq import RabbitMQ
from twin.openstack.oslo import logs as oslo_logs
from twin.openstack.oslo.context import branch
from twin.openstack.oslo.service import Steps

if TYPE_CHECKING:
    from twin.openstack.oslo.messaging import AmqpService
    from twin.openstack.site import Site

REPLY_PATIENCE = 60.0
"""`kombu_missing_consumer_retry_timeout`: seconds for which a reply to a queue that is not there is tried."""


class Broker:
    """The cluster."""

    def __init__(self, site: Site, replicated: bool) -> None:
        self.site = site
        self.world = site.world
        self.clock = site.world.clock
        self.replicated = replicated
        """Whether its queues are quorum queues."""
        self.nodes: list[RabbitMQ] = []
        self.quorum = Quorum(self)
        self.queues: dict[str, Queue] = {}
        self.fanouts = Fanouts(self)
        self.clients: dict[str, AmqpService] = {}
        """Connected services by component name."""
        self.waiting = 0
        """Messages in queues."""
        self.published = self.delivered = self.expired = self.purged = self.lost = self.duplicates = 0
        self._connections: dict[str, Connection] = {}
        self._resend: dict[str, list[Message]] = {}
        """Unconfirmed messages of clients that are between two connections."""
        self._turns: dict[str, int] = {}
        self._numbers = 0
        self._flow: Event | None = None
        """Succeeds when publishers may send again; None where nothing blocks them."""
        self._watching = False
        self._cuts = 0
        """Connections over which nothing passes."""

    # --- what clients ask ----------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Whether any node takes connections."""
        return any(node.serving for node in self.nodes)

    accepting = up

    def host_of(self, client: AmqpService) -> RabbitMQ:
        """The node that a client is connected to, or tries next."""
        order = self._order(client)
        return order[self._turns.get(client.name, 0) % len(order)]

    def switch(self, client: AmqpService) -> None:
        """A client goes on to the next node of its list (`kombu_failover_strategy` round-robin)."""
        self._turns[client.name] = self._turns.get(client.name, 0) + 1

    def answers(self, client: AmqpService) -> bool:
        """Whether the node that a client would connect to takes it."""
        node = self.host_of(client)
        return node.serving and node.place_up and self._passes(client, node)

    def _order(self, client: AmqpService) -> list[RabbitMQ]:
        """The nodes in the order of a client's shuffled list."""
        if len(self.nodes) == 1:
            return self.nodes
        stream = self.world.streams["amqp/hosts"]
        return sorted(self.nodes, key=lambda node: stream.uniform(client.name, node.name))

    def hold(self, client: AmqpService) -> Event | None:
        """What a connected client has to wait for before a reply gets through; None where nothing is in its way."""
        connection = self._connections.get(client.name)
        if connection is None:
            return None
        if self._flow is not None:
            self._block(connection)
            return self._flow
        return connection.mended if self._is_cut(connection) else None

    def _block(self, connection: Connection) -> None:
        """The broker reads no more from a client that has published."""
        if not connection.blocked:
            connection.blocked = True
            connection.client.say(oslo_logs.AMQP_BLOCKED, None, f"low on {self._alarms()[0]}")

    # --- messages ------------------------------------------------------------------------------------------------

    def publish(self, message: Message) -> Event | None:
        """Take a message from a client; its queue has it a moment later.

        Where it cannot be stored now (an alarm, a cut connection, a queue without a leader, no connection), the event
        that is returned succeeds when it is: a publisher waits for its confirmation.
        """
        if not message.number:
            self._numbers += 1
            message.number = self._numbers
        client = message.publisher or message.caller
        connection = self._connections.get(client.name) if client is not None else None
        if connection is None:
            if client is not None:  # between two connections
                self._resend.setdefault(client.name, []).append(message)
                return self._later(message)
            node = next((node for node in self.nodes if node.serving), self.nodes[0])
            connection = Connection(None, node, 0, 0, "")  # type: ignore[arg-type]
        connection.unconfirmed[message.number] = message
        if client is not None:
            if self._flow is not None:
                self._block(connection)
                return self._later(message)
            if self._is_cut(connection):
                return self._later(message)
        queue = self._send(message, connection)
        return self._later(message) if queue is not None and queue.leader is None else None

    def _later(self, message: Message) -> Event:
        if message.confirm is None:
            message.confirm = self.clock.event()
        return message.confirm

    def _send(self, message: Message, connection: Connection) -> Queue | None:
        """A message reaches its client's node, and a moment later its queue; of a fan-out there is none."""
        node = connection.node
        node.received += 1
        delay = facts.PUBLISH * node.value("service_time") * node.slow
        network = self.world.network
        if network.disturbed and connection.client is not None:
            late = network.message_seconds(connection.client, node, message.context.trace.key, "published")
            delay += late if late < math.inf else 0.0  # else its connection is cut, and it is sent again
        if message.fanout:
            self.clock.at(self.world.now + delay, lambda _: self._spread(message, connection))
            return None
        queue = self.queues.get(message.topic)
        if queue is None:
            queue = self.queues[message.topic] = Queue(message.topic, node, self.replicated)
        self.clock.at(self.world.now + delay, lambda _: self.store(queue, message, connection))
        return queue

    def _spread(self, message: Message, connection: Connection) -> None:
        if message.number in connection.unconfirmed:  # else its node is gone; it is sent again
            self._confirm(message, connection)
            self.fanouts.spread(message, connection.node)

    def _confirm(self, message: Message, connection: Connection) -> None:
        del connection.unconfirmed[message.number]
        if message.confirm is not None:
            message.confirm.succeed()
            message.confirm = None
        connection.node.confirmed += 1

    def passes_to(self, client: AmqpService) -> bool:
        """Whether what the broker sends to a connected client reaches it."""
        connection = self._connections.get(client.name)
        if connection is None:
            return False
        return not (self.world.network.disturbed or connection.cut_since is not None) or not self._is_cut(connection)

    def store(self, queue: Queue, message: Message, connection: Connection) -> None:
        """A message reaches its queue, which stores it where it has a leader."""
        if message.number not in connection.unconfirmed:  # its node is gone; it is sent again
            return
        leader = queue.leader
        if leader is None or not (leader is connection.node or self.quorum.hears(connection.node, leader)):
            queue.pending.append((message, connection))
            return
        self._confirm(message, connection)
        self.published += 1
        message.arrived = self.world.now
        self._drop(queue)
        queue.ready.append(message)
        self.waiting += 1
        if queue.consumer is not None:
            queue.consumer.consume()

    def _drop(self, queue: Queue) -> None:
        """What nobody takes up expires."""
        if queue.consumer is None:
            self._dropped(queue.trim(self.world.now))

    def _dropped(self, messages: int) -> None:
        self.expired += messages
        self.waiting -= messages

    def deliver(self, topic: str) -> Message | None:
        """The next message for the consumer of a topic; acknowledged when it is taken up, as oslo.messaging does."""
        queue = self.queues.get(topic)
        if queue is None or not queue.ready or queue.leader is None or queue.consumer is None:
            return None
        connection = self._connections.get(queue.consumer.name)
        if connection is None:
            return None
        disturbed = self.world.network.disturbed or connection.cut_since is not None
        if disturbed and not self._delivers(queue, connection):
            return None
        message = queue.ready.popleft()
        self.waiting -= 1
        self.delivered += 1
        connection.node.delivered += 1
        if connection.cut_since is not None:
            connection.unacked.append(message)
        return message

    def _delivers(self, queue: Queue, connection: Connection) -> bool:
        """Whether the next message reaches the consumer, or had reached it before its connection was cut."""
        assert queue.leader is not None
        if self._is_cut(connection):
            assert connection.cut_since is not None
            return queue.ready[0].arrived < connection.cut_since
        return connection.node is queue.leader or self.quorum.hears(connection.node, queue.leader)

    def purge(self, topic: str) -> int:
        """Drop what waits in a queue (`rabbitmqctl purge_queue`); how many messages."""
        queue = self.queues.get(topic)
        if queue is None or queue.leader is None:
            return 0
        count = len(queue.ready)
        queue.ready.clear()
        self.purged += count
        self.waiting -= count
        return count

    def reach(self, client: AmqpService) -> Steps:
        """Wait until a caller's reply queue is there, as long as oslo.messaging tries; whether it is."""
        deadline = self.world.now + REPLY_PATIENCE
        while not client.connected:
            if self.world.now >= deadline:
                return False
            yield self.clock.timeout(1.0)
        return True

    # --- connections ---------------------------------------------------------------------------------------------

    def attach(self, client: AmqpService) -> None:
        """A client connects to the node of its choice, consumes its topic, and sends again what was not confirmed."""
        node = self.host_of(client)
        if not node.serving:
            self._turns[client.name] = next(
                i for i, other in enumerate(self._order(client)) if other.serving or i + 1 == len(self.nodes)
            )
            node = self.host_of(client)
        erlang = node.next_process()
        uuid = self.world.streams["rabbitmq/connection"].uuid(client.name, client.pid, client.dials)
        connection = Connection(client, node, erlang, client.next_port(), uuid)
        client.dials += 1
        self._connections[client.name] = connection
        self.clients[client.name] = client
        node.accept(connection)
        if client.topic:
            queue = self.queues.get(client.topic)
            if queue is None:
                queue = self.queues[client.topic] = Queue(client.topic, node, self.replicated)
            if queue.consumer is None:
                self._dropped(queue.trim_all(self.world.now))
            queue.consumer = client
        if client.fanouts:
            self.fanouts.attach(client, node)
        for message in self._resend.pop(client.name, ()):
            self.publish(message)
        if not self._watching:
            self._watching = True
            self.clock.at(self.world.now + limits.WATCH, self._watch)

    def detach(self, client: AmqpService) -> None:
        """A client is gone, and what it had not got confirmed with it."""
        self._resend.pop(client.name, None)
        connection = self._connections.get(client.name)
        if connection is not None:
            self._part(connection)
            connection.node.close(connection, End.CLIENT if connection.node.up else End.DEAD)
            self.lost += len(connection.unconfirmed)
            connection.unconfirmed.clear()

    def _part(self, connection: Connection) -> None:
        """End a connection on both sides: what it took up unacknowledged goes back to its queue."""
        client = connection.client
        self._connections.pop(client.name, None)
        self.clients.pop(client.name, None)
        if client.fanouts:
            self.fanouts.part(client)
        queue = self.queues.get(client.topic) if client.topic else None
        if queue is not None and queue.consumer is client:
            queue.consumer = None
        self._uncut(connection)
        for message in reversed(connection.unacked):
            self._requeue(queue, message, connection)
        connection.unacked.clear()

    def _requeue(self, queue: Queue | None, message: Message, connection: Connection) -> None:
        """Another worker gets the message again; the same one would know it (oslo.messaging's message id cache)."""
        workers = connection.client.python.capacity
        luck = self.world.streams["amqp/duplicate"].uniform(message.context.trace.key)
        if queue is None or luck < 1.0 / workers:
            return
        message.redelivered = True
        message.context = branch(message.context, "redelivered")
        connection.node.redelivered += 1
        self.duplicates += 1
        queue.ready.appendleft(message)
        self.waiting += 1

    def refuse(self, client: AmqpService) -> None:
        """The node that a client connects to does not accept its password."""
        node = self.host_of(client)
        erlang = node.next_process()
        here = self.site.address(client.node)
        node.log(logs.RABBIT_LOGIN_ERROR, erlang, erlang, here, client.next_port(), node.address)
        client.dials += 1
        node.log(logs.RABBIT_LOGIN_REFUSED, erlang)

    def break_off(self, connection: Connection, end: End) -> None:
        """A connection ends under its client."""
        client = connection.client
        self._part(connection)
        connection.node.close(connection, end)
        if client.up and connection.unconfirmed:
            self._resend.setdefault(client.name, []).extend(connection.unconfirmed.values())
        connection.unconfirmed.clear()
        client.connection_lost(end.value)

    def _passes(self, client: AmqpService, node: RabbitMQ) -> bool:
        network = self.world.network
        return node.place_up and (not network.disturbed or network.reachable(client, node))

    def _is_cut(self, connection: Connection) -> bool:
        """Whether nothing passes between a client and its node; the network is asked only while it is disturbed."""
        disturbed = connection.cut_since is None and self.world.network.disturbed
        if disturbed and not self._passes(connection.client, connection.node):
            self.cut(connection)
        return connection.cut_since is not None

    def cut(self, connection: Connection) -> None:
        """Nothing passes any more, and neither side knows: their heartbeats will tell them."""
        if connection.cut_since is not None:
            return
        connection.cut_since = self.world.now
        connection.mended = self.clock.event()
        self._cuts += 1
        stream = self.world.streams["amqp/heartbeat"]
        late = limits.HEARTBEAT + stream.between(0.0, limits.CLIENT_CHECK, connection.uuid)

        def missed(_: Event) -> None:
            if connection.cut_since is not None and self._connections.get(connection.client.name) is connection:
                self.break_off(connection, End.SILENT)

        self.clock.at(self.world.now + late, missed)

    def _mend(self, connection: Connection) -> None:
        """The network lets it pass again: acknowledgements and publishes arrive that TCP has kept."""
        connection.unacked.clear()
        self._uncut(connection)
        self._send_late(connection)
        connection.client.consume()
        self.fanouts.flush(connection.client)

    def _uncut(self, connection: Connection) -> None:
        if connection.mended is not None:
            connection.mended.succeed()
            connection.mended = connection.cut_since = None
            self._cuts -= 1

    def _send_late(self, connection: Connection) -> None:
        """What has waited at the client's end of a connection goes out."""
        late, connection.unconfirmed = list(connection.unconfirmed.values()), {}
        for message in late:
            self.publish(message)

    # --- alarms --------------------------------------------------------------------------------------------------

    def alarm_changed(self, node: RabbitMQ, kind: str, on: bool) -> None:
        """A node raised or cleared an alarm: all nodes say so; publishers are blocked while there is any."""
        for other in self.nodes:
            if other.up:
                self._say_alarm(other, node, kind, on)
        if on and self._flow is None:
            self._flow = self.clock.event()
        elif self._flow is not None and not self._alarms():
            flow, self._flow = self._flow, None
            flow.succeed()
            for connection in list(self._connections.values()):
                if connection.blocked:
                    connection.blocked = False
                    connection.client.say(oslo_logs.AMQP_UNBLOCKED, None)
                    self._send_late(connection)

    def _say_alarm(self, speaker: RabbitMQ, node: RabbitMQ, kind: str, on: bool) -> None:
        if on:
            speaker.log(logs.RABBIT_ALARM, 310, kind, node.erlang_name)
            for template in (logs.RABBIT_ALARM_FRAME, logs.RABBIT_ALARM_TEXT, logs.RABBIT_ALARM_FRAME):
                speaker.log(template, 310)
            return
        speaker.log(logs.RABBIT_ALARM_CLEARED, 310, kind, node.erlang_name)
        if not any(kind in other.alarms for other in self.nodes):
            speaker.log(logs.RABBIT_ALARMS_OVER, 310, kind)

    def _alarms(self) -> list[str]:
        return sorted({kind for node in self.nodes for kind in node.alarms}, reverse=True)

    def _watch(self, _: Event) -> None:
        for node in self.nodes:
            if node.up:
                node.watch()
        disturbed = self.world.network.disturbed
        for connection in list(self._connections.values()) if disturbed or self._cuts else ():
            if not self._passes(connection.client, connection.node):
                self.cut(connection)
            elif connection.cut_since is None:
                continue
            elif connection.node.up and connection.node.started_at == connection.life:
                self._mend(connection)
            else:  # its machine is back and knows nothing of the connection
                self.break_off(connection, End.DEAD)
        self.clock.at(self.world.now + limits.WATCH, self._watch)

    def lose(self, queue: Queue) -> None:
        """A classic queue is gone with its node."""
        self.lost += len(queue.ready)
        self.waiting -= len(queue.ready)
        queue.ready.clear()


def build(site: Site, nodes: Sequence[Node]) -> Broker:
    """One node of RabbitMQ a machine, ``rabbitmq-0`` and on; with more than one, quorum queues."""
    broker = Broker(site, replicated=len(nodes) > 1)
    broker.nodes += [RabbitMQ(site, f"rabbitmq-{i}", node, broker) for i, node in enumerate(nodes)]
    return broker
