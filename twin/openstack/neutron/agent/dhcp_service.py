"""The DHCP agent as a component: its loops as events, and the monitor of its dnsmasqs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from twin.mechanics import neutron as facts
from twin.node import Node
from twin.openstack.neutron import networks
from twin.openstack.neutron.agent import logs
from twin.openstack.neutron.agent.dhcp import DhcpAgent
from twin.openstack.neutron.agent.service import NeutronAgent
from twin.openstack.neutron.agents_db import DHCP
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.messaging import Procedure
from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site
from twin.telemetry.records import Metric, gauge

DNSMASQ = gauge('namedprocess_namegroup_num_procs{groupname="dnsmasq"}', "processes", None)
"""What process-exporter counts on a network node; a group that it has seen stays, with 0 once it is empty."""
PROCEDURES = tuple(
    f"{resource}_{action}_end"
    for resource in ("network", "subnet", "port")
    for action in ("create", "update", "delete")
)


class DhcpAgentService(NeutronAgent):
    """`neutron-dhcp-agent`. The dnsmasqs that it starts outlive it."""

    kind = "neutron-dhcp-agent"
    program = "neutron-dhcp-agent"
    agent_type = DHCP
    fanouts = ("dhcp_agent",)
    metrics: tuple[Metric, ...] = (*NeutronAgent.metrics, DNSMASQ)

    def __init__(self, site: Site, name: str, place: Node) -> None:
        super().__init__(site, name, place)
        self.topic = f"dhcp_agent.{place.name}"
        self.machine = site.dataplane.network_nodes[place.name]
        self.switch = site.dataplane.switches[place.name]
        self.agent: DhcpAgent = DhcpAgent(self)
        self._procedures = {name: self._procedure(name) for name in PROCEDURES if hasattr(self.agent, name)}
        self._resync_due = self._ready_due = False
        self._resynced = -math.inf

    @property
    def procedures(self) -> dict[str, Procedure]:
        return self._procedures

    def _procedure(self, name: str) -> Procedure:
        def call(context: Context, **arguments: object) -> Steps:
            return (yield from getattr(self.agent, name)(context, **arguments))

        return call

    # --- life ----------------------------------------------------------------------------------------------------

    def on_running(self) -> None:
        self.agent.start()
        self._resync_due = self._ready_due = False
        self._resynced = -math.inf
        super().on_running()
        if self.world.now == 0:
            self.agent.start_flag = False
            private = next((n for n in self.site.neutron.tables.networks.values() if n.name == networks.PRIVATE), None)
            if private is not None and not private.dhcp_agents:
                networks.serve(self.site, self, private)
        else:
            self.spawn(self._init_host())
        self.spawn(self._check_child_processes())

    def _init_host(self) -> Steps:
        """`init_host`, then `after_start`."""
        yield from self.agent.sync_state(self.new_context("init"))
        self.agent.run()
        self.say(logs.DHCP_STARTED, None)

    def conditions_changed(self) -> None:
        super().conditions_changed()
        self.machine.notice(self)

    # --- loops ---------------------------------------------------------------------------------------------------

    def resync_later(self) -> None:
        """The resync loop wakes, at most once in `resync_throttle`."""
        if not self._resync_due:
            self._resync_due = True
            self._after(max(0.0, self._resynced + facts.DHCP_RESYNC_THROTTLE - self.world.now), self._resync)

    def _resync(self) -> Steps:
        self._resync_due = False
        self._resynced = self.world.now
        yield from self.agent._periodic_resync_helper(self.new_context("resync"))

    def say_ready_later(self) -> None:
        """The loop over ports that are ready comes to them."""
        if self.agent.dhcp_ready_ports and not self._ready_due:
            self._ready_due = True
            self._after(facts.DHCP_READY_INTERVAL, self._say_ready)

    def _say_ready(self) -> Steps:
        try:
            yield from self.agent._dhcp_ready_ports_loop(self.new_context("ready"))
        finally:
            self._ready_due = False
        self.say_ready_later()

    def _after(self, seconds: float, steps: Callable[[], Steps]) -> None:
        life = self._life

        def begin(_: object) -> None:
            if life == self._life and self.up:
                self.spawn(steps())

        self.clock.at(self.world.now + seconds, begin)

    def _check_child_processes(self) -> Steps:
        """neutron.agent.linux.external_process.ProcessMonitor: start what has died anew."""
        while True:
            yield self.clock.timeout(facts.CHECK_CHILDREN_INTERVAL)
            for network in self.machine.dead():
                self.say(logs.PROCESS_DIED, None, "dnsmasq", "dhcp", network)
                self.say(logs.PROCESS_RESPAWNING, None, "dnsmasq", network)
                self.machine.start_dnsmasq(self, network)

    # --- telemetry -----------------------------------------------------------------------------------------------

    def sample(self) -> Sequence[float]:
        return (*super().sample(), self.machine.running if self.node.up else math.nan)
