"""One database server: connections, statements, so many at a time, row locks and a disk that may be full."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from simpy.events import Event

from twin.components import Component
from twin.mechanics import galera as limits
from twin.mechanics import openstack as facts
from twin.openstack.infrastructure import logs
from twin.openstack.oslo import logs as oslo_logs
from twin.openstack.oslo.context import Context, aside, draw
from twin.openstack.oslo.exceptions import CloudError, DBConnectionError, DBDeadlock
from twin.openstack.oslo.pool import Pool
from twin.openstack.oslo.service import Service, Steps
from twin.telemetry.records import counter, gauge

if TYPE_CHECKING:
    from twin.openstack.infrastructure.galera import Galera
    from twin.openstack.site import Site

SYNCED, DONOR, JOINER, UNDEFINED = 4, 2, 1, 0
"""`wsrep_local_state`."""
STATES = {SYNCED: "SYNCED", DONOR: "DONOR/DESYNCED", JOINER: "JOINER", UNDEFINED: "OPEN"}

GRACEFUL = frozenset({"restart", "recreate", "rollback-config", "reboot", "stopped"})
"""Reasons for which mysqld is told to stop and has the time to."""


class OperationalError(CloudError):
    """What a server refuses beyond what oslo.db has a name for: SQLAlchemy's own class comes through."""

    module = "sqlalchemy.exc"


class MySQL(Service):
    """A mysqld; alone or as a member of a Galera cluster (`twin.openstack.infrastructure.galera`).

    A batch of statements of one request runs on one session: it waits for one of `MYSQL_THREADS` places, then takes
    the statements' time. `service_time` (sessions that hold locks) multiplies that time: nothing is logged then, since
    the slow query log is off by default; the APIs get slow. What writes also waits for row locks of a runaway writer
    (`lock_share`, `lock_hold`), for room on the disk, and for the group's certification. A server that stops ends its
    sessions. Foreign sessions (`foreign_sessions`) leave fewer connections to the services.
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
        gauge("mysql_global_status_wsrep_cluster_size", "members"),
        gauge("mysql_global_status_wsrep_local_state", "state"),
        gauge("mysql_up", "bool", None),
        gauge("mysql_global_status_wsrep_ready", "bool", None),
        gauge("mysql_global_status_wsrep_cluster_status", "bool", None),
        gauge("mysql_global_status_wsrep_flow_control_paused", "ratio", None),
        gauge("mysql_global_status_wsrep_local_recv_queue", "writesets", None),
        counter("mysql_global_status_wsrep_local_cert_failures", "writesets", None),
        counter("mysql_global_status_wsrep_replicated", "writesets", None),
        counter("mysql_global_status_wsrep_received", "writesets", None),
        gauge("mysql_global_status_wsrep_last_committed", "writesets", None),
        counter('mysql_global_status_connection_errors_total{error="max_connections"}', "connections", None),
        counter("mysql_global_status_innodb_row_lock_waits", "waits", None),
        counter("mysql_global_status_innodb_row_lock_time", "ms", None),
        counter("mysql_global_status_innodb_deadlocks", "deadlocks", None),
        gauge("mysql_global_variables_max_connections", "connections", None),
    )

    def __init__(self, site: Site, name: str, place: Component, group: Galera) -> None:
        super().__init__(site, name, place)
        self.group = group
        self.threads = Pool(self.clock, facts.MYSQL_THREADS)
        self.connected = 0
        """Connections of the services, in use or idle in their pools."""
        self.wsrep = UNDEFINED
        self.primary = False
        """Whether it belongs to the component that has quorum."""
        self.committed = 0
        """The last write set it has."""
        self.applied_at = 0.0
        """When its appliers will be through with what they got."""
        self.lost_data = False
        self.silent = False
        """Whether it went with its machine: its connections are dead, and nobody tells their other ends."""
        self.writing = 0
        """Write transactions under way on it."""
        self._sessions: dict[int, Event | None] = {}
        self._opened = 0
        self._clean = True
        self._complained = -math.inf
        self._binlog = 1
        self._forget_counters()

    def _forget_counters(self) -> None:
        self._queries = self._slow_queries = self._refused = 0
        self._lock_waits = self._deadlocks = self._conflicts = self._replicated = self.received = 0
        self._lock_time = self.paused = 0.0

    # --- connections ---------------------------------------------------------------------------------------------

    @property
    def life(self) -> int:
        """Changes when the server was restarted."""
        return self._life

    @property
    def ready(self) -> bool:
        """Whether it executes statements: it runs in the primary component and has caught up."""
        return self.up and self.primary and self.wsrep in (SYNCED, DONOR)

    def admit(self) -> None:
        """Take a connection. Raises OperationalError where all are taken."""
        if self.connected >= limits.MAX_CONNECTIONS - self.value("foreign_sessions"):
            self._refused += 1
            raise OperationalError(oslo_logs.TOO_MANY_CONNECTIONS)
        self.connected += 1

    def run(self, statements: int, context: Context, write: bool) -> Steps:
        """Run statements on one session. Raises DBConnectionError where the server goes, DBDeadlock."""
        if not self.ready:
            raise DBConnectionError(oslo_logs.WSREP_NOT_READY)
        self._opened += 1
        number, began = self._opened, self.world.now
        self._sessions[number] = None
        self.writing += write
        try:
            if write and self.conditions:
                yield from self._wait_for_rows(number, context)
            if write and self.node.conditions and self.node.disk_full:
                yield from self._wait_for_room(number)
            with self.threads.slot() as slot:
                if slot.turn is not None:
                    session = self._sessions[number] = self.clock.event()
                    assert slot.turn.callbacks is not None
                    slot.turn.callbacks.append(self._wake(session))
                    if not (yield session):
                        raise DBConnectionError(oslo_logs.LOST_CONNECTION)
                took = draw(self.world, context, facts.STATEMENT * statements, self.spread)
                took *= self.value("service_time") * self.slow
                if write:
                    took += self.group.replicate(self, statements)
                session = self._sessions[number] = self.clock.event()
                self.clock.at(self.world.now + took, self._wake(session))
                if not (yield session):
                    raise DBConnectionError(oslo_logs.LOST_CONNECTION)
            if write:
                yield from self._commit(number, context)
            self.cpu_seconds += facts.STATEMENT * statements
            self._queries += statements
            if self.world.now - began > facts.LONG_QUERY_TIME:
                self._slow_queries += 1
        finally:
            self.writing -= write
            del self._sessions[number]

    def _pause(self, number: int, until: float) -> Steps:
        """Wait in a session. Raises DBConnectionError where the server goes meanwhile."""
        session = self._sessions[number] = self.clock.event()
        self.clock.at(until, self._wake(session))
        if not (yield session):
            raise DBConnectionError(oslo_logs.LOST_CONNECTION)

    def _wake(self, session: Event) -> Callable[[Event], None]:
        """A call-back that lets a session go on, unless its server is gone by then."""

        def wake(_: Event) -> None:
            if self.up and not session.triggered:
                session.succeed(True)

        return wake

    # --- writing -------------------------------------------------------------------------------------------------

    def _wait_for_rows(self, number: int, context: Context) -> Steps:
        """Meet the rows that a runaway writer holds: wait for them, or be the victim of a deadlock."""
        share = self.value("lock_share")
        if not share:
            return
        key = aside(context, "rows")
        stream = self.world.streams["mysql/locks"]
        if stream.uniform(*key, "met") >= share:
            return
        self._lock_waits += 1
        if stream.uniform(*key, "mutual") < share:  # it wants what this transaction has written already
            self._deadlocks += 1
            raise DBDeadlock(oslo_logs.DEADLOCK)
        wait = stream.between(0.0, self.value("lock_hold"), *key, "left")
        until = self.world.now + min(wait, limits.LOCK_WAIT_TIMEOUT)
        self._lock_time += 1e3 * (until - self.world.now)
        yield from self._pause(number, until)
        if wait > limits.LOCK_WAIT_TIMEOUT:
            raise DBDeadlock(oslo_logs.LOCK_WAIT)

    def _wait_for_room(self, number: int) -> Steps:
        """mysys waits for somebody to free space, and looks every minute."""
        while self.node.disk_full:
            if self.world.now - self._complained >= limits.DISK_FULL_REPRINT:
                self._complained = self.world.now
                self._last_words(logs.MYSQL_DISK_FULL, self._opened, self._binlog)
            yield from self._pause(number, self.world.now + limits.DISK_FULL_RETRY)

    def _last_words(self, template: Any, *args: Any) -> None:
        """Log on a full disk: the last block of a log file has room for a few lines."""
        self.world.recorder.log(self.world.now, self.name, template, (self.pid, *args), self.clock_offset)

    def _commit(self, number: int, context: Context) -> Steps:
        """Certification, once the group has agreed who is in it. Raises DBConnectionError, DBDeadlock."""
        while self.group.unsettled_until > self.world.now:
            yield from self._pause(number, self.group.unsettled_until)
        if not self.ready:
            raise DBConnectionError(oslo_logs.WSREP_NOT_READY)
        if self.group.conflicts(self, context):
            self._conflicts += 1
            if not self.muted:
                self.log(logs.GALERA_CONFLICT, 0, number)
            raise DBDeadlock(oslo_logs.DEADLOCK)
        self.group.committed(self)
        self._replicated += 1

    def inconsistent(self, uuid: str, sequence: int) -> None:
        """It cannot apply what the others have: it leaves the group and ends."""
        self._last_words(logs.WSREP_INCONSISTENT, 2, uuid, sequence, 1, self._opened, sequence)
        self._last_words(logs.GALERA_LEAVING, 0)
        self.die("inconsistent")

    # --- life ----------------------------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        self.log(logs.MYSQL_STARTING, 0, self.pid)
        self.log(logs.MYSQL_INNODB, 1)
        crashed = 0.0 if self._clean else limits.CRASH_RECOVERY
        yield self.clock.timeout((limits.CLEAN_START + crashed) * self._slowdown())
        if self.node.disk_full:  # no room for its temporary tables
            self._last_words(logs.MYSQL_NO_TEMPORARY, 1)
            self._last_words(logs.MYSQL_ABORTING, 0)
            return False
        self.log(logs.MYSQL_INNODB_READY, 1)
        if crashed:
            self.log(logs.MYSQL_RECOVERY, 0)
            self.log(logs.MYSQL_RECOVERED, 0)
        return bool((yield from self.group.join(self)))

    def on_running(self) -> None:
        super().on_running()
        self._forget_counters()
        self.silent = False
        self._end(list(self._sessions.values()))  # those of its former life, which it knows nothing of
        self._binlog += 1
        self._clean = False
        self.group.joined(self)
        if self.world.now > 0:
            self.log(logs.MYSQL_READY, 0)

    def on_down(self, reason: str) -> None:
        super().on_down(reason)
        self._clean = graceful = reason in GRACEFUL
        if graceful:
            self.log(logs.MYSQL_SHUTDOWN, 0)
            self.log(logs.MYSQL_STOPPED, 0)
        self.lost_data |= reason == "replace"
        self.silent = not self.place_up
        self.connected = 0
        self.primary, self.wsrep = False, UNDEFINED
        if not self.silent:
            self._end(list(self._sessions.values()))
        else:
            cut = list(self._sessions.values())
            self.clock.at(self.world.now + limits.GIVEN_UP, lambda _: self._end(cut))
        self.group.left(self, graceful)

    def end_sessions(self) -> None:
        """Whoever stands between it and its clients cuts their connections."""
        self._end(list(self._sessions.values()))

    def _end(self, sessions: list[Event | None]) -> None:
        for session in sessions:
            if session is not None and not session.triggered:
                session.succeed(False)

    def busy(self) -> bool:
        return False  # clients hold their sessions for good: there is nothing to wait for

    def place_changed(self) -> None:
        super().place_changed()
        self.group.look()

    def conditions_changed(self) -> None:
        super().conditions_changed()
        self.group.look()

    most_threads = math.inf

    @property
    def runnable_threads(self) -> float:
        return 0.1 + min(self.threads.busy, self.node.cores) / max(1.0, self.value("service_time"))

    def sample(self) -> Sequence[float]:
        uptime = self.world.now - self.started_at
        foreign = min(self.value("foreign_sessions"), limits.MAX_CONNECTIONS - self.connected)
        return (
            1 + len(self._sessions),
            1 + self.connected + foreign,
            self._queries,
            self._slow_queries,
            uptime,
            self.group.size_seen_by(self),
            self.wsrep,
            1.0,
            float(self.ready),
            float(self.primary),
            self.paused / uptime if uptime > 0 else 0.0,
            self.group.backlog(self),
            self._conflicts,
            self._replicated,
            self.received,
            self.committed,
            self._refused,
            self._lock_waits,
            self._lock_time,
            self._deadlocks,
            limits.MAX_CONNECTIONS,
        )
