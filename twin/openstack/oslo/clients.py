"""Requests of one service to another's API, as its client library makes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from twin.mechanics.galera import GIVEN_UP
from twin.openstack.oslo.context import Context, aside
from twin.openstack.oslo.exceptions import ConnectFailure, HttpError, SSLError

if TYPE_CHECKING:
    from twin.openstack.oslo.service import Service, Steps
    from twin.openstack.oslo.wsgi import ApiService
    from twin.openstack.site import Site


LOOKUP_TIMEOUT = 20.0
"""Seconds until a resolver gives up: eventlet's greendns tries for `EVENTLET_RESOLVER` defaults (assumed)."""
NO_NAME = "[Errno -3] Lookup timed out"
"""What eventlet's resolver raises."""
CONNECT_TIMEOUT = 127.0
"""Seconds until Linux gives up a TCP connection that nobody answers (tcp_syn_retries 6)."""

TLS_FAILED = 526
"""In place of a status: the client did not accept the certificate, and sent no request."""


class Clients:
    """The client libraries of one service."""

    def __init__(self, site: Site, caller: Service) -> None:
        self.site = site
        self.world = site.world
        self.caller = caller

    def request(self, context: Context, service: str, operation: str, method: str, uri: str, **arguments: Any) -> Steps:
        """Ask another service through the load balancer; its body. Raises HttpError for 400 or more, SSLError."""
        endpoint = self.site.endpoint(service)
        disturbed = self.world.network.disturbed or bool(self.caller.conditions) or bool(self.caller.node.conditions)
        if disturbed:
            yield from self._reach(context, endpoint, uri)
        response = yield endpoint.serve(context, operation, method, uri, **arguments)
        if disturbed:
            yield from self._cross(context, self._end(endpoint), self.caller, "answer")
        if response.status == TLS_FAILED:
            raise SSLError(response.message)
        if response.status >= 400:
            raise HttpError(service, response.status, response.message)
        return response.body

    # --- the way there -------------------------------------------------------------------------------------------

    def _end(self, endpoint: ApiService) -> Service:
        """Whom a connection to a service ends at."""
        return endpoint if endpoint.backend is None else endpoint.backend.proxy

    def _reach(self, context: Context, endpoint: ApiService, uri: str) -> Steps:
        """Look the name up, connect, send. Raises ConnectFailure."""
        network, end = self.world.network, self._end(endpoint)
        url = f"http://{end.node.name}:{endpoint.port}{uri}"
        if not network.resolves(self.caller):
            yield self.caller.clock.timeout(LOOKUP_TIMEOUT)
            raise ConnectFailure(endpoint.kind, url, NO_NAME)
        deadline = self.world.now + CONNECT_TIMEOUT
        while not network.reachable(self.caller, end):
            if self.world.now >= deadline:
                raise ConnectFailure(endpoint.kind, url, "[Errno 110] ETIMEDOUT")
            yield self.caller.clock.timeout(1.0)
        yield from self._cross(context, self.caller, end, "request")

    def _cross(self, context: Context, source: Service, target: Service, what: str) -> Steps:
        """One message of a request, as late as the network makes it; over a torn path once it is whole again."""
        key = aside(context, what)
        began = self.world.now
        while True:
            late = self.world.network.message_seconds(source, target, *key)
            if late < math.inf or self.world.now - began >= GIVEN_UP:
                break
            yield self.caller.clock.timeout(1.0)
        if 0.0 < late < math.inf:
            yield self.caller.clock.timeout(late)
