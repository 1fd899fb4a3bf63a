"""memcached, and the tokens that keystonemiddleware keeps in it. Without it every token is validated again."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from twin.mechanics import memcached as limits
from twin.mechanics import openstack as facts
from twin.node import Node
from twin.openstack.oslo.service import Service
from twin.telemetry.records import counter, gauge

if TYPE_CHECKING:
    from twin.openstack.site import Site


class Memcached(Service):
    """A cache that holds so many tokens; the least recently used goes first. It says nothing."""

    kind = "memcached"
    logs_oslo = False
    program = "memcached"
    metrics = (
        gauge("memcached_up", "bool", None),
        gauge("memcached_current_items", "items", None),
        gauge("memcached_current_bytes", "bytes", None),
        gauge("memcached_limit_bytes", "bytes", None),
        gauge("memcached_current_connections", "connections", None),
        counter('memcached_commands_total{command="get",status="hit"}', "commands", None),
        counter('memcached_commands_total{command="get",status="miss"}', "commands", None),
        counter('memcached_commands_total{command="set",status="hit"}', "commands", None),
        counter("memcached_items_evicted_total", "items", None),
    )

    def __init__(self, site: Site, name: str, place: Node) -> None:
        super().__init__(site, name, place)
        self._until: dict[str, float] = {}
        self._clients: set[str] = set()
        self._hits = self._misses = self._sets = self._evicted = 0

    def get(self, key: str, client: str) -> bool:
        """Whether it has an item that is still valid."""
        self._clients.add(client)
        until = self._until.pop(key, -1.0)
        if until < self.world.now:
            self._misses += 1
            return False
        self._until[key] = until  # the most recently used is the last
        self._hits += 1
        return True

    def put(self, key: str, until: float) -> None:
        """Keep an item until the given second, or until it is the least recently used of too many."""
        self._until.pop(key, None)
        self._until[key] = until
        self._sets += 1
        if len(self._until) > limits.MOST_ITEMS:
            del self._until[next(iter(self._until))]
            self._evicted += 1

    @property
    def resident_memory(self) -> float:
        return 5e6 + limits.ITEM_BYTES * float(len(self._until))

    def startup(self) -> Generator[Any, Any, bool]:
        yield self.clock.timeout(limits.STARTUP * self._slowdown())
        return True

    def on_running(self) -> None:
        super().on_running()
        self._until.clear()
        self._clients.clear()
        self._hits = self._misses = self._sets = self._evicted = 0

    def busy(self) -> bool:
        return False

    def sample(self) -> Sequence[float]:
        items = len(self._until)
        used = items * limits.ITEM_BYTES
        connections = 1 + len(self._clients)
        counts = (self._hits, self._misses, self._sets, self._evicted)
        return (1.0, items, used, limits.LIMIT_BYTES, connections, *counts)


class TokenCache:
    """keystonemiddleware's cache of one service: in memcached where there is one, else in its process.

    A server that does not answer is left alone for `DEAD_RETRY` seconds, in which nothing is cached.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._own: dict[str, float] = {}
        self._dead_until = 0.0

    def knows(self, token: str) -> tuple[bool, float]:
        """Whether a token is known to be valid, and the seconds that were lost on a silent server."""
        server, lost = self._server()
        if server is None:
            known = self._service.site.memcached is None and self._own.get(token, -1.0) >= self._service.world.now
            return known, lost
        return server.get(token, self._service.name), 0.0

    def add(self, token: str) -> None:
        """A token was validated."""
        now = self._service.world.now
        server, _ = self._server()
        if server is not None:
            server.put(token, now + facts.TOKEN_CACHE_TIME)
        elif self._service.site.memcached is None:
            if len(self._own) > 1000:
                self._own = {known: until for known, until in self._own.items() if until >= now}
            self._own[token] = now + facts.TOKEN_CACHE_TIME

    def forget(self) -> None:
        """A new process."""
        self._own.clear()
        self._dead_until = 0.0

    def _server(self) -> tuple[Memcached | None, float]:
        service = self._service
        server, world = service.site.memcached, service.world
        if server is None or world.now < self._dead_until:
            return None, 0.0
        silent = not server.place_up or (world.network.disturbed and not world.network.reachable(service, server))
        if silent or not server.up:
            self._dead_until = world.now + limits.DEAD_RETRY
            return None, limits.SOCKET_TIMEOUT if silent else 0.0
        return server, 0.0
