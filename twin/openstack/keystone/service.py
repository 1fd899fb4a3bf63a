"""keystone: the component."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from twin.components import Component
from twin.mechanics import openstack as facts
from twin.openstack.keystone import logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import ApiService, Operation, Response
from twin.openstack.site import Site


class Keystone(ApiService):
    """Identity: issues tokens and validates them. Silent at INFO: Apache keeps the access log."""

    kind = "keystone"
    program = "keystone-wsgi"
    port = 5000
    wsgi_logger = ""
    unexpected_error = logs.KEYSTONE_FAILED

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {"token": self._token, "validate": self.plain("validate")}

    def authenticate(self, context: Context) -> Steps:
        """It is who is asked."""
        yield from ()

    def _token(self, context: Context) -> Generator[Any, Any, Response]:
        yield from self.work(context, facts.API["token"])
        if self.world.streams["keystone/password"].uniform(*context.trace.key) < 0.1:  # a long password
            self.say(logs.KEYSTONE_PASSWORD, context)
        return Response(201, length=7800)


def build(site: Site, place: Component, workers: int) -> Keystone:
    """keystone on a controller."""
    site.keystone = Keystone(site, "keystone", place, workers)
    return site.keystone
