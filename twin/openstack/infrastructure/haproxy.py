"""HAProxy: one address for services that run on several machines. Its checks, its log and its counters.

What it does with servers and requests is in `twin.openstack.infrastructure.backends`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from twin.components import Component
from twin.mechanics import haproxy as limits
from twin.node import Node
from twin.openstack.infrastructure import logs
from twin.openstack.infrastructure.backends import Backend, Server
from twin.openstack.oslo.service import Service
from twin.openstack.oslo.wsgi import TLS_PROBE
from twin.telemetry.records import LogTemplate, Metric, counter, gauge

if TYPE_CHECKING:
    from twin.openstack.infrastructure.galera import Galera
    from twin.openstack.site import Site


class HAProxy(Service):
    """The load balancer on a controller. Its series of an API's back end are scraped with that API's own."""

    kind = "haproxy"
    logs_oslo = False
    program = "haproxy"
    metrics: tuple[Metric, ...] = (
        counter("haproxy_process_requests_total", "requests", None),
        gauge("haproxy_process_current_connections", "connections", None),
        gauge('haproxy_backend_active_servers{proxy="mysql_back"}', "servers"),
        gauge('haproxy_backend_backup_servers{proxy="mysql_back"}', "servers"),
        counter('haproxy_backend_retry_warnings_total{proxy="mysql_back"}', "retries", None),
        counter('haproxy_backend_redispatch_warnings_total{proxy="mysql_back"}', "retries", None),
        counter('haproxy_backend_check_up_down_total{proxy="mysql_back"}', "changes", None),
        TLS_PROBE,
    )

    def __init__(self, site: Site, name: str, place: Component) -> None:
        super().__init__(site, name, place)
        self.backends: dict[str, Backend] = {}
        self.requests = 0
        self._checks = 0
        self._checking = 0

    @property
    def address(self) -> str:
        """The address that it listens on."""
        return self.site.address(self.node)

    def add(self, kind: str, processes: Sequence[Service], one_at_a_time: bool = False) -> Backend:
        """A back end of processes named after their machines; all but the first are backups if `one_at_a_time`."""
        servers = [Server(process.node.name, process, one_at_a_time and i > 0) for i, process in enumerate(processes)]
        backend = self.backends[kind] = Backend(self, kind, servers, galera=kind == "mysql")
        return backend

    def endpoint(self, kind: str) -> Backend:
        """The back end of a kind of service."""
        return self.backends[kind]

    def tell(self, template: LogTemplate, *args: Any) -> None:
        """Log through syslog."""
        self.log(template, self.node.name, *args)

    # --- life ----------------------------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        yield self.clock.timeout(limits.STARTUP * self._slowdown())
        return True

    def on_running(self) -> None:
        super().on_running()
        self._checking += 1
        number = self._checking
        for backend in self.backends.values():
            for server in backend.servers:  # a new process takes all for up until it has checked
                server.up, server.streak, server.waiting = True, limits.FALL - 1, False
            backend.select()
            if self.world.now > 0:
                self.tell(logs.HAPROXY_STARTED, f"{backend.name}_back")
        phase = self.world.streams["haproxy/check"].between(0.0, limits.INTER, self.name, self._life)
        self.clock.at(self.world.now + phase, lambda _: self._check(number))

    def _check(self, number: int) -> None:
        if number != self._checking or not self.up:
            return
        self._checks += 1
        for backend in self.backends.values():
            backend.check(self._checks)
        self.clock.at(self.world.now + limits.INTER, lambda _: self._check(number))

    def on_down(self, reason: str) -> None:
        super().on_down(reason)
        self._checking += 1

    def busy(self) -> bool:
        return False

    @property
    def resident_memory(self) -> float:
        return limits.RESIDENT

    def sample(self) -> Sequence[float]:
        open_now = sum(backend.sessions for backend in self.backends.values())
        mysql = self.backends["mysql"]
        counts = (mysql.retries, mysql.redispatches, mysql.changes)
        handshake = self.up and not self.value("certificate_expired")
        return (self.requests, open_now, mysql.active, mysql.spare, *counts, float(handshake))


def build(site: Site, node: Node) -> HAProxy:
    """The balancer, without back ends yet (`HAProxy.add`)."""
    return HAProxy(site, "haproxy", node)


def balance_database(proxy: HAProxy, cluster: Galera) -> None:
    """Send all sessions to one server, the others being backups, as kolla-ansible does."""
    cluster.connections.balancer = proxy.add("mysql", cluster.servers, one_at_a_time=True)
