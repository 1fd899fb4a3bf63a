"""glance-api: the component."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from twin.components import Component
from twin.mechanics import openstack as facts
from twin.mechanics.layers import Layer
from twin.openstack.glance import logs
from twin.openstack.glance.images import ImageDataController, ImageRepo, ImagesController, upload_of
from twin.openstack.glance.tables import Image
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError, HTTPFault
from twin.openstack.oslo.frames import GLANCE_ENTRY
from twin.openstack.oslo.wsgi import API_METRICS, ApiService, Operation, Response
from twin.openstack.site import Site
from twin.telemetry.records import gauge

METRICS = (gauge("openstack_glance_up", "bool", None), gauge("openstack_glance_images", "images", None))


class Glance(ApiService):
    """Images, and their data. What is in the store is its DATA layer."""

    kind = "glance-api"
    layers = frozenset({*ApiService.layers, Layer.DATA})
    program = "glance-api"
    port = 9292
    wsgi_logger = "eventlet.wsgi.server"
    metrics = (*API_METRICS, *METRICS)
    unexpected_error = logs.GLANCE_FAILED
    entry = GLANCE_ENTRY

    def __init__(self, site: Site, name: str, place: Component, workers: int = 1) -> None:
        super().__init__(site, name, place, workers)
        repo = ImageRepo(self)
        images = ImagesController(self, repo)
        data = ImageDataController(self, repo)
        self._operations: dict[str, Operation] = {
            "images.list": self._calls("images.list", lambda: images.index, 200),
            "images.show": self._calls("images.show", lambda: images.show, 200),
            "images.data": self._calls("images.file", lambda: data.download, 200),
            "images.create": self._calls(
                "images.create", lambda: lambda context, **given: upload_of(images, data, context, **given), 201
            ),
            "schemas.image": self._schema,
            "images.delete": self._calls("images.delete", lambda: images.delete, 204),
        }
        cirros = Image(site.image, "cirros", facts.IMAGE_BYTES, "admin", status="active")
        cirros.os_hash_value = self.world.streams["glance/hash"].hexadecimal(128, site.image, "uploaded")
        site.images.images[site.image] = cirros

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._operations

    def on_running(self) -> None:
        if self.world.now > 0:
            workers = self.python.capacity
            self.say(logs.GLANCE_STARTING, None, workers)
            for worker in range(1, workers + 1):
                self.say(logs.GLANCE_WORKER_STARTED, None, self.pid + worker)
        super().on_running()

    def _schema(self, context: Context) -> Generator[Any, Any, Response]:
        """What properties an image has: the client reads it to understand the image."""
        yield from self.think(context, facts.API["schemas.image"].python)
        return Response(200, {}, 6283)

    def _calls(self, work: str, method: Any, status: int) -> Operation:
        cost = facts.API[work].python

        def answer(context: Context, **arguments: Any) -> Generator[Any, Any, Response]:
            yield from self.think(context, cost)
            body = yield from method()(context, **arguments)
            answered = status if body is not None or status == 204 else 204
            return Response(answered, body, _length(body))

        return answer

    def log_access(self, context: Context, method: str, uri: str, response: Response, seconds: float) -> None:
        when = datetime.fromtimestamp(self.world.epoch + self.world.now, UTC).strftime("%d/%b/%Y %H:%M:%S")
        address = self.site.address(self.node)
        self.say(logs.GLANCE_ACCESS, context, address, when, method, uri, response.status, response.length, seconds)

    def refuse(self, context: Context, error: Exception) -> Response:
        if isinstance(error, HTTPFault) or (isinstance(error, HttpError) and error.service == "keystone"):
            return super().refuse(context, error)
        self.unexpected(error)
        self.exception(self.unexpected_error, context, error, error, entry=self.entry)
        return Response(500, length=228, message="The server has either erred or is incapable of performing it.")

    def sample(self) -> Sequence[float]:
        if not self.site.answers_queries():
            return (*super().sample(), float("nan"), float("nan"))
        images = len(self.site.images.images) if self.up and self.place_up else float("nan")
        return (*super().sample(), float(self.up and self.place_up), images)


def build(site: Site, place: Component, workers: int) -> Glance:
    """glance-api with one image in its store."""
    site.glance = Glance(site, "glance-api", place, workers)
    return site.glance


def _length(body: Any) -> int:
    """Bytes of an answer's body: 1117 of one image, as recorded."""
    if body is None:
        return 0
    if isinstance(body, list):
        return 60 + 1117 * len(body)
    return 1117 if isinstance(body, dict) else int(body)
