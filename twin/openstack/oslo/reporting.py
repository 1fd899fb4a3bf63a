"""The heartbeat of nova's services: a row in the service table, written every `report_interval`."""

from __future__ import annotations

from collections.abc import Sequence

from twin.mechanics import openstack as facts
from twin.openstack.oslo import logs
from twin.openstack.oslo.context import Context, admin_context
from twin.openstack.oslo.exceptions import DBError, MessagingTimeout, RemoteError
from twin.openstack.oslo.frames import HEARTBEAT_SENT, HEARTBEAT_WRITTEN
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import PROCESS_METRICS, Steps
from twin.openstack.tables import ServiceRow
from twin.telemetry.records import Metric, gauge

AGENT_STATE = gauge("openstack_nova_agent_state", "bool")


class ReportingService(AmqpService):
    """A nova service whose life others judge by its heartbeat."""

    metrics: tuple[Metric, ...] = (AGENT_STATE, *PROCESS_METRICS)

    def on_running(self) -> None:
        super().on_running()
        self.site.tables.services.setdefault(self.name, ServiceRow(self.kind, self.node.name, self.world.now))
        for worker in range(self.python.capacity):
            self.spawn(self._report_state(worker))

    def write_heartbeat(self, context: Context) -> Steps:
        """Write the row. Raises DBError, MessagingTimeout, RemoteError."""
        yield from self.sql(context, facts.RPC["service_update"].statements)
        self.site.tables.services[self.name].last_seen = self.world.now + self.clock_offset

    def _report_state(self, worker: int) -> Steps:
        """Each worker process writes the row, for it does not know of the others; each for itself says what fails."""
        tick, disconnected = 0, False
        phase = self.world.streams["openstack/heartbeat"].between(0.0, facts.REPORT_INTERVAL, self.name, worker)
        if self.world.now == 0:
            yield self.clock.timeout(phase)
        elif worker:
            yield self.clock.timeout(phase / facts.REPORT_INTERVAL)  # they are forked one after the other
        while True:
            tick += 1
            began = self.world.now
            context = admin_context(self.world, self.name, self.pid, "heartbeat", worker, tick)
            try:
                yield from self.write_heartbeat(context)
                if disconnected:
                    disconnected = False
                    self.say(logs.REPORT_RECOVERED, None)
            except MessagingTimeout as error:
                if not disconnected:
                    disconnected = True
                    self.say(logs.REPORT_LOST, None, error)
            except (DBError, RemoteError) as error:
                disconnected = True
                entry = HEARTBEAT_SENT if isinstance(error, RemoteError) else HEARTBEAT_WRITTEN
                self.exception(logs.REPORT_FAILED, None, error, entry=entry)
            yield self.clock.timeout(max(0.0, began + facts.REPORT_INTERVAL - self.world.now))

    @property
    def reachable(self) -> bool:
        # Two exporters: openstack-exporter, which asks nova-api, and the process exporter on the node.
        return self.site.answers_queries() or super().reachable

    def sample(self) -> Sequence[float]:
        return (self.site.agent_state(self.name), *self.process_sample())
