"""Messages and queues of the broker.

A quorum queue is kept by all nodes and served by its leader; while it has none, what is published waits unconfirmed. A
classic queue lives on one node and dies with it.

What is in a queue with a consumer is with the consumer already: oslo.messaging takes whatever there is
(`rabbit_qos_prefetch_count` 0), and keeps it until one of its threads is free. So nothing expires there.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from simpy.events import Event

from twin.mechanics.rabbitmq import MESSAGE_TTL
from twin.openstack.oslo.context import Context

if TYPE_CHECKING:
    from twin.openstack.infrastructure.rabbitmq import RabbitMQ
    from twin.openstack.oslo.messaging import AmqpService


@dataclass(slots=True, eq=False)
class Message:
    """A cast, or with `answer` a call."""

    topic: str
    method: str
    context: Context
    """A branch of its publisher's, whose key is the message's own."""
    arguments: dict[str, Any] = field(default_factory=dict)
    answer: Event | None = None
    caller: AmqpService | None = None
    publisher: AmqpService | None = None
    number: int = 0
    """Among all messages."""
    arrived: float = 0.0
    """When its queue had it."""
    redelivered: bool = False
    confirm: Event | None = None
    """Succeeds when it is stored, where the publisher has to wait for that."""
    fanout: bool = False
    """Whether it goes to everybody who listens to its topic."""
    expiration: float = math.inf
    """Seconds that it may wait for a consumer: a call's time-out (`expiration` of `Connection._publish`); a cast has
    none, nor has a fan-out."""

    def expired(self, now: float) -> bool:
        """Whether the broker delivers it no more."""
        return now - self.arrived > min(MESSAGE_TTL, self.expiration)


class Queue:
    """A queue and the messages that nobody has taken up yet, oldest first."""

    __slots__ = ("consumer", "expired", "leader", "name", "pending", "quorum", "ready", "term")

    def __init__(self, name: str, leader: RabbitMQ | None, quorum: bool) -> None:
        self.name = name
        self.leader = leader
        self.quorum = quorum
        self.term = 1
        self.consumer: AmqpService | None = None
        self.ready: deque[Message] = deque()
        self.pending: list[tuple[Message, Connection]] = []
        """Published and not confirmed: no leader has stored them."""
        self.expired = 0

    def __len__(self) -> int:
        return len(self.ready)

    def __iter__(self) -> Iterator[Message]:
        return iter(self.ready)

    def trim(self, now: float) -> int:
        """Drop what has expired from the head on; how many. Behind a message that has not, they wait for it."""
        dropped = 0
        while self.ready and self.ready[0].expired(now):
            self.ready.popleft()
            dropped += 1
        self.expired += dropped
        return dropped

    def trim_all(self, now: float) -> int:
        """Drop all that has expired; how many: a consumer comes, who is given whatever else there is."""
        fresh = [message for message in self.ready if not message.expired(now)]
        dropped = len(self.ready) - len(fresh)
        if dropped:
            self.ready = deque(fresh)
        self.expired += dropped
        return dropped


class End(StrEnum):
    """How a connection ends; the value is the error that a client is left with."""

    CLIENT = ""
    DEAD = "[Errno 104] Connection reset by peer"
    SILENT = "Too many heartbeats missed"
    FORCED = "(0, 0): (320) CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"


class Connection:
    """A client's connection to one node."""

    __slots__ = (
        "blocked",
        "client",
        "cut_since",
        "erlang",
        "life",
        "mended",
        "node",
        "port",
        "unacked",
        "unconfirmed",
        "uuid",
    )

    def __init__(self, client: AmqpService, node: RabbitMQ, erlang: int, port: int, uuid: str) -> None:
        self.client = client
        self.node = node
        self.erlang = erlang
        self.port = port
        self.uuid = uuid
        self.life = node.started_at
        """Which life of its node it belongs to."""
        self.cut_since: float | None = None
        """Since when the network lets nothing pass, if so."""
        self.blocked = False
        """Whether the broker has told the client that it reads nothing from it."""
        self.mended: Event | None = None
        """Succeeds when it passes again, or is given up."""
        self.unconfirmed: dict[int, Message] = {}
        self.unacked: list[Message] = []
        """What the client took up while its acknowledgements got lost."""
