"""What every OpenStack service is: workers, handlers that die with their process, a pool of database connections."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from simpy.exceptions import Interrupt

from twin.components import Component
from twin.mechanics import openstack as facts
from twin.mechanics.conditions import PARAMETERS
from twin.mechanics.galera import DB_RETRIES, DB_RETRY_INTERVAL, DB_RETRY_LIMIT
from twin.mechanics.layers import Layer
from twin.node import Node
from twin.openstack.dialects import SPOKEN
from twin.openstack.mutation import mutants
from twin.openstack.oslo import logs, notifications, traceback
from twin.openstack.oslo.clients import Clients
from twin.openstack.oslo.context import Context, draw
from twin.openstack.oslo.exceptions import (
    CloudError,
    DBConnectionError,
    DBDeadlock,
    DBError,
    PoolTimeout,
    described,
    summary,
)
from twin.openstack.oslo.frames import Frame
from twin.openstack.oslo.pool import Pool
from twin.process import Process, State
from twin.telemetry.lines.oslo import EXCEPTION_LINE, SUMMARY
from twin.telemetry.records import Level, LogTemplate, counter, gauge

if TYPE_CHECKING:
    from twin.openstack.oslo.flow import Flow
    from twin.openstack.site import Site

Steps = Generator[Any, Any, Any]
"""A SimPy generator: what a handler does, step by step."""

PROCESS_METRICS = (gauge("process_resident_memory_bytes", "bytes"), counter("process_cpu_seconds_total", "s"))

SETTINGS = ("broker_password_wrong", "cpu_allocation_ratio")
"""Conditions that are settings which a service reads when it starts."""
DEPLOYED = tuple(PARAMETERS[name].neutral for name in SETTINGS)


class Service(Process):
    """A service under a supervisor that restarts it with growing back-off."""

    kind: ClassVar[str]
    layers = frozenset({*Process.layers, Layer.CREDENTIALS})
    logs_oslo: ClassVar[bool] = True

    def __init__(self, site: Site, name: str, place: Component, workers: int = 1) -> None:
        super().__init__(site.world, name, place)
        self.site = site
        self.clock = site.world.clock
        self.python = Pool(self.clock, workers)
        """Worker processes: each runs one thing at a time."""
        self.connections = Pool(self.clock, workers * facts.POOL_SIZE)
        self.clients = Clients(site, self)
        """Through which it asks other services."""
        self.flows: list[Flow] = []
        """Its program, class by class."""
        self.mutants: mutants.Mutants | None = None
        """What is wrong with its program."""
        self.spoken = SPOKEN.get(site.world.dialect, {})
        self.notifying = site.world.spec.telemetry.notifications == "log"
        self.debugging = site.world.spec.telemetry.level == "DEBUG"
        self.cpu_seconds = 0.0
        self.slow = 1.0
        """How many times longer work takes on its node now."""
        self._settings = DEPLOYED
        self._handlers: dict[int, Any] = {}
        self._handled = 0

    pace = 1.0
    """How many times longer work takes on its machine, idle, than on CloudLab's."""
    spread = facts.SPREAD
    """Deviation of the logarithm of a service time on its machine."""

    # --- what the supervisor and the kernel see ------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        yield self.clock.timeout(facts.STARTUP[self.kind] * self._slowdown())
        return True

    def restart_delay(self) -> float | None:
        if self.world.now - self.started_at > facts.RESTART_FORGET:
            self.deaths = 1
        return facts.restart_delay(self.deaths)

    def conditions_changed(self) -> None:
        mutants.keep(self)
        self.python.hold(int(self.value("workers_held")))
        super().conditions_changed()
        settings = tuple(self.value(name) for name in SETTINGS) if self.conditions else DEPLOYED
        if settings != self._settings:
            self._settings = settings
            if self.up:  # a rollout starts the service anew with what it brings
                self.stop("restart")
                self.start()

    def on_running(self) -> None:
        self.slow = self._slowdown()

    def on_down(self, reason: str) -> None:
        if reason in ("restart", "recreate", "rollback-config") and self.logs_oslo:
            self.on_sigterm()
        self.cpu_seconds = 0.0
        for handler in list(self._handlers.values()):
            handler.interrupt(reason)
        self.site.database.forget(self)

    def on_sigterm(self) -> None:
        """What it says when it is told to end."""
        self.say(logs.SIGTERM, None)

    def busy(self) -> bool:
        return bool(self._handlers)

    def place_changed(self) -> None:
        self.slow = self._slowdown()

    @property
    def resident_memory(self) -> float:
        return facts.RESIDENT[self.kind]

    most_threads = math.inf

    @property
    def runnable_threads(self) -> float:
        return 0.1 + self.python.busy

    @property
    def accepting(self) -> bool:
        """Whether it takes new work."""
        return self.state is State.RUNNING

    @property
    def node(self) -> Node:
        """The node it runs on."""
        assert isinstance(self.place, Node)
        return self.place

    def _slowdown(self) -> float:
        return self.node.slowdown * self.pace

    # --- work ----------------------------------------------------------------------------------------------------

    def spawn(self, steps: Steps) -> None:
        """Do `steps` in a handler; it is interrupted when the process goes."""
        self._handled += 1
        number = self._handled
        self._handlers[number] = self.clock.process(self._guarded(steps, number))

    def _guarded(self, steps: Steps, number: int) -> Steps:
        try:
            yield from steps
        except Interrupt:
            pass
        except Exception as error:  # a thread of eventlet ends; what it prints goes to no log
            self.unexpected(error)
        finally:
            del self._handlers[number]

    def unexpected(self, error: BaseException) -> None:
        """Raise an error again that no mutation can have caused: it is a bug of the twin, and must not be hidden.

        So is the end of the process, which no program outlives.
        """
        if isinstance(error, Interrupt) or (not self.site.mutated and not isinstance(error, CloudError)):
            raise error

    def think(self, context: Context, seconds: float) -> Steps:
        """Run Python for a median of `seconds`, on one worker."""
        with self.python.slot() as slot:
            if slot.turn is not None:
                yield slot.turn
            took = draw(self.world, context, seconds, self.spread) * self.slow
            self.cpu_seconds += took
            yield self.clock.timeout(took)

    def sql(self, context: Context, statements: int, write: bool = False) -> Steps:
        """Run SQL statements as one transaction, over one connection of the pool. Raises DBError, PoolTimeout.

        Where the error is one for which its program tries again (`retriable`), it does, as oslo.db's `wrap_db_retry`.
        """
        retries, pause = self.db_retries, self.db_retry_interval
        while True:
            try:
                yield from self.sql_once(context, statements, write)
                return
            except self.retriable as error:
                if not retries:
                    self.exception(logs.DATABASE_RETRIES_EXCEEDED, context, error)
                    raise
            retries -= 1
            yield self.clock.timeout(pause)
            pause = min(2.0 * pause, DB_RETRY_LIMIT)

    retriable: ClassVar[tuple[type[DBError], ...]] = (DBDeadlock,)
    """Errors after which a statement is tried again, `db_retries` times with growing pauses."""
    db_retries: ClassVar[int] = DB_RETRIES
    db_retry_interval: ClassVar[float] = DB_RETRY_INTERVAL

    def sql_once(self, context: Context, statements: int, write: bool = False) -> Steps:
        """Run SQL statements without a second try. Raises DBError, PoolTimeout."""
        with self.connections.slot() as slot:
            if slot.turn is not None:
                slot.give_up_at(self.world.now + facts.POOL_TIMEOUT)
                if not (yield slot.turn):
                    raise PoolTimeout(logs.POOL_LIMIT)
            database = self.site.database
            if database.broken(self):
                self._reconnect_database(context)
            yield from database.execute(self, statements, context, write)

    def _reconnect_database(self, context: Context) -> None:
        try:
            raise DBConnectionError(f"{logs.LOST_CONNECTION}\n[SQL: SELECT 1]")
        except DBConnectionError as error:
            self.exception(logs.DATABASE_LOST, context, error)

    def work(self, context: Context, work: facts.Work) -> Steps:
        """Python, then statements."""
        yield from self.think(context, work.python)
        if work.statements:
            yield from self.sql(context, work.statements)

    # --- telemetry -----------------------------------------------------------------------------------------------

    def say(self, template: LogTemplate, context: Context | None, *args: Any, instance: str | None = None) -> None:
        """Reach a log statement of a service that logs through oslo.log, as its release has it.

        An exception as the last field is what is being handled: its summary where the statement takes one, or its text.
        """
        spoken = self.spoken.get(template.id, template)
        if spoken is None or (spoken.level is Level.DEBUG and not self.debugging):
            return
        if args and isinstance(args[-1], BaseException):
            error = args[-1]
            said = summary(error) if template.text.endswith(SUMMARY) else str(error).partition("\n")[0]
            args = (*args[:-1], said)
        self.log(spoken, context.request if context is not None else None, instance, *args)

    def debug(self, template: LogTemplate, context: Context | None, *args: Any, instance: str | None = None) -> None:
        """Reach a DEBUG statement, which is recorded where the scenario wants that much."""
        if self.debugging or template.id in self.spoken:
            self.say(template, context, *args, instance=instance)

    def exception(
        self,
        head: LogTemplate,
        context: Context | None,
        error: BaseException,
        *args: Any,
        instance: str | None = None,
        entry: tuple[Frame, ...] = (),
    ) -> None:
        """Log an error as oslo.log does: a head whose last field is the error, then a record for each line of trace."""
        spoken = self.spoken.get(head.id, head)
        if spoken is None:
            return
        said = summary(error) if head.text.endswith(SUMMARY) else described(error)
        self.say(head, context, *args, said, instance=instance)
        body = _traceback_of(spoken)
        for line in traceback.lines(error, entry):
            self.log(body, EXCEPTION_LINE, instance, line)

    def notify(self, context: Context, event: str, **payload: Any) -> None:
        """Send a notification, where the scenario has them on."""
        if self.notifying:
            self.say(notifications.statement(event), context, notifications.body(self, context, event, payload))

    def process_sample(self) -> tuple[float, float]:
        """Values of `PROCESS_METRICS`, absent while the process is down."""
        if not self.up:
            return (float("nan"), float("nan"))
        return (self.resident_memory, self.cpu_seconds)


@cache
def _traceback_of(head: LogTemplate) -> LogTemplate:
    """The statement that prints a line of the traceback below a head."""
    return replace(head, id=f"{head.id}.trace", text="{}")


def connect(caller: Component, *callees: Component) -> None:
    """Note whom a component calls."""
    caller.depends_on += callees
