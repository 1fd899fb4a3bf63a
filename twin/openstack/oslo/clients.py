"""Requests of one service to another's API, as its client library makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError, SSLError

if TYPE_CHECKING:
    from twin.openstack.oslo.service import Steps
    from twin.openstack.site import Site


TLS_FAILED = 526
"""In place of a status: the client did not accept the certificate, and sent no request."""


class Clients:
    """The client libraries of one service."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def request(self, context: Context, service: str, operation: str, method: str, uri: str, **arguments: Any) -> Steps:
        """Ask another service through the load balancer; its body. Raises HttpError for 400 or more, SSLError."""
        response = yield self.site.endpoint(service).serve(context, operation, method, uri, **arguments)
        if response.status == TLS_FAILED:
            raise SSLError(response.message)
        if response.status >= 400:
            raise HttpError(service, response.status, response.message)
        return response.body
