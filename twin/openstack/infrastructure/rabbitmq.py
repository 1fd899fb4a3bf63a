"""One node of RabbitMQ: the process, its memory and disk watermarks, and what it logs of its clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twin.components import Component
from twin.mechanics import rabbitmq as limits
from twin.openstack.infrastructure import logs
from twin.openstack.infrastructure.queues import Connection, End, Message
from twin.openstack.oslo.service import Service
from twin.process import State
from twin.telemetry.records import counter, gauge

if TYPE_CHECKING:
    from twin.openstack.infrastructure.broker import Broker
    from twin.openstack.site import Site

__all__ = ["Message", "RabbitMQ"]

GRACEFUL = frozenset({"restart", "recreate", "rollback-config", "reboot", "stopped"})
"""Reasons for which RabbitMQ is told to stop."""

_LAST_LINES = {
    End.CLIENT: (logs.RABBIT_CLOSING, logs.RABBIT_GONE),
    End.SILENT: (logs.RABBIT_MISSED_CLOSING, logs.RABBIT_MISSED),
    End.FORCED: (logs.RABBIT_FORCED_CLOSING, logs.RABBIT_FORCED),
}


class RabbitMQ(Service):
    """A node of the broker. Its memory grows with what waits in the queues, and by a leak where there is one."""

    kind = "rabbitmq"
    logs_oslo = False
    program = "beam.smp"
    metrics = (
        gauge("rabbitmq_queue_messages_ready", "messages"),
        gauge("rabbitmq_queue_messages_unacked", "messages"),
        gauge("rabbitmq_connections", "connections"),
        counter("rabbitmq_global_messages_received_total", "messages"),
        counter("rabbitmq_global_messages_delivered_total", "messages"),
        gauge("rabbitmq_process_resident_memory_bytes", "bytes"),
        gauge("rabbitmq_alarms_memory_used_watermark", "bool"),
        gauge("rabbitmq_alarms_free_disk_space_watermark", "bool", None),
        gauge("rabbitmq_resident_memory_limit_bytes", "bytes", None),
        gauge("rabbitmq_disk_space_available_bytes", "bytes", None),
        gauge("rabbitmq_disk_space_available_limit_bytes", "bytes", None),
        gauge("rabbitmq_queues", "queues", None),
        gauge("rabbitmq_consumers", "consumers", None),
        gauge("rabbitmq_queue_messages", "messages", None),
        gauge("rabbitmq_channel_messages_unconfirmed", "messages", None),
        counter("rabbitmq_connections_opened_total", "connections", None),
        counter("rabbitmq_connections_closed_total", "connections", None),
        counter("rabbitmq_global_messages_confirmed_total", "messages", None),
        counter("rabbitmq_global_messages_redelivered_total", "messages", None),
        gauge("rabbitmq_unreachable_cluster_peers_count", "nodes", None),
    )

    def __init__(self, site: Site, name: str, place: Component, broker: Broker) -> None:
        super().__init__(site, name, place)
        self.broker = broker
        self.connections: dict[str, Connection] = {}
        """By the client's component name."""
        self.paused = False
        """Whether it has stopped serving because it is in a minority."""
        self.silences = 0
        """How often it, or its peers of it, waited in vain for a tick."""
        self.alarms: set[str] = set()
        self._leaked = 0.0
        self._leaking_since = 0.0
        self._leak = 0.0
        self._erlang = 400
        self._forget_counters()

    def _forget_counters(self) -> None:
        self.received = self.delivered = self.confirmed = self.redelivered = self.opened = self.closed = 0

    @property
    def erlang_name(self) -> str:
        """Its name among Erlang nodes."""
        return f"'rabbit@{self.node.name}'"

    @property
    def address(self) -> str:
        """Its address on the management network."""
        return self.site.address(self.node)

    @property
    def serving(self) -> bool:
        """Whether it takes connections."""
        return self.state is State.RUNNING and not self.paused

    @property
    def accepting(self) -> bool:
        return self.serving

    # --- memory and disk -----------------------------------------------------------------------------------------

    @property
    def resident_memory(self) -> float:
        return super().resident_memory + self._leaked_now() + limits.MESSAGE_BYTES * self.broker.waiting

    def _leaked_now(self) -> float:
        if not self._leak:
            return 0.0  # who leaked has given it back
        return min(self._leaked + self._leak * (self.world.now - self._leaking_since), self.value("leak_limit"))

    @property
    def memory_limit(self) -> float:
        """Bytes above which it raises the alarm."""
        return limits.MEMORY_WATERMARK * self.node.memory

    def watch(self) -> None:
        """Compare memory and disk with their watermarks."""
        used, allowed = self.resident_memory, self.memory_limit
        self._alarm("memory", used > allowed, logs.RABBIT_MEMORY, logs.RABBIT_MEMORY_CLEAR, used, allowed)
        if self.node.conditions or "disk" in self.alarms:
            free = self.node.disk_available
            self._alarm(
                "disk", free < limits.DISK_LIMIT, logs.RABBIT_DISK, logs.RABBIT_DISK_CLEAR, free, limits.DISK_LIMIT
            )

    def _alarm(self, kind: str, on: bool, set_line: Any, clear_line: Any, value: float, limit: float) -> None:
        if on is (kind in self.alarms):
            return
        self.log(set_line if on else clear_line, 312, int(value), int(limit))
        if on:
            self.alarms.add(kind)
        else:
            self.alarms.discard(kind)
        self.broker.alarm_changed(self, kind, on)

    def conditions_changed(self) -> None:
        super().conditions_changed()
        self._leaked = self._leaked_now()
        self._leaking_since, self._leak = self.world.now, self.value("memory_leak")
        self.broker.quorum.look()

    def place_changed(self) -> None:
        super().place_changed()
        self.broker.quorum.look()

    # --- clients -------------------------------------------------------------------------------------------------

    def accept(self, connection: Connection) -> None:
        """Log a new connection."""
        self.connections[connection.client.name] = connection
        self.opened += 1
        if self.world.now > 0:
            erlang, *ends = self._ends(connection)
            self.log(logs.RABBIT_ACCEPT, erlang, erlang, *ends[:3])
            self.log(logs.RABBIT_NAME, erlang, erlang, *ends)
            self.log(logs.RABBIT_GRANTED, erlang, erlang, *ends)

    def next_process(self) -> int:
        """The number of a new Erlang process."""
        self._erlang += 13
        return self._erlang

    def close(self, connection: Connection, end: End) -> None:
        """Log how a connection ended, where anybody is left to log it."""
        if self.connections.pop(connection.client.name, None) is None:
            return
        self.closed += 1
        said = _LAST_LINES.get(end)
        if said is not None:
            erlang, *ends = self._ends(connection)
            self.log(said[0], erlang, erlang, *ends)
            self.log(said[1], erlang)

    def _ends(self, connection: Connection) -> tuple[Any, ...]:
        client = connection.client
        here = self.site.address(client.node)
        return (connection.erlang, here, connection.port, self.address, client.kind, client.pid, connection.uuid)

    # --- life ----------------------------------------------------------------------------------------------------

    def on_running(self) -> None:
        super().on_running()
        self._forget_counters()
        if self.world.now > 0:
            self.log(logs.RABBIT_STARTED, 9)
        self.broker.quorum.node_up(self)

    def on_down(self, reason: str) -> None:
        super().on_down(reason)
        graceful = reason in GRACEFUL
        if graceful:
            self.log(logs.RABBIT_STOPPING, 9)
        self._leaked, self._leaking_since = 0.0, self.world.now
        self.paused = False
        for kind in list(self.alarms):
            self.alarms.discard(kind)
            self.broker.alarm_changed(self, kind, on=False)
        self.broker.quorum.node_down(self, graceful)

    def busy(self) -> bool:
        return False

    def sample(self) -> Sequence[float]:
        led = [queue for queue in self.broker.queues.values() if queue.leader is self]
        ready = sum(len(queue) for queue in led if queue.consumer is None)
        unacked = sum(len(queue) for queue in led if queue.consumer is not None)
        unacked += sum(len(connection.unacked) for connection in self.connections.values())
        kept, late = self.broker.fanouts.kept(self)
        ready, unacked = ready + kept, unacked + late
        return (
            ready,
            unacked,
            len(self.connections),
            self.received,
            self.delivered,
            self.resident_memory,
            float("memory" in self.alarms),
            float("disk" in self.alarms),
            self.memory_limit,
            self.node.disk_available,
            limits.DISK_LIMIT,
            len(led),
            sum(queue.consumer is not None for queue in led),
            ready + unacked,
            sum(len(connection.unconfirmed) for connection in self.connections.values()),
            self.opened,
            self.closed,
            self.confirmed,
            self.redelivered,
            sum(1 for other in self.broker.nodes if other is not self and not other.up),
        )
