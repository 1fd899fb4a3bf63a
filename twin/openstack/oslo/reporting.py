"""The heartbeat of nova's services: a row in the service table, written every `report_interval`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twin.mechanics import openstack as facts
from twin.openstack.oslo import logs
from twin.openstack.oslo.context import Context, admin_context
from twin.openstack.oslo.exceptions import DBError, MessagingTimeout, RemoteError
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import PROCESS_METRICS, Steps
from twin.openstack.tables import ServiceRow
from twin.telemetry.records import Metric, gauge

AGENT_STATE = gauge("openstack_nova_agent_state", "bool")


class ReportingService(AmqpService):
    """A nova service whose life others judge by its heartbeat."""

    metrics: tuple[Metric, ...] = (AGENT_STATE, *PROCESS_METRICS)
    _disconnected = False

    def on_running(self) -> None:
        super().on_running()
        self._disconnected = False
        self.site.tables.services.setdefault(self.name, ServiceRow(self.kind, self.node.name, self.world.now))
        self.spawn(self._report_state())

    def write_heartbeat(self, context: Context) -> Steps:
        """Write the row. Raises DBError, MessagingTimeout, RemoteError."""
        yield from self.sql(context, facts.RPC["service_update"].statements)
        self.site.tables.services[self.name].last_seen = self.world.now + self.clock_offset

    def _report_state(self) -> Steps:
        tick = 0
        if self.world.now == 0:
            phase = self.world.streams["openstack/heartbeat"].between(0.0, facts.REPORT_INTERVAL, self.name)
            yield self.clock.timeout(phase)
        while True:
            tick += 1
            began = self.world.now
            context = admin_context(self.world, self.name, self.pid, "heartbeat", tick)
            try:
                yield from self.write_heartbeat(context)
                if self._disconnected:
                    self._disconnected = False
                    self.say(logs.REPORT_RECOVERED, None)
            except MessagingTimeout as error:
                self._lost(lambda error=error: self.say(logs.REPORT_LOST, None, error))
            except (DBError, RemoteError) as error:
                self._lost(lambda error=error: self.exception(logs.REPORT_FAILED, None, error))
            yield self.clock.timeout(max(0.0, began + facts.REPORT_INTERVAL - self.world.now))

    def _lost(self, say: Any) -> None:
        if not self._disconnected:
            self._disconnected = True
            say()

    @property
    def reachable(self) -> bool:
        # Two exporters: openstack-exporter, which asks nova-api, and the process exporter on the node.
        return self.site.answers_queries() or super().reachable

    def sample(self) -> Sequence[float]:
        return (self.site.agent_state(self.name), *self.process_sample())
