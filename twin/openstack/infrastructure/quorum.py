"""The broker's nodes among each other: who hears whom, who pauses, and who leads a queue.

As kolla-ansible deploys it (`pause_minority`): a node that hears no majority stops to serve until it does again; of two
that do not hear each other while a third hears both, the first to notice pauses until the whole cluster is back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simpy.events import Event

from twin.mechanics import openstack as facts
from twin.mechanics import rabbitmq as limits
from twin.openstack.infrastructure import logs
from twin.openstack.infrastructure.queues import End, Queue
from twin.openstack.infrastructure.rabbitmq import RabbitMQ

if TYPE_CHECKING:
    from twin.openstack.infrastructure.broker import Broker


class Quorum:
    """Membership of a broker's nodes, and the leaders of its queues."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.world = broker.world
        self.clock = broker.clock
        self.nodes = broker.nodes
        self._partition: list[tuple[RabbitMQ, RabbitMQ]] = []
        """Who does not hear whom."""
        self._torn: list[RabbitMQ] = []
        """Nodes that wait for the whole cluster."""

    # --- nodes ---------------------------------------------------------------------------------------------------

    def node_up(self, node: RabbitMQ) -> None:
        """A node has started."""
        if self.world.now > 0:
            for other in self._others(node):
                if other.up:
                    other.log(logs.RABBIT_NODE_UP, 305, node.erlang_name)
                    other.log(logs.RABBIT_PEER_UP, 305, node.erlang_name)
            self._judge()
            self.look()

    def node_down(self, node: RabbitMQ, graceful: bool) -> None:
        """A node has stopped. Clients and peers hear of it at once, or, of a dead machine, only nothing any more."""
        silent = not node.place_up
        self.broker.fanouts.node_down(node)
        for connection in list(node.connections.values()):
            if silent:
                self.broker.cut(connection)
            else:
                self.broker.break_off(connection, End.FORCED if graceful else End.DEAD)
        reason = "net_tick_timeout" if silent else "connection_closed"
        at = self.world.now + (self._net_tick(node) if silent else 0.0)
        began = node.started_at

        def noticed(_: Event) -> None:
            if node.up and node.started_at != began:
                return
            for other in self._others(node):
                if other.up:
                    other.log(logs.RABBIT_PEER_DOWN, 305, node.erlang_name)
                    other.log(logs.RABBIT_NODE_DOWN, 305, node.erlang_name, reason)
            self._judge()

        if len(self.nodes) > 1:
            self.clock.at(at, noticed)
        for queue in self.broker.queues.values():
            if queue.leader is node:
                self._lose_leader(queue, limits.SILENT_LEADER if silent else 0.0)

    def forget(self, node: RabbitMQ) -> None:
        """A node has been taken out of the cluster and joins it anew: it waits for nobody."""
        if node in self._torn:
            self._torn.remove(node)

    def look(self) -> None:
        """The network between nodes, or a node, changed."""
        if len(self.nodes) < 2 or not (self.world.network.disturbed or self._partition):
            return
        majority = self._majority()
        apart = [node for node in self.nodes if node.up and node not in majority]
        for queue in self.broker.queues.values():
            if queue.leader is not None and queue.leader in apart:
                self._lose_leader(queue, limits.SILENT_LEADER)
        pairs = self._deaf()
        if not pairs:
            if self._partition:
                self._partition = []
                self._torn.clear()
                self.clock.at(self.world.now + limits.PAUSE_CHECK, lambda _: self._heal())
            return
        if pairs == self._partition:
            return  # their ticks stay away already
        self._partition = pairs

        def noticed(_: Event) -> None:
            if self._partition is pairs:
                self._notice(self._deaf())

        self.clock.at(self.world.now + self._net_tick(pairs[0][0]), noticed)

    def _notice(self, pairs: list[tuple[RabbitMQ, RabbitMQ]]) -> None:
        """The net tick stayed away."""
        for node, other in pairs:
            node.log(logs.RABBIT_PEER_DOWN, 305, other.erlang_name)
            node.log(logs.RABBIT_NODE_DOWN, 305, other.erlang_name, "net_tick_timeout")
            between = [n for n in self.nodes if n.up and n not in (node, other) and self._hears_both(n, node, other)]
            if between and node not in self._torn and other not in self._torn:
                self._torn.append(node)
                node.log(logs.RABBIT_PARTIAL, 305)
                node.log(logs.RABBIT_PARTIAL_DOWN, 305, f"rabbit@{other.node.name}")
                proxy, lost = (f"rabbit@{n.node.name}" for n in (between[0], other))
                node.log(logs.RABBIT_PARTIAL_PROXY, 305, proxy, lost)
                node.log(logs.RABBIT_PARTIAL_MODE, 305)
                node.log(logs.RABBIT_PARTIAL_PAUSE, 305)
        self._judge()

    def _heal(self) -> None:
        self._judge()
        for queue in self.broker.queues.values():
            self._flush(queue)

    def _judge(self) -> None:
        """Nodes without a majority pause; those that have it again resume; queues without a leader elect one."""
        majority = self._majority()
        for node in self.nodes:
            if node.up and not node.paused and node not in majority:
                self._pause(node)
            elif node.paused and node in majority:
                self._resume(node)
        for queue in self.broker.queues.values():
            if queue.leader is None:
                self._elect_later(queue, 0.0)

    def _pause(self, node: RabbitMQ) -> None:
        node.log(logs.RABBIT_MINORITY, 305)
        node.paused = True
        self.broker.fanouts.node_down(node)
        for connection in list(node.connections.values()):
            self.broker.break_off(connection, End.FORCED)
        for queue in self.broker.queues.values():
            if queue.leader is node:
                self._lose_leader(queue, 0.0)

    def _resume(self, node: RabbitMQ) -> None:
        """The application starts again inside the running Erlang node."""
        began = node.started_at

        def running(_: Event) -> None:
            if node.up and node.started_at == began and node.paused and node in self._majority():
                node.paused = False
                node.log(logs.RABBIT_STARTED, 9)
                self.node_up(node)

        self.clock.at(self.world.now + facts.STARTUP["rabbitmq"] * node.slow, running)

    def _majority(self) -> list[RabbitMQ]:
        """The nodes that hear more than half of all, themselves included, and are not torn from one of them."""
        up = [node for node in self.nodes if node.up and node.place_up and node not in self._torn]
        return [node for node in up if 2 * sum(self.hears(node, other) for other in up) > len(self.nodes)]

    def _deaf(self) -> list[tuple[RabbitMQ, RabbitMQ]]:
        """Pairs of running nodes of which the first does not hear the second."""
        up = [node for node in self.nodes if node.up and node.place_up]
        return [(one, other) for one in up for other in up if not self.hears(one, other)]

    def hears(self, one: RabbitMQ, other: RabbitMQ) -> bool:
        """Whether packets pass between two nodes."""
        network = self.world.network
        return one is other or not network.disturbed or network.reachable(one, other)

    def _hears_both(self, node: RabbitMQ, one: RabbitMQ, other: RabbitMQ) -> bool:
        return self.hears(node, one) and self.hears(node, other)

    def _others(self, node: RabbitMQ) -> list[RabbitMQ]:
        return [other for other in self.nodes if other is not node]

    def _net_tick(self, node: RabbitMQ) -> float:
        node.silences += 1
        return limits.NET_TICK * self.world.streams["rabbitmq/tick"].between(0.75, 1.25, node.name, node.silences)

    # --- leaders -------------------------------------------------------------------------------------------------

    def _lose_leader(self, queue: Queue, suspected: float) -> None:
        """A queue's leader is gone: another is elected, or, of a classic queue, everything in it is lost."""
        old, queue.leader = queue.leader, None
        if not queue.quorum:
            self.broker.lose(queue)
            return
        for node in self.nodes:
            if node is not old and node.serving:
                reason = "noconnection" if suspected else "noproc"
                node.log(logs.RABBIT_LEADER_DOWN, 1200 + queue.term, queue.name, reason)
        self._elect_later(queue, suspected)

    def _elect_later(self, queue: Queue, suspected: float) -> None:
        term = queue.term
        low, high = limits.ELECTION
        took = 0.0
        if queue.quorum and len(self.nodes) > 1:
            took = self.world.streams["rabbitmq/election"].between(low, high, queue.name, term)

        def elect(_: Event) -> None:
            if queue.leader is None and queue.term == term:
                self._elect(queue)

        self.clock.at(self.world.now + suspected + took, elect)

    def _elect(self, queue: Queue) -> None:
        candidates = [node for node in self._majority() if node.serving]
        if not candidates:
            return  # a node that comes back brings it up again
        leader = self.world.streams["rabbitmq/leader"].choice(candidates, queue.name, queue.term)
        queue.leader = leader
        queue.term += 1
        if queue.quorum and self.world.now > 0 and len(self.nodes) > 1:
            leader.log(logs.RABBIT_ELECTED, 1200 + queue.term, queue.name, queue.term)
            for node in candidates:
                if node is not leader:
                    name, term = leader.erlang_name, queue.term
                    node.log(logs.RABBIT_NEW_LEADER, 1200 + term, queue.name, queue.name, name, term)
        self._flush(queue)

    def _flush(self, queue: Queue) -> None:
        """What waited for a leader is stored now; consumers go on."""
        pending, queue.pending = queue.pending, []
        for message, connection in pending:
            self.broker.store(queue, message, connection)
        if queue.consumer is not None and queue.ready:
            queue.consumer.consume()
