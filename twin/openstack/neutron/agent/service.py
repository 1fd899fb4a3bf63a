"""Neutron's agents as components: connected to the message bus, heard of every 30 s."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Protocol

from twin.mechanics import neutron as facts
from twin.node import Node
from twin.openstack.neutron.tables import Row
from twin.openstack.oslo.context import Context, admin_context
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import PROCESS_METRICS, Steps
from twin.openstack.site import Site
from twin.telemetry.records import Metric, gauge

AGENT_STATE = gauge("openstack_neutron_agent_state", "bool")


class Reporter(Protocol):
    """The agent's own code."""

    def _report_state(self, context: Context) -> Steps: ...


class NeutronAgent(AmqpService):
    """A process that neutron-server judges by its heartbeat."""

    metrics: tuple[Metric, ...] = (AGENT_STATE, *PROCESS_METRICS)
    agent_type: ClassVar[str]
    """As neutron's table names it."""
    agent: Reporter

    def __init__(self, site: Site, name: str, place: Node) -> None:
        super().__init__(site, name, place)
        self._acts: Counter[tuple[str, ...]] = Counter()

    def new_context(self, *what: str) -> Context:
        """The context of something that the agent does of its own accord; of its kind, it has a number."""
        self._acts[what] += 1
        return admin_context(self.world, self.name, self.pid, *what, self._acts[what])

    def on_running(self) -> None:
        super().on_running()
        self.spawn(self._reports())

    def _reports(self) -> Steps:
        """`FixedIntervalLoopingCall(self._report_state)`."""
        if self.world.now == 0:
            self.site.neutron.agents._save_heartbeat(self.new_context("report"), self.report())
            yield self.clock.timeout(
                self.world.streams["neutron/heartbeat"].between(0.0, facts.REPORT_INTERVAL, self.name)
            )
        while True:
            began = self.world.now
            yield from self.agent._report_state(self.new_context("report"))
            yield self.clock.timeout(max(0.0, began + facts.REPORT_INTERVAL - self.world.now))

    def report(self, start_flag: bool = False) -> Row:
        """What it reports."""
        state = {"binary": self.kind, "host": self.node.name, "agent_type": self.agent_type, "topic": self.topic}
        return state | {"start_flag": True} if start_flag else state

    # --- telemetry -----------------------------------------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        # openstack-exporter, which asks neutron-server, and the process exporter on the node
        return self.site.answers_queries() or super().reachable

    def sample(self) -> Sequence[float]:
        return (self._seen_alive(), *self.process_sample())

    def _seen_alive(self) -> float:
        """`openstack_neutron_agent_state`, absent where the exporter has no answer."""
        neutron = self.site.neutron
        row = neutron.tables.agent(self.agent_type, self.node.name)
        if row is None or not neutron.up or not self.site.answers_queries():
            return float("nan")
        return float(row.alive(self.world.now))
