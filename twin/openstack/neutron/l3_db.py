"""neutron.db.l3_db: routers with their interfaces and gateways, floating IPs, and the agent of each router."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from twin.mechanics import neutron as facts
from twin.openstack.neutron import callbacks, logs
from twin.openstack.neutron import exceptions as errors
from twin.openstack.neutron.agent_notifiers import L3AgentNotifyAPI
from twin.openstack.neutron.agents_db import L3
from twin.openstack.neutron.callbacks import CallbacksManager
from twin.openstack.neutron.plugin import Ml2Plugin
from twin.openstack.neutron.tables import FloatingIP, Port, Router, Row, Subnet
from twin.openstack.neutron.transaction import Transaction
from twin.openstack.oslo.context import Context, fresh_id
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

ROUTER_INTF, ROUTER_GW, FLOATINGIP = "network:router_interface", "network:router_gateway", "network:floatingip"


class L3RouterPlugin(Flow):
    """The router plugin (`L3_NAT_db_mixin`)."""

    source = "neutron.db.l3_db"

    def __init__(
        self, service: Service, plugin: Ml2Plugin, registry: CallbacksManager, notifier: L3AgentNotifyAPI
    ) -> None:
        super().__init__(service)
        self.tables = plugin.tables
        self.core_plugin = plugin
        self.registry = registry
        self.l3_rpc_notifier = notifier
        registry.subscribe(self, "_prevent_l3_port_delete_callback", "port", callbacks.BEFORE_DELETE)
        registry.subscribe(self, "_disassociate_floatingips", "port", callbacks.AFTER_DELETE)

    def _generate(self, context: Context, kind: str) -> str:
        """A fresh uuid."""
        return fresh_id(self.world, context, kind)

    # --- routers -------------------------------------------------------------------------------------------------

    def create_router(self, context: Context, router: Row) -> Steps:
        """A router, with a gateway where an external network is named."""
        work = facts.API["create_router"]
        yield from self.think(context, work.python)
        gw_info = router["external_gateway_info"]
        with Transaction() as rollback:
            router_db = self._create_router_db(context, router)
            rollback(partial(self._remove_router, router_db))
            yield from self.sql(context, work.statements, write=True)
        if gw_info:
            try:
                yield from self._update_router_gw_info(context, router_db.id, gw_info)
            except Exception as error:
                self.unexpected(error)
                self._remove_router(router_db)
                raise
        yield from self.notify_router_updated(context, router_db.id)
        return router_db.show()

    def _create_router_db(self, context: Context, router: Row) -> Router:
        row = Router(self._generate(context, "router"), router["name"], router["project_id"])
        self.tables.routers[row.id] = row
        self.tables.count(row.project_id, "router", 1)
        return row

    def _remove_router(self, router: Router) -> None:
        if self.tables.routers.pop(router.id, None) is not None:
            self.tables.count(router.project_id, "router", -1)

    def _update_router_gw_info(self, context: Context, router_id: str, info: Row) -> Steps:
        network_id = info["network_id"]
        network = self.core_plugin.db._get_network(context, network_id)
        if not network.external:
            raise errors.BadRequest(resource="router", msg=f"Network {network_id} is not an external network")
        router = self._get_router(context, router_id)
        gw_port = yield from self._create_router_gw_port(context, router, network_id)
        router.external_network_id, router.gateway_port = network_id, gw_port["id"]

    def _create_router_gw_port(self, context: Context, router: Router, network_id: str) -> Steps:
        port = self._port(router.project_id, network_id, router.id, ROUTER_GW)
        return (yield from self.core_plugin.create_port(context, port))

    def _port(self, project: str, network_id: str, device_id: str, owner: str) -> Row:
        return {"network_id": network_id, "device_id": device_id, "device_owner": owner, "project_id": project}

    def _get_router(self, context: Context, router_id: str) -> Router:
        router = self.tables.routers.get(router_id)
        if router is None:
            raise errors.RouterNotFound(router_id=router_id)
        return router

    def get_router(self, context: Context, id: str) -> Steps:
        """Raises RouterNotFound."""
        yield from self.service.work(context, facts.API["show"])
        return self._get_router(context, id).show()

    def get_routers(self, context: Context, filters: Mapping[str, Any]) -> Steps:
        """Routers with these attributes."""
        yield from self.service.work(context, facts.API["index"])
        shown = [router.show() for router in self.tables.routers.values()]
        return [router for router in shown if all(router[name] == value for name, value in filters.items())]

    def delete_router(self, context: Context, id: str) -> Steps:
        """Raises RouterInUse."""
        work = facts.API["delete_router"]
        yield from self.think(context, work.python)
        router = self._ensure_router_not_in_use(context, id)
        if router.gateway_port is not None:
            yield from self._delete_router_port(context, router, router.gateway_port)
        yield from self.sql(context, work.statements, write=True)
        self._remove_router(router)
        yield from self.l3_rpc_notifier.router_deleted(context, router.host, id)

    def _ensure_router_not_in_use(self, context: Context, router_id: str) -> Router:
        router = self._get_router(context, router_id)
        if router.interfaces:
            raise errors.RouterInUse(router_id=router_id)
        return router

    def _delete_router_port(self, context: Context, router: Router, port_id: str) -> Steps:
        """A port of the router's own: it may go now."""
        port = self.tables.ports.get(port_id)
        if port is not None:
            self.tables.change_port(port, device_owner="")
            yield from self.core_plugin.delete_port(context, port_id)

    # --- interfaces ----------------------------------------------------------------------------------------------

    def add_router_interface(self, context: Context, router_id: str, interface_info: Row) -> Steps:
        """Give a router an interface in a subnet. Raises BadRequest where it has one."""
        work = facts.API["router_interface"]
        yield from self.think(context, work.python)
        router = self._get_router(context, router_id)
        subnet = self.core_plugin.db._get_subnet(context, interface_info["subnet_id"])
        port = yield from self._add_interface_by_subnet(context, router, subnet)
        yield from self.sql(context, 6, write=True)
        router.interfaces[subnet.id] = port["id"]
        yield from self.notify_router_updated(context, router_id)
        return self._make_router_interface_info(router, port["id"], subnet.id)

    def _add_interface_by_subnet(self, context: Context, router: Router, subnet: Subnet) -> Steps:
        if subnet.id in router.interfaces:
            message = f"Router already has a port on subnet {subnet.id}"
            raise errors.BadRequest(resource="router", msg=message)
        port = self._port(router.project_id, subnet.network_id, router.id, ROUTER_INTF)
        return (yield from self.core_plugin.create_port(context, port))

    def _make_router_interface_info(self, router: Router, port_id: str, subnet_id: str) -> Row:
        return {"id": router.id, "port_id": port_id, "subnet_id": subnet_id, "tenant_id": router.project_id}

    def remove_router_interface(self, context: Context, router_id: str, interface_info: Row) -> Steps:
        """Take the interface out of a subnet. Raises RouterInterfaceInUseByFloatingIP."""
        work = facts.API["router_interface"]
        yield from self.think(context, work.python)
        router = self._get_router(context, router_id)
        subnet_id = interface_info["subnet_id"]
        port_id = router.interfaces.get(subnet_id)
        if port_id is None:
            raise errors.RouterInterfaceNotFoundForSubnet(router_id=router_id, subnet_id=subnet_id)
        self._confirm_router_interface_not_in_use(context, router_id, subnet_id)
        yield from self._delete_router_port(context, router, port_id)
        router.interfaces.pop(subnet_id, None)
        yield from self.notify_router_updated(context, router_id)
        return self._make_router_interface_info(router, port_id, subnet_id)

    def _confirm_router_interface_not_in_use(self, context: Context, router_id: str, subnet_id: str) -> None:
        for floating_ip in self.tables.floating_ips.values():
            port = self.tables.ports.get(floating_ip.port_id or "")
            if floating_ip.router_id == router_id and port is not None and self._on(port, subnet_id):
                raise errors.RouterInterfaceInUseByFloatingIP(router_id=router_id, subnet_id=subnet_id)

    def _on(self, port: Port, subnet_id: str) -> bool:
        return any(address["subnet_id"] == subnet_id for address in port.fixed_ips)

    def _prevent_l3_port_delete_callback(self, context: Context, resource: str, event: str, port: Row) -> Steps:
        """A router's port is deleted by way of the router only."""
        self.prevent_l3_port_deletion(context, port)
        yield from ()

    def prevent_l3_port_deletion(self, context: Context, port: Row) -> None:
        """Raises ServicePortInUse."""
        if port["device_owner"] in (ROUTER_INTF, ROUTER_GW, FLOATINGIP):
            reason = f"has device owner {port['device_owner']}"
            raise errors.ServicePortInUse(port_id=port["id"], reason=reason)

    # --- floating IPs --------------------------------------------------------------------------------------------

    def create_floatingip(self, context: Context, floatingip: Row) -> Steps:
        """An address of an external network, with its port; associated where a port is named."""
        work = facts.API["create_floatingip"]
        yield from self.think(context, work.python)
        network_id = floatingip["floating_network_id"]
        network = self.core_plugin.db._get_network(context, network_id)
        if not network.external:
            raise errors.BadRequest(resource="floatingip", msg=f"Network {network_id} is not a valid external network")
        fip_id = self._generate(context, "floatingip")
        port = self._port(floatingip["project_id"], network_id, fip_id, FLOATINGIP)
        external_port = yield from self.core_plugin.create_port(context, port)
        address = external_port["fixed_ips"][0]["ip_address"]
        project = floatingip["project_id"]
        row = FloatingIP(fip_id, project, network_id, address, external_port["id"])
        with Transaction() as rollback:
            self.tables.floating_ips[fip_id] = row
            self.tables.count(project, "floatingip", 1)
            rollback(partial(self._remove_floatingip, row))
            yield from self.sql(context, work.statements, write=True)
            if floatingip["port_id"]:
                self._update_fip_assoc(context, row, floatingip["port_id"])
        if row.router_id:
            yield from self.notify_router_updated(context, row.router_id)
        return row.show()

    def _remove_floatingip(self, floating_ip: FloatingIP) -> None:
        if self.tables.floating_ips.pop(floating_ip.id, None) is not None:
            self.tables.count(floating_ip.project_id, "floatingip", -1)

    def _get_floatingip(self, context: Context, id: str) -> FloatingIP:
        floating_ip = self.tables.floating_ips.get(id)
        if floating_ip is None:
            raise errors.FloatingIPNotFound(floatingip_id=id)
        return floating_ip

    def get_floatingip(self, context: Context, id: str) -> Steps:
        """Raises FloatingIPNotFound."""
        yield from self.service.work(context, facts.API["show"])
        return self._get_floatingip(context, id).show()

    def get_floatingips(self, context: Context, filters: Mapping[str, Any]) -> Steps:
        """Floating IPs with these attributes."""
        yield from self.service.work(context, facts.API["index"])
        shown = [floating_ip.show() for floating_ip in self.tables.floating_ips.values()]
        return [row for row in shown if all(row[name] == value for name, value in filters.items())]

    def update_floatingip(self, context: Context, id: str, floatingip: Row) -> Steps:
        """Associate with another port, or with none."""
        work = facts.API["update_floatingip"]
        yield from self.think(context, work.python)
        row = self._get_floatingip(context, id)
        before = row.router_id
        yield from self.sql(context, work.statements, write=True)
        self._update_fip_assoc(context, row, floatingip["port_id"])
        for router_id in dict.fromkeys((before, row.router_id)):
            if router_id:
                yield from self.notify_router_updated(context, router_id)
        return row.show()

    def _update_fip_assoc(self, context: Context, floating_ip: FloatingIP, port_id: str | None) -> None:
        before = floating_ip.port_id
        if port_id is None:
            floating_ip.port_id = floating_ip.fixed_ip_address = floating_ip.router_id = None
            floating_ip.status = "DOWN"
        else:
            port, router_id = self._get_assoc_data(context, floating_ip, port_id)
            floating_ip.port_id, floating_ip.router_id = port.id, router_id
            floating_ip.fixed_ip_address = port.fixed_ips[0]["ip_address"]
        if before != port_id:
            action = "associated" if port_id else "disassociated"
            self.say(
                logs.FLOATING_IP, context, floating_ip.id, action, floating_ip.floating_ip_address, port_id or before
            )

    def _get_assoc_data(self, context: Context, floating_ip: FloatingIP, port_id: str) -> tuple[Port, str]:
        """The port and the router that leads to it."""
        port = self.core_plugin.db._get_port(context, port_id)
        if not port.fixed_ips:
            raise errors.BadRequest(resource="floatingip", msg=f"Port {port_id} does not have any fixed addresses")
        for other in self.tables.floating_ips.values():
            if other.port_id == port_id and other is not floating_ip:
                raise errors.FloatingIPPortAlreadyAssociated(
                    floating_ip_address=floating_ip.floating_ip_address,
                    fip_id=floating_ip.id,
                    port_id=port_id,
                    fixed_ip=other.fixed_ip_address,
                    net_id=floating_ip.floating_network_id,
                )
        subnet_id = port.fixed_ips[0]["subnet_id"]
        return port, self._get_router_for_floatingip(context, port, subnet_id, floating_ip.floating_network_id)

    def _get_router_for_floatingip(
        self, context: Context, internal_port: Port, internal_subnet_id: str, external_network_id: str
    ) -> str:
        for router in self.tables.routers.values():
            if internal_subnet_id in router.interfaces and router.external_network_id == external_network_id:
                return router.id
        raise errors.ExternalGatewayForFloatingIPNotFound(
            subnet_id=internal_subnet_id, external_network_id=external_network_id, port_id=internal_port.id
        )

    def delete_floatingip(self, context: Context, id: str) -> Steps:
        """Give the address back."""
        work = facts.API["delete_floatingip"]
        yield from self.think(context, work.python)
        row = self._get_floatingip(context, id)
        router_id = row.router_id
        yield from self.sql(context, work.statements, write=True)
        self._remove_floatingip(row)
        port = self.tables.ports.get(row.floating_port_id)
        if port is not None:
            self.tables.change_port(port, device_owner="")
            yield from self.core_plugin.delete_port(context, port.id)
        if router_id:
            yield from self.notify_router_updated(context, router_id)

    def _disassociate_floatingips(self, context: Context, resource: str, event: str, port: Row) -> Steps:
        """A port has gone: its address points nowhere."""
        if not port["device_owner"].startswith("compute:"):
            return
        router_ids = self.disassociate_floatingips(context, port["id"])
        for router_id in router_ids:
            yield from self.notify_router_updated(context, router_id)

    def disassociate_floatingips(self, context: Context, port_id: str) -> list[str]:
        """The routers concerned."""
        routers = []
        for floating_ip in self.tables.floating_ips.values():
            if floating_ip.port_id == port_id:
                if floating_ip.router_id:
                    routers.append(floating_ip.router_id)
                self._update_fip_assoc(context, floating_ip, None)
        return routers

    # --- agents --------------------------------------------------------------------------------------------------

    def notify_router_updated(self, context: Context, router_id: str) -> Steps:
        """Tell the router's agent, which is chosen where it has none."""
        router = self._get_router(context, router_id)
        if not router.host:
            yield from self.schedule_router(context, router)
        yield from self.l3_rpc_notifier.routers_updated(context, router.host, [router_id])

    def schedule_router(self, context: Context, router: Router) -> Steps:
        """Choose the agent with the fewest routers."""
        yield from self.service.work(context, facts.SCHEDULE)
        candidates = [
            agent for agent in self.tables.agents_of(L3) if agent.admin_state_up and agent.alive(self.world.now)
        ]
        if not candidates:
            self.say(logs.NO_ACTIVE_L3_AGENTS, context)
            return
        hosts = [other.host for other in self.tables.routers.values()]
        router.host = min(candidates, key=lambda agent: hosts.count(agent.host)).host
