"""Services on the message bus: their connection, calls with a reply, casts without, and the procedures they serve."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

from simpy.events import Event
from simpy.exceptions import Interrupt

from twin.mechanics import openstack as facts
from twin.openstack.infrastructure.queues import Message
from twin.openstack.oslo import logs, traceback
from twin.openstack.oslo.clients import NO_NAME
from twin.openstack.oslo.context import Context, branch, close_span, open_span
from twin.openstack.oslo.exceptions import CloudError, MessagingTimeout, RemoteError, UnsupportedVersion
from twin.openstack.oslo.frames import RPC_ENTRY
from twin.openstack.oslo.service import Service, Steps

Procedure = Callable[..., Generator[Any, Any, Any]]

_TIMED_OUT = object()
KNOWN_MODULES = frozenset({"nova", "neutron", "neutron_lib", "cinder", "heat"})
"""Packages whose exceptions come back as themselves (`allowed_remote_exmods`)."""
_ERRORS = {
    "[Errno 111]": "ConnectionRefusedError",
    "[Errno 104]": "ConnectionResetError",
    "[Errno -3] ": "socket.gaierror",
    "(0, 0): (40": "amqp.exceptions.AccessRefused",
}
REFUSED = "[Errno 111] ECONNREFUSED"
ACCESS_REFUSED = (
    "(0, 0): (403) ACCESS_REFUSED - Login was refused using authentication mechanism AMQPLAIN. "
    "For details see the broker logfile."
)


@dataclass(frozen=True, slots=True)
class _Failure:
    """An exception on its way back to the caller."""

    error: Exception
    service: str

    def raise_again(self) -> NoReturn:
        """What the caller gets: the exception itself where its program knows it, else a RemoteError."""
        if not isinstance(self.error, CloudError) or self.error.module.partition(".")[0] not in KNOWN_MODULES:
            trace = [f"{line}\n" for line in traceback.lines(self.error)]
            raise RemoteError(kind=type(self.error).__name__, value=self.error, trace=trace)
        copy = type(self.error).__new__(type(self.error), *self.error.args)
        copy.__dict__.update(self.error.__dict__)
        copy.remote = self.service
        raise copy


class AmqpService(Service):
    """A service with a connection to RabbitMQ.

    As in oslo.messaging, a message is acknowledged when a thread takes it up: what a dying process was working on is
    lost, what waited goes back to the queue. A call that nobody consumes within its time-out is dropped by the broker;
    one that waits in the consumer for a thread is carried out late, and its answer finds nobody waiting.
    """

    topic: str = ""
    """The queue that it consumes, if any."""
    fanouts: tuple[str, ...] = ()
    """Topics whose fan-outs it hears."""
    connected = False
    dropped_calls = 0
    """Messages that its process took with it."""

    @property
    def procedures(self) -> Mapping[str, Procedure]:
        """What it serves: method -> generator function (context, **arguments)."""
        return {}

    # --- calling -------------------------------------------------------------------------------------------------

    reaches_cells: ClassVar[bool] = False
    """Whether it asks compute hosts through their cells, which has a client made for every message."""

    def _make_client(self, context: Context, topic: str) -> None:
        if self.reaches_cells and topic.startswith("compute."):
            for _ in range(2):  # one to ask which version to speak, one to speak
                self.say(logs.RPC_CLIENT_DEPRECATED, context)

    def cast(self, context: Context, topic: str, method: str, **arguments: Any) -> Steps:
        """Send a message and go on. Waits while the broker is away."""
        self._make_client(context, topic)
        yield from self._until_connected()
        message = Message(topic, method, branch(context, method), arguments, publisher=self)
        confirmed = self.site.broker.publish(message)
        if confirmed is not None:
            yield confirmed

    def fanout_cast(self, context: Context, topic: str, method: str, **arguments: Any) -> Steps:
        """Send a message to everybody who listens to a topic, and go on."""
        yield from self._until_connected()
        message = Message(topic, method, branch(context, method), arguments, publisher=self, fanout=True)
        confirmed = self.site.broker.publish(message)
        if confirmed is not None:
            yield confirmed

    def call(
        self, context: Context, topic: str, method: str, timeout: float = facts.RPC_RESPONSE_TIMEOUT, **arguments: Any
    ) -> Steps:
        """Send a message and wait for the answer. Raises MessagingTimeout and RemoteError."""
        self._make_client(context, topic)
        deadline = self.world.now + timeout
        yield from self._until_connected()
        answer = self.clock.event()
        message = Message(topic, method, branch(context, method), arguments, answer, self, expiration=timeout)
        self.site.broker.publish(message)
        self.clock.at(
            max(deadline, self.world.now + 1.0), lambda _: None if answer.triggered else answer.succeed(_TIMED_OUT)
        )
        outcome = yield answer
        if outcome is _TIMED_OUT:
            raise MessagingTimeout(id=self._message_id(message))
        if isinstance(outcome, _Failure):
            outcome.raise_again()
        return outcome

    def _message_id(self, message: Message) -> str:
        return self.world.streams["amqp/message"].hexadecimal(32, message.context.trace.key)

    def _until_connected(self) -> Steps:
        while not self.connected:
            event = self._waiting_for_broker
            if event is None or event.triggered:
                event = self._waiting_for_broker = self.clock.event()
            yield event

    _waiting_for_broker: Event | None = None

    # --- serving -------------------------------------------------------------------------------------------------

    def consume(self) -> None:
        """Take up messages as long as there are threads."""
        limit = self.python.capacity * facts.RPC_THREADS
        while self.accepting and self.connected and self._serving < limit:
            message = self.site.broker.deliver(self.topic)
            if message is None:
                return
            self._serving += 1
            self.spawn(self._serve(message))

    _serving = 0

    def hear(self, message: Message) -> None:
        """Take up a fan-out."""
        self._serving += 1
        self.spawn(self._serve(message))

    def _serve(self, message: Message) -> Steps:
        context, start = message.context, self.world.now
        span = open_span(self.world, context)
        status = 200
        outcome: Any = None
        try:
            if self.world.network.disturbed:
                yield from self._hop(message, "taken", to_broker=False)
            outcome = yield from self._dispatch(message, context.inside(span))
        except Interrupt:
            self.dropped_calls += 1
            raise
        except Exception as error:
            self.unexpected(error)
            status, outcome = 500, _Failure(error, self.kind)
            if not isinstance(error, self.expected.get(message.method, ())):
                self.exception(logs.RPC_FAILED, context, error, entry=RPC_ENTRY)
        finally:
            self._serving -= 1
        close_span(self.world, context, span, self.name, message.method, start, status)
        if message.answer is not None:
            yield from self._reply(message, outcome)
        self.consume()

    def _dispatch(self, message: Message, context: Context) -> Steps:
        procedure = self.procedures.get(message.method)
        if procedure is None:
            raise UnsupportedVersion(version="6.0", method=message.method)
        return (yield from procedure(context, **message.arguments))

    expected: Mapping[str, tuple[type[Exception], ...]] = {}
    """By method, the errors that it declares (`expected_exceptions`): they go to the caller and into no log."""

    def _reply(self, message: Message, outcome: Any) -> Steps:
        yield from self._until_connected()
        while (held := self.site.broker.hold(self)) is not None:
            yield held
            yield from self._until_connected()
        assert message.answer is not None and message.caller is not None
        if self.world.network.disturbed:
            yield from self._hop(message, "answered", to_broker=True)
            yield from message.caller._hop(message, "returned", to_broker=False)
        if not message.caller.connected and not (yield from self.site.broker.reach(message.caller)):
            return
        if not message.answer.triggered:
            message.answer.succeed(outcome)
        elif message.caller.up:
            message.caller.say(logs.LATE_REPLY, None, self._message_id(message))

    def _hop(self, message: Message, what: str, to_broker: bool) -> Steps:
        """A message between this service and its node of the broker, as late as the network makes it."""
        node = self.site.broker.host_of(self)
        ends = (self, node) if to_broker else (node, self)
        late = self.world.network.message_seconds(*ends, message.context.trace.key, what)
        if 0.0 < late < math.inf:  # over a torn path the connection ends: see `Broker.cut`
            yield self.clock.timeout(late)

    # --- the connection ------------------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        yield from super().startup()
        obstacle = self._obstacle()
        if obstacle:
            yield from self._retry(obstacle)
        return True

    def on_running(self) -> None:
        super().on_running()
        self._connect()

    def on_down(self, reason: str) -> None:
        super().on_down(reason)
        self.connected = False
        self._waiting_for_broker = None
        self.site.broker.detach(self)

    dials = 0
    """Connections to the broker that it has begun: what is drawn for one is keyed by its number."""

    def next_port(self) -> int:
        """Where its next connection to the broker comes from."""
        return self.world.streams["amqp/port"].integer(32768, 60999, self.name, self.pid, self.dials)

    def connection_lost(self, error: str = "[Errno 104] Connection reset by peer") -> None:
        """The node of the broker that it was connected to went away."""
        self.connected = False
        if self.up:
            self.spawn(self._reconnect(error))

    def _connect(self) -> None:
        obstacle = self._obstacle()
        if obstacle:  # it went away while this service came up
            self.spawn(self._reconnect(obstacle))
            return
        self.connected = True
        self.site.broker.attach(self)
        if self._waiting_for_broker is not None and not self._waiting_for_broker.triggered:
            self._waiting_for_broker.succeed()
        self.consume()

    def _reconnect(self, error: str) -> Steps:
        yield from self._retry(error)
        self.say(logs.AMQP_RECONNECTED, None, self._connection_id(), self._broker_host, self.next_port())
        self._connect()

    def _retry(self, error: str) -> Steps:
        wait = facts.AMQP_RETRY_FIRST
        while True:
            kind = _ERRORS.get(error[:11], "amqp.exceptions.ConnectionForced")
            host, summary = self._broker_host, f"{kind}: {error}"
            self.say(logs.AMQP_UNREACHABLE, None, self._connection_id(), host, error, int(wait), summary)
            yield self.clock.timeout(wait)
            self.site.broker.switch(self)
            error = self._obstacle()
            if not error:
                return
            wait = min(wait + facts.AMQP_RETRY_STEP, facts.AMQP_RETRY_LIMIT)

    def _obstacle(self) -> str:
        """What a new connection fails with; empty where it does not."""
        if (self.conditions or self.node.conditions or self.world.network.disturbed) and not self._resolves():
            return NO_NAME
        if not self.site.broker.answers(self):
            return REFUSED
        if self.conditions and self.value("broker_password_wrong"):
            self.site.broker.refuse(self)
            return ACCESS_REFUSED
        return ""

    def _resolves(self) -> bool:
        return self.world.network.resolves(self)

    @property
    def _broker_host(self) -> str:
        return self.site.broker.host_of(self).node.name

    def _connection_id(self) -> str:
        return self.world.streams["amqp/connection"].uuid(self.name, self.pid)
