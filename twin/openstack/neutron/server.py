"""neutron-server: the API, the procedures that agents call, and the checks for dead agents."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from simpy.exceptions import Interrupt

from twin.components import Component
from twin.mechanics import neutron as facts
from twin.openstack.neutron import logs
from twin.openstack.neutron import requests as bodies
from twin.openstack.neutron.agent_notifiers import DhcpAgentNotifyAPI, L3AgentNotifyAPI, ObjectChangeHandler
from twin.openstack.neutron.agents_db import AgentDbMixin, AgentExtRpcCallback, DhcpAgentSchedulerDbMixin
from twin.openstack.neutron.callbacks import CallbacksManager
from twin.openstack.neutron.controllers import CollectionsController, ItemController, NotifierHook, QuotaEnforcementHook
from twin.openstack.neutron.l3_db import L3RouterPlugin
from twin.openstack.neutron.l3_rpc import L3RpcCallback
from twin.openstack.neutron.managers import MechanismManager, SimpleAgentMechanismDriverBase
from twin.openstack.neutron.nova_notifier import Notifier
from twin.openstack.neutron.plane import Plane
from twin.openstack.neutron.plugin import Ml2Plugin
from twin.openstack.neutron.provisioning_blocks import ProvisioningBlocks
from twin.openstack.neutron.rpc_callbacks import DhcpRpcCallback, ResourcesPullRpcCallback, RpcCallbacks
from twin.openstack.neutron.tables import NeutronTables, Row
from twin.openstack.oslo.context import Context, admin_context, own_request
from twin.openstack.oslo.exceptions import CloudError, DBConnectionError, DBDeadlock, HttpError
from twin.openstack.oslo.frames import NEUTRON_ENTRY
from twin.openstack.oslo.messaging import AmqpService, Procedure
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import API_METRICS, ApiService, Operation, Response
from twin.openstack.site import Site
from twin.telemetry.records import gauge

COUNTS = (
    gauge("openstack_neutron_networks", "networks", profile=None),
    gauge("openstack_neutron_subnets", "subnets", profile=None),
    gauge("openstack_neutron_ports", "ports", profile=None),
    gauge("openstack_neutron_routers", "routers", profile=None),
    gauge("openstack_neutron_routers_not_active", "routers", profile=None),
    gauge("openstack_neutron_security_groups", "groups", profile=None),
    gauge("openstack_neutron_floating_ips", "addresses", profile=None),
    gauge("openstack_neutron_floating_ips_associated_not_active", "addresses", profile=None),
)
"""As openstack-exporter has them from neutron's API."""

TYPE_DRIVERS = ("flat", "vlan", "vxlan")


class Neutron(ApiService, AmqpService):
    """Networks, subnets, ports, routers, floating IPs and security groups over ML2 with Open vSwitch agents."""

    kind = "neutron-server"
    program = "neutron-server"
    port = 9696
    wsgi_logger = "neutron.wsgi"
    topic = "q-plugin"
    unexpected_error = logs.NEUTRON_FAILED
    entry = NEUTRON_ENTRY
    metrics = (*API_METRICS, *COUNTS)
    retriable = (DBDeadlock, DBConnectionError)
    db_retries, db_retry_interval = facts.DB_RETRIES, facts.DB_RETRY_INTERVAL

    def __init__(self, site: Site, name: str, place: Component, workers: int = 1) -> None:
        super().__init__(site, name, place, workers)
        self.tables = tables = NeutronTables()
        registry = CallbacksManager(self)
        blocks = ProvisioningBlocks(self, tables, registry)
        driver = SimpleAgentMechanismDriverBase(self, tables, blocks)
        self.plugin = plugin = Ml2Plugin(self, tables, registry, blocks, MechanismManager(self, driver))
        self.agents = AgentDbMixin(self, tables)
        self.schedulers = DhcpAgentSchedulerDbMixin(self, tables)
        self.l3 = L3RouterPlugin(self, plugin, registry, L3AgentNotifyAPI(self))
        self.schedulers.notifier = DhcpAgentNotifyAPI(self, plugin, self.schedulers, registry)
        ObjectChangeHandler(self, registry)
        plugin.nova_notifier = Notifier(self, tables, registry)
        Plane(self, registry)
        plugins: dict[str, Any] = dict.fromkeys(("network", "subnet", "port"), plugin)
        plugins |= dict.fromkeys(("security_group", "security_group_rule"), plugin.security_groups)
        plugins |= dict.fromkeys(("router", "floatingip"), self.l3)
        hook = NotifierHook(self, registry)
        self.collections = CollectionsController(self, plugins, QuotaEnforcementHook(self, tables), hook)
        self.items = ItemController(self, plugins, tables, hook)
        self.l2_callbacks = RpcCallbacks(self, plugin)
        self.dhcp_callbacks = DhcpRpcCallback(self, plugin, self.schedulers)
        self.l3_callbacks = L3RpcCallback(self, self.l3)
        self.pull_callbacks = ResourcesPullRpcCallback(self, plugin)
        self.state_callbacks = AgentExtRpcCallback(self, self.agents)
        self._operations = self._offer()
        self._procedures = {
            name: _procedure(owner, name)
            for owner, names in (
                (self.l2_callbacks, ("update_device_list", "tunnel_sync")),
                (self.pull_callbacks, ("bulk_pull",)),
                (self.dhcp_callbacks, DHCP_PROCEDURES),
                (self.l3_callbacks, ("sync_routers", "update_floatingip_statuses")),
                (self.state_callbacks, ("report_state",)),
            )
            for name in names
        }

    # --- the API -------------------------------------------------------------------------------------------------

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._operations

    def _offer(self) -> dict[str, Operation]:
        operations: dict[str, Operation] = {}
        for plural, (resource, body) in bodies.RESOURCES.items():
            operations[f"{plural}.create"] = self._creation(resource, body)
            operations[f"{plural}.list"] = self._listing(resource)
            operations[f"{plural}.show"] = self._showing(resource)
            operations[f"{plural}.update"] = self._updating(resource)
            operations[f"{plural}.delete"] = self._deletion(resource)
        operations["routers.add_interface"] = self._interface("add_router_interface")
        operations["routers.remove_interface"] = self._interface("remove_router_interface")
        operations["agents.list"] = self._agents
        operations["quotas.show"] = self._quotas
        return operations

    def _creation(self, resource: str, body: Callable[..., Row]) -> Operation:
        def create(context: Context, **arguments: Any) -> Steps:
            data = body(context.request.project, **arguments)
            steps = self.collections.create(context, resource, data)
            return (yield from self._answered(context, "POST", 201, bodies.LENGTHS.get(resource, 500), steps))

        return create

    def _listing(self, resource: str) -> Operation:
        def index(context: Context, fields: str = "", **filters: Any) -> Steps:
            wanted = {name: value for name, value in filters.items() if value is not None}
            steps = self.collections.get(context, resource, wanted)
            return (yield from self._answered(context, "GET", 200, bodies.length(resource, fields), steps))

        return index

    def _showing(self, resource: str) -> Operation:
        def show(context: Context, fields: str = "", **item: str) -> Steps:
            (id,) = item.values()
            steps = self.items.get(context, resource, id)
            return (yield from self._answered(context, "GET", 200, bodies.length(resource, fields), steps))

        return show

    def _updating(self, resource: str) -> Operation:
        def update(context: Context, **arguments: Any) -> Steps:
            id, data = bodies.changes(resource, arguments)
            steps = self.items.put(context, resource, id, data)
            return (yield from self._answered(context, "PUT", 200, bodies.LENGTHS.get(resource, 500), steps))

        return update

    def _deletion(self, resource: str) -> Operation:
        def delete(context: Context, **item: str) -> Steps:
            (id,) = item.values()
            return (yield from self._answered(context, "DELETE", 204, 0, self.items.delete(context, resource, id)))

        return delete

    def _interface(self, action: str) -> Operation:
        def change(context: Context, router_id: str, subnet_id: str) -> Steps:
            steps = getattr(self.l3, action)(context, router_id, {"subnet_id": subnet_id})
            return (yield from self._answered(context, "PUT", 200, 309, steps))

        return change

    def _agents(self, context: Context) -> Generator[Any, Any, Response]:
        yield from self.work(context, facts.API["index"])
        found = self.agents.get_agents(context)
        return Response(200, found, 40 + 560 * len(found))

    def _quotas(self, context: Context, project_id: str) -> Generator[Any, Any, Response]:
        yield from self.work(context, facts.API["quotas.show"])
        return Response(200, dict(self.tables.quotas), 152)

    def _answered(self, context: Context, method: str, status: int, length: int, steps: Steps) -> Steps:
        """The answer to a request: what the plugin says, or how its error is translated."""
        try:
            body = yield from steps
        except Interrupt:
            raise
        except Exception as error:
            return self._translated(context, method, error)
        size = 20 + length * len(body) if isinstance(body, list) else length
        return Response(status, body, size)

    def _translated(self, context: Context, method: str, error: Exception) -> Response:
        """neutron.pecan_wsgi.hooks.translation: the client's own mistakes are a line of INFO."""
        cause = error.__cause__ if isinstance(error.__cause__, CloudError) else None
        known = cause if cause is not None and cause.code < 500 else error
        if isinstance(known, CloudError) and known.code < 500:
            self.say(logs.NEUTRON_CLIENT_ERROR, context, method, known)
            return Response(known.code, length=104 + len(str(known)), message=str(known))
        self.unexpected(error)
        self.exception(logs.NEUTRON_REQUEST_FAILED, context, error, method, entry=self.entry)
        return Response(500, length=150, message="Request Failed: internal server error while processing your request.")

    def refuse(self, context: Context, error: Exception) -> Response:
        """Before the API layer: an error of keystonemiddleware."""
        if isinstance(error, HttpError) and error.service == "keystone":
            return Response(error.status, length=170, message=str(error))
        return self._translated(context, "GET", error)

    def inner_context(self, context: Context) -> Context:
        return own_request(self.world, context)

    def log_access(self, context: Context, method: str, uri: str, response: Response, seconds: float) -> None:
        address = self.site.address(self.node)
        self.say(logs.NEUTRON_ACCESS, context, address, method, uri, response.status, response.length + 190, seconds)

    # --- agents --------------------------------------------------------------------------------------------------

    @property
    def procedures(self) -> dict[str, Procedure]:
        return self._procedures

    def timestamp(self, time: float) -> str:
        """A moment as neutron prints it."""
        return str(datetime.fromtimestamp(self.world.epoch + time, UTC).replace(tzinfo=None, microsecond=0))

    def on_running(self) -> None:
        if self.world.now > 0:
            self.say(logs.LOGGING_ENABLED, None)
            self.say(logs.VERSION, None)
            self.say(logs.LOADING_CORE, None, "ml2")
            for said in (logs.TYPE_DRIVERS_LOADED, logs.TYPES_REGISTERED):
                self.say(said, None, list(TYPE_DRIVERS))
            self.say(logs.EXTENSION_DRIVERS_LOADED, None, ["port_security"])
            for said in (logs.MECHANISM_DRIVERS_LOADED, logs.MECHANISM_DRIVERS_REGISTERED):
                self.say(said, None, ["openvswitch"])
            self.say(logs.PLUGIN_READY, None)
            self.say(logs.LOADING_PLUGIN, None, "router")
            self.say(logs.LISTENING, None, "0.0.0.0", self.port)
        super().on_running()
        self.spawn(self._every(facts.HEALTH_CHECK_INTERVAL, "health"))

    def _every(self, interval: float, task: str) -> Steps:
        """`agent_health_check` and `remove_networks_from_down_agents`."""
        tick = 0
        while True:
            yield self.clock.timeout(interval)
            tick += 1
            context = admin_context(self.world, self.name, self.pid, task, tick)
            try:
                yield from self.sql_once(context, 1)
                self.agents.agent_health_check(context)
            except CloudError:
                pass  # a looping call of oslo.service goes on after what it could not do
            yield from self.schedulers.remove_networks_from_down_agents(context)

    def sample(self) -> Sequence[float]:
        tables = self.tables
        if not self.up or not self.site.answers_queries():
            return (*super().sample(), *(float("nan") for _ in COUNTS))
        floating_ips = tables.floating_ips.values()
        return (
            *super().sample(),
            len(tables.networks),
            len(tables.subnets),
            len(tables.ports),
            len(tables.routers),
            sum(1 for router in tables.routers.values() if not router.host),
            len(tables.security_groups),
            len(tables.floating_ips),
            sum(1 for row in floating_ips if row.port_id is not None and row.status != "ACTIVE"),
        )


DHCP_PROCEDURES = (
    "get_active_networks_info",
    "get_network_info",
    "create_dhcp_port",
    "release_dhcp_port",
    "dhcp_ready_on_ports",
    "get_ports",
)


def _procedure(owner: Any, name: str) -> Procedure:
    """A flow's function, looked up at each call: a bad release may have changed it."""

    def call(context: Context, **arguments: Any) -> Steps:
        return (yield from getattr(owner, name)(context, **arguments))

    return call
