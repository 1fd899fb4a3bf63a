"""The L3 agent's own code: what it does with news of routers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.mechanics import neutron as facts
from twin.openstack.neutron.agent import logs
from twin.openstack.neutron.agent.queue import ResourceProcessingQueue, ResourceUpdate
from twin.openstack.neutron.agent.router_info import RouterInfo, RouterState
from twin.openstack.neutron.agent.rpc import BackingOffClient, PluginReportStateAPI
from twin.openstack.neutron.agents_db import AGENT_REVIVED
from twin.openstack.neutron.tables import Row
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError, MessagingTimeout
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps

if TYPE_CHECKING:
    from twin.openstack.neutron.agent.l3_service import L3AgentService

DELETE_ROUTER, ADD_UPDATE_ROUTER = 1, 2
PRIORITY_RPC, PRIORITY_SYNC_ROUTERS_TASK = 0, 1


class L3PluginApi(Flow):
    """The server as the L3 agent sees it."""

    source = "neutron.agent.l3.agent"

    def __init__(self, client: BackingOffClient, host: str) -> None:
        super().__init__(client.service)
        self.client = client
        self.host = host

    def get_routers(self, context: Context, router_ids: list[str] | None = None) -> Steps:
        """Routers of this agent with all that belongs to them."""
        return (yield from self.client.call(context, "sync_routers", host=self.host, router_ids=router_ids))

    def update_floatingip_statuses(self, context: Context, router_id: str, fip_statuses: dict[str, str]) -> Steps:
        """What became of floating IPs."""
        yield from self.client.call(
            context, "update_floatingip_statuses", router_id=router_id, fip_statuses=fip_statuses
        )


class L3NATAgent(Flow):
    """Builds the routers that it is given as namespaces of its machine."""

    source = "neutron.agent.l3.agent"
    service: L3AgentService

    def __init__(self, service: L3AgentService) -> None:
        super().__init__(service)
        client = BackingOffClient(service)
        self.plugin_rpc = L3PluginApi(client, service.node.name)
        self.state_rpc = PluginReportStateAPI(client)
        self.ri = RouterInfo(service, self.plugin_rpc)
        self._queue = ResourceProcessingQueue(
            service, facts.L3_QUEUE_THREADS, lambda update: self._process_update(update)
        )
        self.start()

    def start(self) -> None:
        """A new process knows no router; what it built before is still there."""
        self.router_info: dict[str, RouterState] = {}
        self.fullsync = True
        self.failed_report_state = False
        self.start_flag = True
        self._queue.clear()

    # --- heartbeats ----------------------------------------------------------------------------------------------

    def _report_state(self, context: Context) -> Steps:
        try:
            agent_status = yield from self.state_rpc.report_state(context, self.service.report(self.start_flag))
            self.start_flag = False
            if agent_status == AGENT_REVIVED:
                self.say(logs.L3_REVIVED, context)
                self.fullsync = True
                self.service.sync_soon()
        except Exception as error:
            self.unexpected(error)
            self.failed_report_state = True
            self.exception(logs.L3_REPORT_FAILED, context, error)
            return
        if self.failed_report_state:
            self.failed_report_state = False
            self.say(logs.L3_REPORT_RECOVERED, context)

    # --- news ----------------------------------------------------------------------------------------------------

    def routers_updated(self, context: Context, routers: list[str]) -> Steps:
        """Routers have changed."""
        self.service.debug(logs.L3_UPDATED, context, routers)
        for id in routers:
            self._queue.add(ResourceUpdate(id, str(ADD_UPDATE_ROUTER), (context, None), PRIORITY_RPC))
        yield from ()

    def router_deleted(self, context: Context, router_id: str) -> Steps:
        """A router was deleted."""
        self.service.debug(logs.L3_DELETED, context, router_id)
        self._queue.add(ResourceUpdate(router_id, str(DELETE_ROUTER), (context, None), PRIORITY_RPC))
        yield from ()

    # --- updates -------------------------------------------------------------------------------------------------

    def _process_update(self, update: ResourceUpdate) -> Steps:
        """A thread takes an update up."""
        context, router = update.resource
        began = self.world.now
        self.say(
            logs.L3_UPDATE_STARTING,
            context,
            update.id,
            update.action,
            update.priority,
            self._update_id(update),
            began - update.created,
        )
        if update.action != str(DELETE_ROUTER) and not router:
            try:
                routers = yield from self.plugin_rpc.get_routers(context, [update.id])
            except Exception as error:
                self.unexpected(error)
                self.exception(logs.L3_INFO_FAILED, context, error, update.id)
                self._resync_router(context, update)
                return
            router = next((found for found in routers if found["id"] == update.id), None)
        if not router:
            removed = yield from self._safe_router_removed(context, update.id)
            if not removed:
                self._resync_router(context, update)
            else:
                self.say(logs.L3_DELETE_FINISHED, context, update.id, self._update_id(update), self.world.now - began)
            return
        if not (yield from self._process_routers_if_compatible(context, router, update)):
            self._resync_router(context, update)
            return
        self.say(logs.L3_UPDATE_FINISHED, context, update.id, self._update_id(update), self.world.now - began)

    def _update_id(self, update: ResourceUpdate) -> str:
        return self.world.streams["neutron/update"].uuid(self.service.name, self.service.pid, update.id, update.number)

    def _resync_router(self, context: Context, router_update: ResourceUpdate) -> None:
        """Once more, as long as tries are left."""
        router_update.tries -= 1
        if router_update.tries < 0:
            self.say(logs.L3_RETRY_LIMIT, context, router_update.id, router_update.action)
            return
        router_update.resource = (context, None)
        router_update.priority = PRIORITY_SYNC_ROUTERS_TASK
        self._queue.add(router_update)

    def _process_routers_if_compatible(self, context: Context, router: Row, update: ResourceUpdate) -> Steps:
        try:
            yield from self._process_router_if_compatible(context, router)
            return True
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.L3_UPDATE_FAILED, context, error, update.id)
        return False

    def _process_router_if_compatible(self, context: Context, router: Row) -> Steps:
        if router["id"] not in self.router_info:
            yield from self._process_added_router(context, router)
        else:
            yield from self._process_updated_router(context, router)

    def _process_added_router(self, context: Context, router: Row) -> Steps:
        yield from self._router_added(context, router["id"], router)
        state = self.router_info[router["id"]]
        yield from self.ri.process(context, state, router)

    def _process_updated_router(self, context: Context, router: Row) -> Steps:
        state = self.router_info[router["id"]]
        yield from self.ri.process(context, state, router)

    def _router_added(self, context: Context, router_id: str, router: Row) -> Steps:
        state = self._create_router(context, router_id, router)
        self.router_info[router_id] = state
        try:
            yield from self.ri.initialize(context, state)
        except Exception as error:
            self.unexpected(error)
            del self.router_info[router_id]
            raise

    def _create_router(self, context: Context, router_id: str, router: Row) -> RouterState:
        return RouterState(router_id)

    def _safe_router_removed(self, context: Context, router_id: str) -> Steps:
        """Remove a router; whether that went well."""
        try:
            yield from self._router_removed(context, router_id)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.L3_DELETE_FAILED, context, error, router_id)
            return False
        return True

    def _router_removed(self, context: Context, router_id: str) -> Steps:
        state = self.router_info.get(router_id)
        if state is None:
            return
        yield from self.ri.delete(context, state)
        del self.router_info[router_id]

    # --- all routers ---------------------------------------------------------------------------------------------

    def periodic_sync_routers_task(self, context: Context) -> Steps:
        """Where all routers are to be looked at anew: after a start, and when the server took the agent for dead."""
        if not self.fullsync:
            return
        try:
            yield from self.fetch_and_sync_all_routers(context)
        except CloudError:
            self.fullsync = True

    def fetch_and_sync_all_routers(self, context: Context) -> Steps:
        """Have every router of this agent updated, and what is none any more removed. Raises what the call raises."""
        before = set(self.router_info)
        try:
            routers = yield from self.plugin_rpc.get_routers(context)
        except MessagingTimeout as error:
            self.exception(logs.L3_SYNC_FAILED, context, error, None)
            raise
        for router in routers:
            before.discard(router["id"])
            update = ResourceUpdate(router["id"], str(ADD_UPDATE_ROUTER), (context, router), PRIORITY_SYNC_ROUTERS_TASK)
            self._queue.add(update)
        self.fullsync = False
        for id in sorted(before):
            self._queue.add(ResourceUpdate(id, str(DELETE_ROUTER), (context, None), PRIORITY_SYNC_ROUTERS_TASK))
