"""What the server sends to its agents: casts to DHCP and L3 agents, and pushes of resources to whoever listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin.mechanics import neutron as facts
from twin.openstack.neutron import callbacks, logs
from twin.openstack.neutron.agents_db import DhcpAgentSchedulerDbMixin
from twin.openstack.neutron.callbacks import CallbacksManager
from twin.openstack.neutron.plugin import Ml2Plugin
from twin.openstack.neutron.tables import Agent, Row
from twin.openstack.oslo.context import Context, branch
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps

if TYPE_CHECKING:
    from twin.openstack.neutron.server import Neutron

DHCP_AGENT, L3_AGENT = "dhcp_agent", "l3_agent"
"""Topics."""
TUNNEL_UPDATE = "q-agent-notifier-tunnel-update"


class DhcpAgentNotifyAPI(Flow):
    """Tells the DHCP agents of a network what has changed on it."""

    source = "neutron.api.rpc.agentnotifiers.dhcp_rpc_agent_api"

    def __init__(
        self, service: Neutron, plugin: Ml2Plugin, schedulers: DhcpAgentSchedulerDbMixin, registry: CallbacksManager
    ) -> None:
        super().__init__(service)
        self.rpc = service
        self.plugin = plugin
        self.schedulers = schedulers
        for resource in ("network", "subnet", "port"):
            for event in (callbacks.AFTER_CREATE, callbacks.AFTER_UPDATE, callbacks.AFTER_DELETE):
                registry.subscribe(self, "_native_event_send_dhcp_notification", resource, event)

    def _native_event_send_dhcp_notification(
        self, context: Context, resource: str, event: str, original_port: Row | None = None, **payload: Row
    ) -> Steps:
        method = f"{resource}_{event.removeprefix('after_')}_end"
        obj_value = payload[resource]
        if resource == "port" and self._only_status_changed(original_port, obj_value):
            return
        network_id = obj_value["id"] if resource == "network" else obj_value["network_id"]
        if event == callbacks.AFTER_DELETE:
            data = {f"{resource}_id": obj_value["id"], "network_id": network_id}
        else:
            data = {resource: obj_value}
        yield from self._notify_agents(context, method, data, network_id)

    def _only_status_changed(self, orig: Row | None, new: Row | None) -> bool:
        if not orig or not new:
            return False
        return all(orig[k] == new[k] for k in orig if k not in ("status", "updated_at", "revision_number"))

    def _notify_agents(self, context: Context, method: str, payload: Row, network_id: str) -> Steps:
        if method == "network_delete_end":
            yield from self._fanout_message(context, method, payload)
            return
        if method == "network_create_end" or network_id not in self.plugin.tables.networks:
            return
        network = self.plugin.db.get_network(context, network_id)
        agents = self.schedulers.get_dhcp_agents_hosting_networks(context, network_id)
        if method == "subnet_create_end" or (
            method == "port_create_end" and not payload["port"]["device_owner"].startswith("network:")
        ):
            agents = yield from self._schedule_network(context, network, agents)
        if not agents:
            return
        for agent in self._get_enabled_agents(context, network, agents, method, payload):
            yield from self._cast_message(context, method, payload, agent.host)

    def _schedule_network(self, context: Context, network: Row, existing_agents: list[Agent]) -> Steps:
        """Find an agent for a network that has none; all that it has then."""
        new_agents = yield from self.schedulers.schedule_network(context, network)
        if new_agents:
            for agent in new_agents:
                yield from self._cast_message(
                    context, "network_create_end", {"network": {"id": network["id"]}}, agent.host
                )
        elif not existing_agents:
            self.say(logs.DHCP_UNSCHEDULABLE, context, network["id"])
        return new_agents + existing_agents

    def _get_enabled_agents(
        self, context: Context, network: Row, agents: list[Agent], method: str, payload: Row
    ) -> list[Agent]:
        enabled_agents = [agent for agent in agents if agent.admin_state_up]
        active_agents = [agent for agent in agents if agent.alive(self.world.now)]
        if len(active_agents) < len(enabled_agents):
            self.say(logs.DHCP_SOME_INACTIVE, context, len(active_agents), len(enabled_agents), network["id"])
        if not enabled_agents and network["subnets"]:
            self.say(logs.DHCP_NO_AGENT, context, method, network["id"], payload)
        return enabled_agents

    def _cast_message(self, context: Context, method: str, payload: Row, host: str) -> Steps:
        yield from self.rpc.cast(context, f"{DHCP_AGENT}.{host}", method, payload=payload)

    def _fanout_message(self, context: Context, method: str, payload: Row) -> Steps:
        yield from self.rpc.fanout_cast(context, DHCP_AGENT, method, payload=payload)


class ResourcesPushRpcApi(Flow):
    """Pushes versioned objects to all agents that listen."""

    source = "neutron.api.rpc.handlers.resources_rpc"

    def __init__(self, service: Neutron) -> None:
        super().__init__(service)
        self.rpc = service

    def push(self, context: Context, resource_type: str, resource_list: list[Row], event_type: str) -> Steps:
        """Fan a list of objects out."""
        topic = f"neutron-vo-{resource_type}"
        pushed = tuple(resource_list)
        yield from self.rpc.fanout_cast(context, topic, "push", resource_list=pushed, event_type=event_type)


class AgentNotifierApi(Flow):
    """What only the L2 agents want to hear."""

    source = "neutron.plugins.ml2.rpc"

    def __init__(self, service: Neutron) -> None:
        super().__init__(service)
        self.rpc = service

    def tunnel_update(self, context: Context, tunnel: str) -> Steps:
        """A machine has an agent now."""
        yield from self.rpc.fanout_cast(context, TUNNEL_UPDATE, "tunnel_update", tunnel=tunnel)


class ObjectChangeHandler(Flow):
    """Turns events of a resource into pushes."""

    source = "neutron.plugins.ml2.ovo_rpc"
    chapter_of = "_ObjectChangeHandler"
    VERSIONED: tuple[tuple[str, str], ...] = (
        ("port", "Port-1.1"),
        ("network", "Network-1.0"),
        ("subnet", "Subnet-1.0"),
        ("security_group", "SecurityGroup-1.0"),
        ("security_group_rule", "SecurityGroupRule-1.0"),
    )
    """Resources and the names of their topics."""

    def __init__(self, service: Neutron, registry: CallbacksManager) -> None:
        super().__init__(service)
        self._resource_push_api = ResourcesPushRpcApi(service)
        self._types = dict(self.VERSIONED)
        for resource in self._types:
            for event in (callbacks.AFTER_CREATE, callbacks.AFTER_UPDATE, callbacks.AFTER_DELETE):
                registry.subscribe(self, "handle_event", resource, event)

    def handle_event(self, context: Context, resource: str, event: str, **payload: Any) -> Steps:
        """Have the object pushed by a thread of its own."""
        event_type = {"after_create": "created", "after_update": "updated", "after_delete": "deleted"}[event]
        context = branch(context, "push")
        self.service.spawn(self.dispatch_events(context, resource, event_type, payload[resource]))
        yield from ()

    def dispatch_events(self, context: Context, resource: str, event_type: str, obj: Row) -> Steps:
        """Push it. What fails is logged and lost."""
        try:
            if event_type != "deleted":
                yield from self.sql(context, 1)
            yield from self._resource_push_api.push(context, self._types[resource], [obj], event_type)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.PUSH_FAILED, context, error, resource, error)


class L3AgentNotifyAPI(Flow):
    """Tells L3 agents that routers have changed."""

    source = "neutron.api.rpc.agentnotifiers.l3_rpc_agent_api"

    def __init__(self, service: Neutron) -> None:
        super().__init__(service)
        self.rpc = service

    def routers_updated(self, context: Context, host: str, router_ids: list[str]) -> Steps:
        """Routers of an agent have changed."""
        if router_ids and host:
            yield from self._agent_notification(context, "routers_updated", router_ids, host)

    def router_deleted(self, context: Context, host: str, router_id: str) -> Steps:
        """A router has gone."""
        if host:
            yield from self.rpc.cast(context, f"{L3_AGENT}.{host}", "router_deleted", router_id=router_id)

    def _agent_notification(self, context: Context, method: str, router_ids: list[str], host: str) -> Steps:
        yield from self.think(context, facts.SCHEDULE.python)
        yield from self.rpc.cast(context, f"{L3_AGENT}.{host}", method, routers=router_ids)
