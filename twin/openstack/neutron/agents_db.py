"""neutron.db.agents_db and agentschedulers_db: who is alive, and who serves which network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin.mechanics import neutron as facts
from twin.openstack.neutron import logs
from twin.openstack.neutron.tables import Agent, NeutronTables, Row
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

if TYPE_CHECKING:
    from twin.openstack.neutron.server import Neutron

DHCP, L3 = "DHCP agent", "L3 agent"
AGENT_NEW, AGENT_REVIVED, AGENT_ALIVE = "new", "revived", "alive"


class AgentDbMixin(Flow):
    """The agents' table."""

    source = "neutron.db.agents_db"
    service: Neutron

    def __init__(self, service: Neutron, tables: NeutronTables) -> None:
        super().__init__(service)
        self.tables = tables

    def create_or_update_agent(self, context: Context, agent_state: Row) -> Steps:
        """Write a heartbeat; whether the agent is new, was taken for dead, or is alive as before."""
        work = facts.RPC["report_state"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements, write=True)
        return self._save_heartbeat(context, agent_state)

    def _save_heartbeat(self, context: Context, agent_state: Row) -> str:
        now, host, kind = self.world.now, agent_state["host"], agent_state["agent_type"]
        agent = self.tables.agent(kind, host)
        if agent is None:
            agent_id = self.world.streams["neutron/agent"].uuid(kind, host)
            self.tables.agents.setdefault(kind, {})[host] = Agent(agent_id, agent_state["binary"], kind, host, now, now)
            return AGENT_NEW
        status = AGENT_ALIVE if agent.alive(now) else AGENT_REVIVED
        if agent_state.get("start_flag"):
            agent.started = now
        agent.heartbeat = now
        return status

    def get_agents(self, context: Context) -> list[Row]:
        """All agents as the API shows them."""
        return [agent.show(self.world.now) for kind in self.tables.agents.values() for agent in kind.values()]

    def agent_health_check(self, context: Context) -> None:
        """Say which agents are dead."""
        agents = [agent for kind in self.tables.agents.values() for agent in kind.values()]
        dead_agents = [agent for agent in agents if not agent.alive(self.world.now)]
        if dead_agents:
            table = "\n".join(self._line(agent) for agent in dead_agents)
            self.say(logs.AGENTS_DEAD, context, len(dead_agents), len(agents), table)
        else:
            self.say(logs.AGENTS_ALIVE, context, len(agents))

    def _line(self, agent: Agent) -> str:
        last = self.service.timestamp(agent.heartbeat)
        return f"{agent.agent_type:>20} {last:>20} {agent.host}"


class AgentExtRpcCallback(Flow):
    """The procedure that agents call every 30 s."""

    source = "neutron.db.agents_db"
    service: Neutron

    def __init__(self, service: Neutron, agents: AgentDbMixin) -> None:
        super().__init__(service)
        self.plugin = agents

    def report_state(self, context: Context, agent_state: Row, time: float) -> Steps:
        """Take a heartbeat. One from before the server's start is too old, be it that the agent's clock is late."""
        start = self.service.started_at + self.service.clock_offset
        if time < start:
            said, began = self.service.timestamp(time), self.service.timestamp(start)
            self.service.debug(logs.AGENT_STALE_REPORT, context, said, began)
            return None
        if agent_state.get("start_flag"):
            self._check_clock_sync_on_agent_start(context, agent_state, time)
        return (yield from self.plugin.create_or_update_agent(context, agent_state))

    def _check_clock_sync_on_agent_start(self, context: Context, agent_state: Row, agent_time: float) -> None:
        """Say so where an agent's clock is far off."""
        now = self.world.now + self.service.clock_offset
        if abs(now - agent_time) > facts.AGENT_DOWN_TIME:
            self.say(
                logs.AGENT_CLOCK,
                context,
                agent_state["host"],
                agent_state["agent_type"],
                self.service.timestamp(agent_time),
                self.service.timestamp(now),
                int(abs(now - agent_time)),
                int(facts.AGENT_DOWN_TIME),
            )


class DhcpAgentSchedulerDbMixin(Flow):
    """Which DHCP agent serves a network."""

    source = "neutron.db.agentschedulers_db"

    def __init__(self, service: Service, tables: NeutronTables) -> None:
        super().__init__(service)
        self.tables = tables

    def get_dhcp_agents_hosting_networks(self, context: Context, network_id: str) -> list[Agent]:
        """The agents that a network is scheduled to."""
        found = (self.tables.agent(DHCP, host) for host in self.tables.networks[network_id].dhcp_agents)
        return [agent for agent in found if agent is not None]

    def schedule_network(self, context: Context, created_network: Row) -> Steps:
        """Give a network to an agent where it has none; the agents that are new to it."""
        network = self.tables.networks[created_network["id"]]
        if network.dhcp_agents or network.external:
            return []
        yield from self.service.work(context, facts.SCHEDULE)
        agents = [agent for agent in self.tables.agents_of(DHCP) if self.is_eligible_agent(context, agent)]
        if not agents:
            self.say(logs.NO_MORE_DHCP_AGENTS, context)
            return []
        loads = {agent.host: self._load(agent.host) for agent in agents}
        chosen = min(agents, key=lambda agent: loads[agent.host])
        self._bind_network(context, network.id, chosen)
        return [chosen]

    def _load(self, host: str) -> int:
        return sum(host in network.dhcp_agents for network in self.tables.networks.values())

    def _bind_network(self, context: Context, network_id: str, agent: Agent) -> None:
        self.tables.networks[network_id].dhcp_agents.append(agent.host)

    def is_eligible_agent(self, context: Context, agent: Agent) -> bool:
        """Whether it may serve."""
        return agent.admin_state_up and agent.alive(self.world.now)

    def remove_networks_from_down_agents(self, context: Context) -> Steps:
        """Reschedule the networks of agents that have been dead for long."""
        try:
            yield from self.sql_once(context, 2)
            agents = self.tables.agents_of(DHCP)
            if not agents:
                return
            if not any(self.is_eligible_agent(context, agent) for agent in agents):
                self.say(logs.NO_DHCP_AGENTS, context)
                return
            cutoff = self.world.now - 2 * facts.AGENT_DOWN_TIME
            for agent in agents:
                if agent.heartbeat < cutoff:
                    yield from self._reschedule(context, agent)
        except CloudError as error:
            self.exception(logs.NETWORK_RESCHEDULING_EXCEPTION, context, error)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.NETWORK_RESCHEDULING_EXCEPTION, context, error)

    def _reschedule(self, context: Context, agent: Agent) -> Steps:
        for network in list(self.tables.networks.values()):
            if agent.host in network.dhcp_agents:
                self.say(logs.NETWORK_REMOVED, context, network.id, agent.id, 2 * facts.AGENT_DOWN_TIME)
                network.dhcp_agents.remove(agent.host)
                self.say(logs.NETWORK_UNHOSTED, context, network.id)
                yield from self.notifier._schedule_network(context, network.show(), [])
                for host in network.dhcp_agents:
                    self.say(logs.NETWORK_ADDED, context, network.id, self.tables.agents[DHCP][host].id, host)
                if not network.dhcp_agents:
                    self.say(logs.NETWORK_UNSCHEDULABLE, context, network.id)

    notifier: Any = None
    """The DHCP agents' notifier, which the server sets."""
