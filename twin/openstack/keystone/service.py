"""keystone: the component."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from twin.components import Component
from twin.openstack.keystone import logs
from twin.openstack.keystone.exception import TokenNotFound, Unauthorized
from twin.openstack.keystone.token import AuthResource
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import described
from twin.openstack.oslo.frames import KEYSTONE_ENTRY
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import API_METRICS, ApiService, Operation, Response
from twin.openstack.site import Site
from twin.telemetry.records import gauge

METRICS = (gauge("openstack_identity_up", "bool", None), gauge("openstack_identity_users", "users", None))
USERS = 14
"""Of the services and of those who use the cloud (assumed)."""


class Keystone(ApiService):
    """Identity: issues tokens and validates them. Silent at INFO: Apache keeps the access log."""

    kind = "keystone"
    program = "keystone-wsgi"
    port = 5000
    wsgi_logger = ""
    metrics = (*API_METRICS, *METRICS)
    unexpected_error = logs.KEYSTONE_FAILED
    entry = KEYSTONE_ENTRY

    def __init__(self, site: Site, name: str, place: Component, workers: int = 1) -> None:
        super().__init__(site, name, place, workers)
        self.auth = AuthResource(self)
        self._operations: dict[str, Operation] = {
            "token": self._token,
            "validate": self._validate,
            "revoke": self._revoke,
        }

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._operations

    def authenticate(self, context: Context) -> Steps:
        """It is who is asked."""
        yield from ()

    def log_request(self, context: Context, method: str, uri: str) -> None:
        for statement in (logs.KEYSTONE_METHOD, logs.KEYSTONE_SCRIPT, logs.KEYSTONE_PATH):
            self.debug(statement, context, method, "", uri.partition("?")[0])

    def _token(self, context: Context, user: str = "") -> Generator[Any, Any, Response]:
        body = yield from self.auth.post(context)
        return Response(201, body, 7800)

    _policy_read = True
    """Whether the process has read its policy: it does at the first request that needs it."""

    def on_running(self) -> None:
        super().on_running()
        self._policy_read = self.world.now == 0

    def _validate(self, context: Context, token: str = "", own: str = "") -> Generator[Any, Any, Response]:
        if not self._policy_read:
            self._policy_read = True
            self.say(logs.POLICY_DEPRECATED, context)
        body = yield from self.auth.get(context, own, token)
        return Response(200, body, 7800)

    def _revoke(self, context: Context, token: str) -> Generator[Any, Any, Response]:
        yield from self.auth.delete(context, token)
        return Response(204)

    def refuse(self, context: Context, error: Exception) -> Response:
        if isinstance(error, Unauthorized):
            self.say(logs.AUTHORIZATION_FAILED, context, error, self.site.address(self.node))
            return Response(401, length=114, message=f"{error} (HTTP 401)")
        if isinstance(error, TokenNotFound):
            self.exception(logs.KEYSTONE_ERROR, context, error, error, entry=self.entry)
            return Response(404, length=96, message=str(error))
        self.unexpected(error)
        self.exception(self.unexpected_error, context, error, entry=self.entry)
        return Response(500, length=143, message=described(error))

    def sample(self) -> Sequence[float]:
        if not self.site.answers_queries():
            return (*super().sample(), float("nan"), float("nan"))
        return (*super().sample(), 1.0, USERS)


def build(site: Site, place: Component, workers: int) -> Keystone:
    """keystone on a controller."""
    site.keystone = Keystone(site, "keystone", place, workers)
    return site.keystone
