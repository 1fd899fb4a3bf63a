"""The message broker: one classic queue a topic, not durable, as oslo.messaging declares them by default."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simpy.events import Event

from twin.components import Component
from twin.mechanics import openstack as facts
from twin.openstack.infrastructure import logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Service
from twin.telemetry.records import LogTemplate, counter, gauge

if TYPE_CHECKING:
    from twin.openstack.oslo.messaging import AmqpService
    from twin.openstack.site import Site


@dataclass(slots=True)
class Message:
    """A cast, or with `answer` a call."""

    topic: str
    method: str
    context: Context
    arguments: dict[str, Any] = field(default_factory=dict)
    answer: Event | None = None
    caller: AmqpService | None = None
    number: int = 0


class RabbitMQ(Service):
    """RabbitMQ. Messages for a consumer that is away stay in its queue; a broker that stops loses them all."""

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
    )

    def __init__(self, site: Site, name: str, place: Component) -> None:
        super().__init__(site, name, place)
        self.queues: dict[str, deque[Message]] = {}
        self.clients: dict[str, AmqpService] = {}
        """Connected services by component name."""
        self._consumers: dict[str, AmqpService] = {}
        self._numbers = 0
        self._erlang = 400
        self._ports: dict[str, tuple[int, int, str]] = {}
        self._received = self._delivered = 0

    # --- messages ------------------------------------------------------------------------------------------------

    def publish(self, message: Message) -> None:
        """Take a message from a connected client; it is in its queue a moment later."""
        self._numbers += 1
        message.number = self._numbers
        self._received += 1
        life = self._life
        delay = facts.PUBLISH * self.value("service_time") * self.slow

        def arrive(_: Event) -> None:
            if life == self._life:
                self.queues.setdefault(message.topic, deque()).append(message)
                consumer = self._consumers.get(message.topic)
                if consumer is not None:
                    consumer.consume()

        self.clock.at(self.world.now + delay, arrive)

    def deliver(self, topic: str) -> Message | None:
        """The next message for the consumer of a topic; acknowledged on the spot, as oslo.messaging does."""
        queue = self.queues.get(topic)
        if not queue:
            return None
        self._delivered += 1
        return queue.popleft()

    # --- connections ---------------------------------------------------------------------------------------------

    def attach(self, client: AmqpService) -> None:
        """A client connects, and consumes its topic."""
        self.clients[client.name] = client
        self._erlang += 13
        stream = self.world.streams["rabbitmq/connection"]
        port = stream.integer(32768, 60999, client.name, client.pid, self._erlang)
        self._ports[client.name] = (self._erlang, port, stream.uuid(client.name, client.pid, self._erlang))
        if self.world.now > 0:
            erlang, host, port, *who = self._connection(client)
            self.log(logs.RABBIT_ACCEPT, erlang, erlang, host, port)
            self.log(logs.RABBIT_NAME, erlang, erlang, host, port, *who)
            self.log(logs.RABBIT_GRANTED, erlang, erlang, host, port, *who)
        if client.topic:
            self._consumers[client.topic] = client

    def detach(self, client: AmqpService) -> None:
        """A client's connection broke."""
        if self.clients.pop(client.name, None) is None:
            return
        erlang, *rest = self._connection(client)
        self._say_gone(logs.RABBIT_CLOSING, erlang, erlang, *rest)
        self._say_gone(logs.RABBIT_GONE, erlang)
        if self._consumers.get(client.topic) is client:
            del self._consumers[client.topic]

    def _say_gone(self, template: LogTemplate, *args: Any) -> None:
        if self.up:
            self.log(template, *args)

    def _connection(self, client: AmqpService) -> tuple[Any, ...]:
        erlang, port, connection = self._ports[client.name]
        host = 10 + self.site.host_number(client.node)
        return (erlang, host, port, client.kind, client.pid, connection)

    # --- life ----------------------------------------------------------------------------------------------------

    def on_running(self) -> None:
        super().on_running()
        self._received = self._delivered = 0
        if self.world.now > 0:
            self.log(logs.RABBIT_STARTED, 9)

    def on_down(self, reason: str) -> None:
        super().on_down(reason)
        if reason in ("restart", "recreate", "reboot"):
            self.log(logs.RABBIT_STOPPING, 9)
        self.queues.clear()
        self._consumers.clear()
        clients = list(self.clients.values())
        self.clients.clear()
        for client in clients:
            client.connection_lost()

    def busy(self) -> bool:
        return False

    def sample(self) -> Sequence[float]:
        ready = sum(len(queue) for topic, queue in self.queues.items() if topic not in self._consumers)
        unacked = sum(len(queue) for topic, queue in self.queues.items() if topic in self._consumers)
        connections = len(self.clients)
        memory = self.resident_memory + 2e4 * (ready + unacked)
        return (ready, unacked, connections, self._received, self._delivered, memory)
