"""What cinder-scheduler and cinder-volume share: the heartbeat in cinder's own table of services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twin.mechanics import cinder as facts
from twin.openstack.cinder import logs
from twin.openstack.cinder.db import Database
from twin.openstack.cinder.tables import ServiceRow
from twin.openstack.oslo.context import Context, admin_context
from twin.openstack.oslo.exceptions import CloudError, DBConnectionError, DBError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import PROCESS_METRICS, Steps
from twin.telemetry.records import Metric, gauge

AGENT_STATE = gauge("openstack_cinder_agent_state", "bool")
VERSION = "21.3.0"


class Heart(Flow):
    """cinder.service.Service: what it does beside its manager."""

    source = "cinder.service"

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.db = Database(service)
        self.model_disconnected = False

    def report_state(self, context: Context, name: str, host: str, binary: str, working: bool) -> Steps:
        """Write the heartbeat; say once that it cannot be written."""
        if not working:
            self.say(logs.MANAGER_REPORTS_PROBLEMS, None, binary, host)
            return
        try:
            now = self.world.now + self.service.clock_offset
            yield from self.db.service_update(context, name, {"updated_at": now})
            if self.model_disconnected:
                self.model_disconnected = False
                self.say(logs.MODEL_SERVER_RECOVERED, None)
        except DBConnectionError as error:
            if not self.model_disconnected:
                self.model_disconnected = True
                self.exception(logs.MODEL_SERVER_LOST, None, error)
        except DBError as error:
            if not self.model_disconnected:
                self.model_disconnected = True
                self.exception(logs.DB_ERROR, None, error)
        except Exception as error:
            self.unexpected(error)
            if not self.model_disconnected:
                self.model_disconnected = True
                self.exception(logs.REPORT_FAILED, None, error)


class CinderService(AmqpService):
    """A cinder service whose life others judge by its heartbeat."""

    metrics: tuple[Metric, ...] = (AGENT_STATE, *PROCESS_METRICS)
    heart: Heart

    @property
    def host(self) -> str:
        """Its host in cinder's table of services."""
        return self.node.name

    @property
    def working(self) -> bool:
        """`is_working` of its manager."""
        return True

    def on_running(self) -> None:
        super().on_running()
        now = self.world.now + self.clock_offset
        self.site.volumes.services.setdefault(self.name, ServiceRow(self.kind, self.host, now))
        self.heart.model_disconnected = False
        if self.world.now > 0:
            self.say(logs.STARTING, None, self.kind, VERSION)
        self.spawn(self._beat())

    def _beat(self) -> Steps:
        tick = 0
        if self.world.now == 0:
            phase = self.world.streams["cinder/heartbeat"].between(0.0, facts.REPORT_INTERVAL, self.name)
            yield self.clock.timeout(phase)
        while True:
            tick += 1
            began = self.world.now
            context = admin_context(self.world, self.name, self.pid, "heartbeat", tick)
            yield from self.heart.report_state(context, self.name, self.host, self.kind, self.working)
            yield self.clock.timeout(max(0.0, began + facts.REPORT_INTERVAL - self.world.now))

    def every(self, interval: float, task: Any, what: str) -> Steps:
        """Run a periodic task: a function of a context that gives steps. Errors end the run, not the task."""
        tick = 0
        while True:
            tick += 1
            context = admin_context(self.world, self.name, self.pid, what, tick)
            try:
                yield from task(context)
            except CloudError as error:
                self.exception(logs.REPORT_FAILED, context, error)
            yield self.clock.timeout(interval)

    @property
    def reachable(self) -> bool:
        return self.site.answers_queries() or super().reachable

    def sample(self) -> Sequence[float]:
        row = self.site.volumes.services.get(self.name)
        if row is None or not self.site.answers_queries():
            return (float("nan"), *self.process_sample())
        return (float(row.is_up(self.world.now)), *self.process_sample())
