"""The Open vSwitch agent as a component of a host: its loop runs only when a pass has something to do."""

from __future__ import annotations

import math

from twin.mechanics import neutron as facts
from twin.node import Node
from twin.openstack.infrastructure.queues import Message
from twin.openstack.neutron.agent import logs
from twin.openstack.neutron.agent.openvswitch import OVSNeutronAgent
from twin.openstack.neutron.agent.service import NeutronAgent
from twin.openstack.neutron.agent_notifiers import TUNNEL_UPDATE
from twin.openstack.neutron.managers import OVS_AGENT
from twin.openstack.neutron.tables import Row
from twin.openstack.oslo import logs as oslo_logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site

PORTS, RULES = "neutron-vo-Port-1.1", "neutron-vo-SecurityGroupRule-1.0"
"""Topics of the resource cache."""


class OpenvswitchAgent(NeutronAgent):
    """`neutron-openvswitch-agent` on one host."""

    kind = "neutron-openvswitch-agent"
    program = "neutron-openvswitch-agent"
    agent_type = OVS_AGENT
    fanouts = (PORTS, RULES, TUNNEL_UPDATE)

    def __init__(self, site: Site, name: str, place: Node) -> None:
        super().__init__(site, name, place)
        self.switch = site.dataplane.switches[place.name]
        self.agent: OVSNeutronAgent = OVSNeutronAgent(self)
        self.site.dataplane.agents[place.name] = self
        self.switch.on_plug = self.switch.on_unplug = self._bridge_changed
        self.switch.on_restart = self.wake
        self._base = 0.0
        """A moment at which a pass may begin: passes begin `POLLING_INTERVAL` apart."""
        self._looping = False

    # --- the loop ------------------------------------------------------------------------------------------------

    def on_running(self) -> None:
        super().on_running()
        self.agent.start()
        self.agent.int_br.setup_canary_table(None)
        self._looping = False
        self._base = self.world.now
        if self.world.now == 0:
            self._base = self.world.streams["neutron/loop"].between(0.0, facts.POLLING_INTERVAL, self.name)
            self.agent.sync = self.agent.fullsync = self.agent.start_flag = False
            self.agent.tunnel_out_of_sync = self.agent.need_clean_stale_flow = False
        else:
            self.say(logs.OVS_INITIALIZED, None)
        self.wake()

    def on_down(self, reason: str) -> None:
        super().on_down(reason)
        self._looping = False

    def on_sigterm(self) -> None:
        self.say(logs.OVS_SIGTERM, None)  # it runs under no launcher of oslo.service

    def wake(self) -> None:
        """Something may be to be done: look at the next turn of the loop."""
        if self._looping or not self.accepting:
            return
        if not (self.agent.agent_has_updates() or self.agent.int_br.not_ready):
            return
        self._looping = True
        passes = math.ceil((self.world.now - self._base) / facts.POLLING_INTERVAL - 1e-9)
        self._base += max(0, passes) * facts.POLLING_INTERVAL
        life = self._life
        self.clock.at(self._base, lambda _: self._turn(life))

    def _turn(self, life: int) -> None:
        if life != self._life or not self.accepting:
            return
        if self.agent.agent_has_updates():
            self.spawn(self._pass())
        else:  # nothing but ports whose tap is yet to come
            self._looping = False
            self._base = self.world.now + facts.POLLING_INTERVAL
            self.wake()

    def _pass(self) -> Steps:
        began = self.world.now
        try:
            if self.value("frozen"):
                yield self.clock.timeout(facts.POLLING_INTERVAL)
            else:
                yield from self.agent.rpc_loop(self.new_context("loop"))
        finally:
            self._looping = False
        self._base = max(began + facts.POLLING_INTERVAL, self.world.now)
        self.wake()

    def _bridge_changed(self, port: str) -> None:
        """OVSDB's monitor tells of a port that came or went."""
        self.agent.int_br.events += 1
        self.wake()

    def conditions_changed(self) -> None:
        super().conditions_changed()
        self.switch.notice(self)

    # --- what the server pushes ----------------------------------------------------------------------------------

    def hear(self, message: Message) -> None:
        """Take up a fan-out, at once: it costs next to nothing."""
        if self.world.network.disturbed:
            self.spawn(self._hear_late(message))
        else:
            self._heard(message)

    def _hear_late(self, message: Message) -> Steps:
        yield from self._hop(message, "taken", to_broker=False)
        self._heard(message)

    def _heard(self, message: Message) -> None:
        """The watcher of the resource cache: takes objects in and calls who wants to know."""
        if not self.accepting:
            return
        topic, context, arguments = message.topic, message.context, message.arguments
        try:
            if topic == TUNNEL_UPDATE:
                self.agent.tunnel_update(context, arguments["tunnel"])
            for obj in arguments.get("resource_list", ()):
                if topic == PORTS:
                    self._hear_port(obj, arguments["event_type"], context)
                elif topic == RULES:
                    self.agent.sg_agent.security_groups_rule_updated(context, [obj["security_group_id"]])
        except Exception as error:
            self.unexpected(error)
            self.exception(oslo_logs.RPC_FAILED, context, error)
        agent = self.agent
        if agent.updated_ports or agent.deleted_ports or agent.sg_agent.firewall_refresh_needed():
            self.wake()

    def _hear_port(self, port: Row, event_type: str, context: Context) -> None:
        agent, cache, id = self.agent, self.agent.cache, port["id"]
        before = cache.ports.get(id)
        here = port["binding:host_id"] == self.node.name
        if event_type == "updated" and not here and before is None and id not in self.switch.ports:
            return
        groups = set(port["security_groups"])
        if event_type == "deleted":
            mine = cache.record_resource_delete(context, "Port", id)
            if groups:
                agent.sg_agent.security_groups_member_updated(context, groups)
            if mine is not None:
                agent.port_delete(context, id)
            return
        if here or before is not None:
            cache.record_resource_update(context, "Port", port)
        if groups and (event_type == "created" or (before is not None and set(before["security_groups"]) != groups)):
            agent.sg_agent.security_groups_member_updated(context, groups)
        if id in self.switch.ports:
            agent.port_update(context, port)
