"""The L3 agent as a component."""

from __future__ import annotations

from twin.mechanics import neutron as facts
from twin.node import Node
from twin.openstack.neutron.agent import logs
from twin.openstack.neutron.agent.l3 import L3NATAgent
from twin.openstack.neutron.agent.service import NeutronAgent
from twin.openstack.neutron.agents_db import L3
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.messaging import Procedure
from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site


class L3AgentService(NeutronAgent):
    """`neutron-l3-agent`. The namespaces that it makes outlive it."""

    kind = "neutron-l3-agent"
    program = "neutron-l3-agent"
    agent_type = L3

    def __init__(self, site: Site, name: str, place: Node) -> None:
        super().__init__(site, name, place)
        self.topic = f"l3_agent.{place.name}"
        self.machine = site.dataplane.network_nodes[place.name]
        self.switch = site.dataplane.switches[place.name]
        self.agent: L3NATAgent = L3NATAgent(self)
        self._procedures = {name: self._procedure(name) for name in ("routers_updated", "router_deleted")}

    @property
    def procedures(self) -> dict[str, Procedure]:
        return self._procedures

    def _procedure(self, name: str) -> Procedure:
        def call(context: Context, **arguments: object) -> Steps:
            return (yield from getattr(self.agent, name)(context, **arguments))

        return call

    def on_running(self) -> None:
        self.agent.start()
        super().on_running()
        if self.world.now == 0:
            self.agent.fullsync = self.agent.start_flag = False
        else:
            self.say(logs.L3_STARTED, None)
            self.sync_soon()
        self.spawn(self._periodic())

    def on_sigterm(self) -> None:
        super().on_sigterm()
        self.say(logs.L3_STOPPING, None)

    def sync_soon(self) -> None:
        """Have the periodic task done now."""
        self.spawn(self.agent.periodic_sync_routers_task(self.new_context("sync")))

    def _periodic(self) -> Steps:
        while True:
            yield self.clock.timeout(facts.L3_PERIODIC_INTERVAL)
            yield from self.agent.periodic_sync_routers_task(self.new_context("sync"))
