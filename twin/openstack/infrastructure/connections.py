"""The services' connections to the database: pools of idle ones, and how a new one finds a server."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from twin.mechanics import galera as limits
from twin.mechanics import haproxy as balancing
from twin.mechanics import openstack as facts
from twin.mechanics.network import HEALTHY
from twin.openstack.infrastructure.mysql import MySQL
from twin.openstack.oslo import logs as oslo_logs
from twin.openstack.oslo.clients import LOOKUP_TIMEOUT, NO_NAME
from twin.openstack.oslo.context import Context, aside
from twin.openstack.oslo.exceptions import DBConnectionError
from twin.openstack.oslo.service import Service, Steps

if TYPE_CHECKING:
    from twin.openstack.infrastructure.backends import Backend
    from twin.openstack.infrastructure.galera import Galera


def cannot_connect(host: str, reason: str = "[Errno 111] ECONNREFUSED") -> str:
    """pymysql's error where nobody takes the connection."""
    return f"(pymysql.err.OperationalError) (2003, \"Can't connect to MySQL server on '{host}' ({reason})\")"


class Connection(NamedTuple):
    """A connection of a service's pool."""

    server: MySQL
    life: int
    opened: float


class Connections:
    """SQLAlchemy's pools of all services, and the way through the load balancer where there is one.

    Without a balancer a dead server refuses (2003). HAProxy accepts every connection and closes those that it cannot
    hand on, after its retries: a client sees 2013, and 2003 only where HAProxy itself is away.
    """

    def __init__(self, group: Galera) -> None:
        self.group = group
        self.world = group.world
        self.clock = group.clock
        self.balancer: Backend | None = None
        self.recycle = limits.CONNECTION_RECYCLE
        """Seconds after which a connection is replaced when it is next used."""
        self._idle: dict[str, deque[Connection]] = {}
        self._stale: dict[str, int] = {}
        """Engines of a service that have not found out yet that their connections are cut, by component."""

    def execute(self, service: Service, statements: int, context: Context, write: bool = False) -> Steps:
        """Run a batch of statements as one transaction. Raises DBConnectionError, DBDeadlock, OperationalError."""
        pool = self._idle.get(service.name)
        if pool is None:
            pool = self._idle[service.name] = deque()
        connection = self._idle_one(pool)
        if connection is None:
            connection = yield from self._connect(service, context)
        server = connection.server
        if server.silent:
            yield from self._wait_in_vain(connection, pool)
        if self.world.network.disturbed:
            yield from self._cross(service, server, statements, context)
        try:
            yield from server.run(statements, context, write)
        except DBConnectionError:
            self._close(connection)
            self._invalidate(pool)
            raise
        except BaseException:
            self._close(connection)
            raise
        if connection.life == server.life and len(pool) < service.python.capacity * facts.POOL_IDLE:
            pool.append(connection)
        else:
            self._close(connection)

    def broken(self, service: Service) -> bool:
        """Whether the idle connection that a service would use next has been cut; then all that are idle are dropped.

        oslo.db tests a connection before it is used, and says so where it finds it disconnected.
        """
        pool = self._idle.get(service.name)
        stale = self._stale.get(service.name, 0)
        if stale:  # another engine, of another worker or to another database, has its turn
            self._stale[service.name] = stale - 1
            return True
        if not pool:
            return False
        first = pool[0]
        if first.server.silent or (first.life == first.server.life and first.server.up):
            return False
        young = self.world.now - first.opened <= self.recycle
        self._invalidate(pool)
        if young:
            self._stale[service.name] = service.python.capacity * facts.ENGINES.get(service.kind, 1) - 1
        return young  # an older one would have been replaced untested

    def forget(self, service: Service) -> None:
        """A service's process is gone, and its connections with it."""
        self._stale.pop(service.name, None)
        pool = self._idle.get(service.name)
        if pool:
            self._invalidate(pool)

    def _wait_in_vain(self, connection: Connection, pool: deque[Connection]) -> Steps:
        """The server's machine is dead and has told nobody: TCP tries for a quarter of an hour, or until it is back."""
        deadline = self.world.now + limits.GIVEN_UP
        while connection.server.silent and self.world.now < deadline:
            yield self.clock.timeout(5.0)
        self._invalidate(pool)
        raise DBConnectionError(oslo_logs.LOST_CONNECTION)

    # --- the pool ------------------------------------------------------------------------------------------------

    def _idle_one(self, pool: deque[Connection]) -> Connection | None:
        """The next idle connection that is neither cut nor too old."""
        oldest = self.world.now - self.recycle
        while pool:
            connection = pool.popleft()
            server = connection.server
            if connection.opened >= oldest and (server.silent or (connection.life == server.life and server.up)):
                return connection
            self._close(connection)
        return None

    def _close(self, connection: Connection) -> None:
        if connection.life == connection.server.life and connection.server.up:
            connection.server.connected -= 1

    def _invalidate(self, pool: deque[Connection]) -> None:
        while pool:
            self._close(pool.popleft())

    def shut_down_sessions(self, server: MySQL) -> None:
        """HAProxy's `shutdown sessions server`: every connection to a server ends, idle or at work."""
        for pool in self._idle.values():
            for _ in range(len(pool)):
                connection = pool.popleft()
                if connection.server is server and connection.life == server.life:
                    self._close(connection)
                    connection = connection._replace(life=-1)
                pool.append(connection)
        server.end_sessions()

    # --- the way to a server -------------------------------------------------------------------------------------

    def _connect(self, service: Service, context: Context) -> Steps:
        """Open a connection. Raises DBConnectionError, OperationalError (too many)."""
        if self.balancer is not None:
            server = yield from self._balanced(service, self.balancer, context)
        else:
            server = self.group.servers[0]
            yield from self._reach(service, server, server.node.name)
            if not server.up:
                raise DBConnectionError(cannot_connect(server.node.name))
        server.admit()
        return Connection(server, server.life, self.world.now)

    def _reach(self, service: Service, target: Service, host: str) -> Steps:
        """Nothing answers where the name does not resolve, the machine is off or the network cut."""
        network = self.world.network
        if (network.disturbed or service.conditions or service.node.conditions) and not network.resolves(service):
            yield self.clock.timeout(LOOKUP_TIMEOUT)
            raise DBConnectionError(cannot_connect(host, NO_NAME))
        if target.node.up and (not network.disturbed or network.reachable(service, target)):
            return
        yield self.clock.timeout(limits.CONNECT_TIMEOUT)
        raise DBConnectionError(cannot_connect(host, "timed out"))

    def _balanced(self, service: Service, balancer: Backend, context: Context) -> Steps:
        """HAProxy takes the connection and tries the server that it believes in."""
        proxy = balancer.proxy
        yield from self._reach(service, proxy, proxy.address)
        if not proxy.up:
            raise DBConnectionError(cannot_connect(proxy.address))
        key = aside(context, "connect")
        for attempt in range(balancing.RETRIES + 1):
            server = balancer.pick()
            if server is None:
                break
            refusal = balancer.attempt(server, *key, attempt)
            if refusal is None:
                assert isinstance(server.process, MySQL)
                return server.process
            yield self.clock.timeout(refusal)
        raise DBConnectionError(oslo_logs.LOST_CONNECTION)

    def _cross(self, service: Service, server: MySQL, statements: int, context: Context) -> Steps:
        """Statements on their way through a disturbed network: later, or not before TCP gives up."""
        network = self.world.network
        hops = [service, server] if self.balancer is None else [service, self.balancer.proxy, server]
        began = self.world.now
        while not all(network.reachable(a, b) for a, b in pairwise(hops)):
            if self.world.now - began > limits.GIVEN_UP:
                raise DBConnectionError(oslo_logs.LOST_CONNECTION)
            yield self.clock.timeout(1.0)
        late = 0.0
        key = aside(context, "statements")
        for a, b in pairwise(hops):
            if network.path(a, b) is HEALTHY and network.path(b, a) is HEALTHY:
                continue
            for statement in range(statements):
                late += network.message_seconds(a, b, *key, statement, "there")
                late += network.message_seconds(b, a, *key, statement, "back")
        if late:
            yield self.clock.timeout(min(late, limits.GIVEN_UP))
