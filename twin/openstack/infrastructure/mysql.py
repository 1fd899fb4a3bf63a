"""The database server: sessions, statements, and so many at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from simpy.events import Event

from twin.components import Component
from twin.mechanics import openstack as facts
from twin.openstack.infrastructure import logs
from twin.openstack.oslo import logs as oslo_logs
from twin.openstack.oslo.context import Context, draw
from twin.openstack.oslo.exceptions import DBConnectionError
from twin.openstack.oslo.pool import Pool
from twin.openstack.oslo.service import Service, Steps
from twin.telemetry.records import counter, gauge

if TYPE_CHECKING:
    from twin.openstack.site import Site


class MySQL(Service):
    """MySQL as all services share it.

    A batch of statements of one request runs on one session: it waits for one of `MYSQL_THREADS` places, then takes
    the statements' time. `service_time` (sessions that hold locks) multiplies that time: nothing is logged then, since
    the slow query log is off by default; the APIs get slow. A server that stops ends its sessions.
    """

    kind = "mysql"
    logs_oslo = False
    program = "mysqld"
    metrics = (
        gauge("mysql_global_status_threads_running", "threads"),
        gauge("mysql_global_status_threads_connected", "connections"),
        counter("mysql_global_status_queries", "statements"),
        counter("mysql_global_status_slow_queries", "statements"),
        gauge("mysql_global_status_uptime", "s"),
    )

    def __init__(self, site: Site, name: str, place: Component) -> None:
        super().__init__(site, name, place)
        self.threads = Pool(self.clock, facts.MYSQL_THREADS)
        self._sessions: dict[int, Event] = {}
        self._opened = 0
        self._in_use: dict[str, int] = {}
        self._idle: dict[str, int] = {}
        self._queries = 0
        self._slow_queries = 0

    @property
    def life(self) -> int:
        """Changes when the server was restarted."""
        return self._life

    def execute(self, client: str, statements: int, context: Context) -> Steps:
        """Run statements on one session of `client`. Raises DBConnectionError where the server is gone or goes."""
        if not self.up:
            raise DBConnectionError(oslo_logs.CANNOT_CONNECT)
        self._opened += 1
        number = self._opened
        session = self._sessions[number] = self.clock.event()
        in_use = self._in_use[client] = self._in_use.get(client, 0) + 1
        self._idle[client] = max(self._idle.get(client, 0), min(in_use, facts.POOL_IDLE))
        began = self.world.now
        try:
            with self.threads.slot() as slot:
                if slot.turn is not None:
                    assert slot.turn.callbacks is not None
                    slot.turn.callbacks.append(_wake(session))
                    if not (yield session):
                        raise DBConnectionError(oslo_logs.LOST_CONNECTION)
                    session = self._sessions[number] = self.clock.event()
                took = draw(self.world, context, facts.STATEMENT * statements, facts.SPREAD) * self._stretch()
                self.clock.at(self.world.now + took, _wake(session))
                if not (yield session):
                    raise DBConnectionError(oslo_logs.LOST_CONNECTION)
            self.cpu_seconds += facts.STATEMENT * statements
            self._queries += statements
            if self.world.now - began > facts.LONG_QUERY_TIME:
                self._slow_queries += 1
        finally:
            del self._sessions[number]
            self._in_use[client] -= 1

    def startup(self) -> Generator[Any, Any, bool]:
        self.log(logs.MYSQL_STARTING, 0, self.pid)
        self.log(logs.MYSQL_INNODB, 1)
        yield self.clock.timeout(facts.STARTUP[self.kind] * self._slowdown())
        self.log(logs.MYSQL_INNODB_READY, 1)
        return True

    def on_running(self) -> None:
        super().on_running()
        self._queries = self._slow_queries = 0
        if self.world.now > 0:
            self.log(logs.MYSQL_READY, 0)

    def on_down(self, reason: str) -> None:
        super().on_down(reason)
        if reason in ("restart", "recreate", "reboot"):
            self.log(logs.MYSQL_SHUTDOWN, 0)
            self.log(logs.MYSQL_STOPPED, 0)
        self._idle.clear()
        for session in list(self._sessions.values()):
            if not session.triggered:
                session.succeed(False)

    def busy(self) -> bool:
        return False  # clients hold their sessions for good: there is nothing to wait for

    most_threads = math.inf

    @property
    def runnable_threads(self) -> float:
        return 0.1 + min(self.threads.busy, self.node.cores) / max(1.0, self.value("service_time"))

    def sample(self) -> Sequence[float]:
        running = len(self._sessions)
        connected = sum(self._idle.values()) + sum(max(0, n - facts.POOL_IDLE) for n in self._in_use.values())
        return (1 + running, 1 + connected, self._queries, self._slow_queries, self.world.now - self.started_at)

    def _stretch(self) -> float:
        return self.value("service_time") * self.slow


def _wake(session: Event) -> Callable[[Event], None]:
    """A call-back that lets a session go on, unless its server is gone by then."""

    def wake(_: Event) -> None:
        if not session.triggered:
            session.succeed(True)

    return wake
