"""cinder-api: the component, what it answers, and how it turns errors into answers."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from twin.components import Component
from twin.mechanics import cinder as facts
from twin.openstack.cinder import exception, logs
from twin.openstack.cinder.api.attachments import AttachmentsController
from twin.openstack.cinder.api.limits import LimitsController, VolumeTypesController
from twin.openstack.cinder.api.snapshots import SnapshotsController
from twin.openstack.cinder.api.volumes import VolumeActionsController, VolumeAdminController, VolumeController
from twin.openstack.cinder.scheduler.service import CinderScheduler
from twin.openstack.cinder.volume.api import API
from twin.openstack.oslo.context import Context, own_request
from twin.openstack.oslo.exceptions import CloudError, HttpError, HTTPFault, described
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.frames import CINDER_ENTRY
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.wsgi import API_METRICS, AUTH_MESSAGES, ApiService, Operation, Response
from twin.openstack.site import Site
from twin.telemetry.records import gauge

STATUSES = ("available", "in-use", "creating", "deleting", "error", "error_deleting")
"""Of the exporter's series of volumes by status, those that are kept here."""

METRICS = (
    gauge("openstack_cinder_up", "bool", None),
    gauge("openstack_cinder_volumes", "volumes", None),
    gauge("openstack_cinder_snapshots", "snapshots", None),
    *(gauge(f'openstack_cinder_volume_status_counter{{status="{status}"}}', "volumes", None) for status in STATUSES),
    gauge("openstack_cinder_limits_volume_used_gb", "GB", None),
    gauge("openstack_cinder_limits_volume_max_gb", "GB", None),
    gauge("openstack_cinder_pool_capacity_free_gb", "GB", None),
    gauge("openstack_cinder_pool_capacity_total_gb", "GB", None),
)
"""What openstack-exporter asks cinder-api."""


class CinderApi(ApiService, AmqpService):
    """The block storage API."""

    kind = "cinder-api"
    program = "cinder-api"
    port = 8776
    wsgi_logger = "eventlet.wsgi.server"
    metrics = (*API_METRICS, *METRICS)
    unexpected_error = logs.CINDER_UNEXPECTED
    entry = CINDER_ENTRY

    def __init__(self, site: Site, name: str, place: Component, workers: int = 1) -> None:
        super().__init__(site, name, place, workers)
        volume_api = API(self)
        volumes = VolumeController(self, volume_api)
        actions = VolumeActionsController(self, volume_api)
        admin = VolumeAdminController(self, volume_api)
        snapshots = SnapshotsController(self, volume_api)
        attachments = AttachmentsController(self, volume_api)
        limits = LimitsController(self)
        types = VolumeTypesController(self)
        self._operations: dict[str, Operation] = {
            "volumes.create": self._calls("volumes.create", volumes, "create", 202),
            "volumes.show": self._calls("volumes.show", volumes, "show", 200),
            "volumes.list": self._calls("volumes.list", volumes, "detail", 200),
            "volumes.delete": self._calls("volumes.delete", volumes, "delete", 202),
            "volumes.extend": self._calls("volumes.action", actions, "_extend", 202),
            "volumes.begin_detaching": self._calls("volumes.action", actions, "_begin_detaching", 202),
            "volumes.roll_detaching": self._calls("volumes.action", actions, "_roll_detaching", 202),
            "volumes.reset_status": self._calls("volumes.action", admin, "_reset_status", 202),
            "volumes.force_detach": self._calls("volumes.action", admin, "_force_detach", 202),
            "volumes.force_delete": self._calls("volumes.action", admin, "_force_delete", 202),
            "snapshots.create": self._calls("snapshots.create", snapshots, "create", 202),
            "snapshots.show": self._calls("snapshots.show", snapshots, "show", 200),
            "snapshots.list": self._calls("snapshots.list", snapshots, "detail", 200),
            "snapshots.delete": self._calls("snapshots.delete", snapshots, "delete", 202),
            "attachments.create": self._calls("attachments.create", attachments, "create", 200),
            "attachments.show": self._calls("attachments.show", attachments, "show", 200),
            "attachments.update": self._calls("attachments.update", attachments, "update", 200),
            "attachments.complete": self._calls("attachments.complete", attachments, "complete", 204),
            "limits": self._calls("limits", limits, "index", 200),
            "types.list": self._calls("types.list", types, "index", 200),
            "attachments.delete": self._calls("attachments.delete", attachments, "delete", 200),
        }

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._operations

    def _calls(self, work: str, controller: Flow, method: str, status: int) -> Operation:
        """An operation that calls a controller's method and answers with what that gives."""
        cost = facts.API[work]

        def answer(context: Context, **arguments: Any) -> Generator[Any, Any, Response]:
            yield from self.work(context, cost)
            body = yield from getattr(controller, method)(context, **arguments)
            return Response(status, body, _length(body))

        return answer

    # --- what it prints and answers ------------------------------------------------------------------------------

    def inner_context(self, context: Context) -> Context:
        return own_request(self.world, context) if context.span else context

    def log_request(self, context: Context, method: str, uri: str) -> None:
        self.say(logs.REQUEST, context, method, self._url(uri))

    def log_access(self, context: Context, method: str, uri: str, response: Response, seconds: float) -> None:
        if response.message in AUTH_MESSAGES.values():
            return  # keystonemiddleware stands before what prints
        said = logs.FAULT_RETURNED if response.status >= 500 or response.status == 413 else logs.RETURNED
        self.say(said, context, self._url(uri), response.status)

    def _url(self, uri: str) -> str:
        return f"http://{self.site.address(self.node)}:{self.port}{uri}"

    def refuse(self, context: Context, error: Exception) -> Response:
        """What `ResourceExceptionHandler` and the fault middleware make of an error."""
        if isinstance(error, HttpError) and error.service == "keystone":
            return super().refuse(context, error)
        if isinstance(error, exception.Invalid | exception.NotFound):
            return Response(error.code, length=120, message=str(error))
        if isinstance(error, HTTPFault):
            self.say(logs.CINDER_THROWN, context, error)
            return Response(error.code, length=120, message=str(error))
        self.unexpected(error)
        if isinstance(error, TypeError):
            self.exception(logs.RESOURCE_EXCEPTION, context, error, error, entry=self.entry)
            return Response(400, length=120, message=BAD_REQUEST)
        if not isinstance(error, exception.QuotaError):
            kind = f"<class '{described(error).partition(':')[0]}'>"
            self.exception(logs.CINDER_UNEXPECTED, context, error, kind, error, entry=self.entry)
        status = error.code if isinstance(error, exception.CinderException) else 500
        safe = isinstance(error, CloudError) and getattr(error, "safe", False)
        message = f"{type(error).__name__}: {error}" if safe else ERRED
        return Response(status, length=128, message=message)

    # --- telemetry -----------------------------------------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        return self.site.answers_queries() or super().reachable

    def sample(self) -> Sequence[float]:
        return (*super().sample(), *self._exported())

    def _exported(self) -> Sequence[float]:
        """openstack-exporter's answers, absent where it gets none."""
        if not (self.up and self.place_up and self.site.answers_queries()):
            return (0.0 if self.site.answers_queries() else float("nan"), *[float("nan")] * (len(METRICS) - 1))
        tables = self.site.volumes
        scheduler = self.world.components.get("cinder-scheduler")
        pool = scheduler.pool() if isinstance(scheduler, CinderScheduler) and scheduler.up else {}
        return (
            1.0,
            len(tables.volumes),
            len(tables.snapshots),
            *(tables.by_status[status] for status in STATUSES),
            tables.gigabytes,
            tables.quotas["gigabytes"],
            pool.get("free_capacity_gb", float("nan")),
            pool.get("total_capacity_gb", float("nan")),
        )


BAD_REQUEST = "The server could not comply with the request since it is either malformed or otherwise incorrect."
ERRED = "The server has either erred or is incapable of performing the requested operation."


def _length(body: Any) -> int:
    """Bytes of an answer's body (assumed: about what the real JSON has)."""
    if body is None:
        return 0
    return 15 + 820 * len(body) if isinstance(body, list) else 860
