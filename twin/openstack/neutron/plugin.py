"""neutron.plugins.ml2.plugin: networks, subnets and ports, and how ports are bound and become ACTIVE."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from twin.mechanics import neutron as facts
from twin.openstack.neutron import callbacks, logs
from twin.openstack.neutron import exceptions as errors
from twin.openstack.neutron.callbacks import CallbacksManager
from twin.openstack.neutron.db_base import AUTO_DELETE_PORT_OWNERS, NeutronDbPluginV2
from twin.openstack.neutron.managers import BINDING_FAILED, UNBOUND, Binding, MechanismManager, PortContext, TypeManager
from twin.openstack.neutron.provisioning_blocks import DHCP_ENTITY, ProvisioningBlocks
from twin.openstack.neutron.security_groups_db import SecurityGroupDbMixin
from twin.openstack.neutron.tables import NeutronTables, Port, Row
from twin.openstack.neutron.transaction import Transaction
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import DBError, described
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

if TYPE_CHECKING:
    from twin.openstack.neutron.nova_notifier import Notifier


class Ml2Plugin(Flow):
    """The core plugin. A port is created, bound to a host, wired by the host's agent, and then ACTIVE."""

    source = "neutron.plugins.ml2.plugin"
    nova_notifier: Notifier

    def __init__(
        self,
        service: Service,
        tables: NeutronTables,
        registry: CallbacksManager,
        blocks: ProvisioningBlocks,
        mechanisms: MechanismManager,
    ) -> None:
        super().__init__(service)
        self.tables = tables
        self.registry = registry
        self.provisioning_blocks = blocks
        self.mechanism_manager = mechanisms
        self.type_manager = TypeManager(service, tables)
        self.db = NeutronDbPluginV2(service, tables)
        self.security_groups = SecurityGroupDbMixin(service, tables, registry)
        registry.subscribe(self, "_port_provisioned", "port", callbacks.PROVISIONING_COMPLETE)

    # --- networks ------------------------------------------------------------------------------------------------

    def create_network(self, context: Context, network: Row) -> Steps:
        """A network with a segment; nobody serves it yet."""
        yield from self._before_create_network(context, network)
        result = yield from self._create_network_db(context, network)
        return (yield from self._after_create_network(context, result))

    def _before_create_network(self, context: Context, network: Row) -> Steps:
        yield from self.security_groups._ensure_default_security_group(context, network["project_id"])
        yield from self.registry.publish(context, "network", callbacks.BEFORE_CREATE, network=network)

    def _create_network_db(self, context: Context, network: Row) -> Steps:
        work = facts.API["create_network"]
        yield from self.think(context, work.python)
        with Transaction() as rollback:
            row = self.db.create_network_db(context, network)
            rollback(partial(self.db.delete_network_db, context, row))
            row.segmentation_id = self.type_manager.create_network_segments(context, network, row.project_id)
            yield from self.sql(context, work.statements, write=True)
        return row.show()

    def _after_create_network(self, context: Context, result: Row) -> Steps:
        yield from self.registry.publish(context, "network", callbacks.AFTER_CREATE, network=result)
        return result

    def get_network(self, context: Context, id: str) -> Steps:
        """Raises NetworkNotFound."""
        yield from self.service.work(context, facts.API["networks.show"])
        return self.db.get_network(context, id)

    def get_networks(self, context: Context, filters: Mapping[str, Any]) -> Steps:
        """Networks with these attributes."""
        yield from self.service.work(context, facts.API["networks.index"])
        return self.db.get_networks(context, filters)

    def delete_network(self, context: Context, id: str) -> Steps:
        """Raises NetworkInUse."""
        work = facts.API["delete_network"]
        yield from self.think(context, work.python)
        network = self.db._get_network(context, id)
        self.db._ensure_network_not_in_use(context, id)
        yield from self._delete_ports(context, self.tables.ports_of(self.tables.ports_by_network, id))
        yield from self.sql(context, work.statements, write=True)
        shown = self.db.get_network(context, id)
        self.db.delete_network_db(context, network)
        self.type_manager.release_network_segments(context, id)
        yield from self.registry.publish(context, "network", callbacks.AFTER_DELETE, network=shown)

    def _delete_ports(self, context: Context, ports: list[Port]) -> Steps:
        for port in ports:
            if port.device_owner not in AUTO_DELETE_PORT_OWNERS:
                continue
            try:
                yield from self.delete_port(context, port.id)
            except errors.PortNotFound:
                continue
            except Exception as error:
                self.unexpected(error)
                self.exception(logs.AUTO_DELETE_FAILED, context, error, port.id)
                raise

    # --- subnets -------------------------------------------------------------------------------------------------

    def create_subnet(self, context: Context, subnet: Row) -> Steps:
        """A subnet with its pool of addresses."""
        work = facts.API["create_subnet"]
        yield from self.think(context, work.python)
        with Transaction() as rollback:
            row = self.db.create_subnet_db(context, subnet)
            rollback(partial(self.db.delete_subnet_db, context, row))
            yield from self.sql(context, work.statements, write=True)
        result = row.show()
        yield from self.registry.publish(context, "subnet", callbacks.AFTER_CREATE, subnet=result)
        return result

    def get_subnet(self, context: Context, id: str) -> Steps:
        """Raises SubnetNotFound."""
        yield from self.service.work(context, facts.API["show"])
        return self.db._get_subnet(context, id).show()

    def get_subnets(self, context: Context, filters: Mapping[str, Any]) -> Steps:
        """Subnets with these attributes."""
        yield from self.service.work(context, facts.API["index"])
        if isinstance(filters.get("id"), list):
            known = self.tables.subnets
            return [known[subnet].show() for subnet in filters["id"] if subnet in known]
        shown = [subnet.show() for subnet in self.tables.subnets.values()]
        return [subnet for subnet in shown if all(subnet.get(name) == value for name, value in filters.items())]

    def delete_subnet(self, context: Context, id: str) -> Steps:
        """Raises SubnetInUse."""
        work = facts.API["delete_subnet"]
        yield from self.think(context, work.python)
        row = self.db._get_subnet(context, id)
        self.db._ensure_no_user_ports_on_subnet(context, id)
        ports = self.tables.ports_of(self.tables.ports_by_network, row.network_id)
        yield from self._delete_ports(context, [p for p in ports if p.fixed_ips and p.fixed_ips[0]["subnet_id"] == id])
        yield from self.sql(context, work.statements, write=True)
        result = row.show()
        self.db.delete_subnet_db(context, row)
        yield from self.registry.publish(context, "subnet", callbacks.AFTER_DELETE, subnet=result)

    # --- ports: creation -----------------------------------------------------------------------------------------

    def create_port(self, context: Context, port: Row) -> Steps:
        """A port, bound where a host is named."""
        yield from self._before_create_port(context, port)
        mech_context = yield from self._create_port_db(context, port)
        return (yield from self._after_create_port(context, mech_context))

    def _before_create_port(self, context: Context, port: Row) -> Steps:
        if not port.get("status"):
            port["status"] = "DOWN"
        yield from self.registry.publish(context, "port", callbacks.BEFORE_CREATE, port=port)
        yield from self.security_groups._ensure_default_security_group_on_port(context, port)

    def _create_port_db(self, context: Context, port: Row) -> Steps:
        work = facts.API["create_port"]
        yield from self.think(context, work.python)
        with Transaction() as rollback:
            row = self.db.create_port_db(context, port)
            rollback(partial(self.tables.remove_port, row))
            sgids = self.security_groups._get_security_groups_on_port(context, port)
            self.security_groups._process_port_create_security_group(context, row, sgids)
            network = self.db.get_network(context, row.network_id)
            mech_context = PortContext(context, row.show(), network, Binding(""))
            self._process_port_binding(mech_context, port)
            self.mechanism_manager.create_port_precommit(mech_context)
            self._setup_dhcp_agent_provisioning_component(context, mech_context.current)
            yield from self.sql(context, work.statements, write=True)
        return mech_context

    def _after_create_port(self, context: Context, mech_context: PortContext) -> Steps:
        yield from self.registry.publish(context, "port", callbacks.AFTER_CREATE, port=mech_context.current)
        try:
            bound_context = yield from self._bind_port_if_needed(mech_context)
        except errors.MechanismDriverError as error:
            self.say(logs.BIND_IF_NEEDED_FAILED, context, mech_context.current["id"], described(error))
            yield from self.delete_port(context, mech_context.current["id"])
            raise
        return bound_context.current

    def _setup_dhcp_agent_provisioning_component(self, context: Context, port: Row) -> None:
        subnet_ids = [address["subnet_id"] for address in port["fixed_ips"]]
        if self.db.is_dhcp_active_on_any_subnet(context, subnet_ids) and self.get_dhcp_agents_hosting_networks(
            context, port["network_id"]
        ):
            self.provisioning_blocks.add_provisioning_component(context, port["id"], "port", DHCP_ENTITY)
        else:
            self.provisioning_blocks.remove_provisioning_component(context, port["id"], "port", DHCP_ENTITY)

    def get_dhcp_agents_hosting_networks(self, context: Context, network_id: str) -> list[str]:
        """Hosts of the agents that a network is scheduled to, whether they live or not."""
        return list(self.tables.networks[network_id].dhcp_agents)

    # --- ports: binding ------------------------------------------------------------------------------------------

    def _process_port_binding(self, mech_context: PortContext, attrs: Row) -> bool:
        """Write the host that is asked for; a port that moves is unbound and DOWN at first."""
        host = attrs.get("binding:host_id")
        if host is None or host == mech_context.binding.host:
            return False
        port_id = mech_context.current["id"]
        mech_context.binding.host = host
        self._clear_port_binding(mech_context, mech_context.binding)
        row = self.db._get_port(mech_context.plugin_context, port_id)
        self.tables.change_port(row, host=host, vif_type=mech_context.binding.vif_type, status="DOWN")
        mech_context.current = row.show()
        return True

    def _clear_port_binding(self, mech_context: PortContext, binding: Binding) -> None:
        binding.vif_type = UNBOUND

    def _bind_port_if_needed(self, context: PortContext) -> Steps:
        for count in range(1, facts.MAX_BIND_TRIES + 1):
            if count > 1:
                self.say(logs.BIND_ATTEMPT, context.plugin_context, count, context.current["id"])
            bind_context, try_again = yield from self._attempt_binding(context)
            if count == facts.MAX_BIND_TRIES or not try_again:
                if self._should_bind_port(context):
                    context, try_again = yield from self._commit_port_binding(context, bind_context)
                else:
                    context = bind_context
            if not try_again:
                return context
        self.say(logs.BIND_GAVE_UP, context.plugin_context, context.current["id"], facts.MAX_BIND_TRIES)
        return context

    def _should_bind_port(self, context: PortContext) -> bool:
        return bool(context.binding.host) and context.binding.vif_type in (UNBOUND, BINDING_FAILED)

    def _attempt_binding(self, context: PortContext) -> Steps:
        try_again = False
        if self._should_bind_port(context):
            bind_context = yield from self._bind_port(context)
            if bind_context.binding.vif_type == BINDING_FAILED:
                try_again = True
            context = bind_context
        return context, try_again

    def _bind_port(self, orig_context: PortContext) -> Steps:
        new_binding = Binding(orig_context.binding.host)
        new_context = PortContext(
            orig_context.plugin_context,
            orig_context.current,
            orig_context.network,
            new_binding,
            orig_context.original,
        )
        yield from self.think(orig_context.plugin_context, facts.BIND.python)
        self.mechanism_manager.bind_port(new_context)
        return new_context

    def _commit_port_binding(self, orig_context: PortContext, bind_context: PortContext) -> Steps:
        """Write what the attempt came to, unless the port has changed meanwhile."""
        context, port_id = orig_context.plugin_context, orig_context.current["id"]
        yield from self.sql(context, facts.BIND.statements, write=True)
        try:
            port = self.db._get_port(context, port_id)
        except errors.PortNotFound:
            return orig_context, False
        oport = port.show()
        if port.vif_type not in (UNBOUND, BINDING_FAILED) or port.host != orig_context.binding.host:
            return orig_context, True
        self.tables.change_port(port, vif_type=bind_context.binding.vif_type)
        cur_context = PortContext(context, port.show(), bind_context.network, bind_context.binding, oport)
        self.mechanism_manager.update_port_precommit(cur_context)
        yield from self.registry.publish(
            context, "port", callbacks.AFTER_UPDATE, port=cur_context.current, original_port=oport
        )
        return cur_context, False

    # --- ports: reading, changing, deleting ----------------------------------------------------------------------

    def get_port(self, context: Context, id: str) -> Steps:
        """Raises PortNotFound."""
        yield from self.service.work(context, facts.API["show"])
        return self.db.get_port(context, id)

    def get_ports(self, context: Context, filters: Mapping[str, Any]) -> Steps:
        """Ports with these attributes."""
        yield from self.service.work(context, facts.API["index"])
        return self.db.get_ports(context, filters)

    def update_port(self, context: Context, id: str, port: Row) -> Steps:
        """Change a port, and bind it anew where it moves. Raises PortNotFound."""
        work = facts.API["update_port"]
        yield from self.think(context, work.python)
        original_port = self.db.get_port(context, id)
        yield from self.registry.publish(
            context, "port", callbacks.BEFORE_UPDATE, port=port, original_port=original_port
        )
        yield from self.sql(context, work.statements, write=True)
        updated_port = self.db.update_port_db(context, id, port)
        network = self.db.get_network(context, updated_port["network_id"])
        binding = Binding(updated_port["binding:host_id"], updated_port["binding:vif_type"])
        mech_context = PortContext(context, updated_port, network, binding, original_port)
        self._process_port_binding(mech_context, port)
        self.mechanism_manager.update_port_precommit(mech_context)
        if mech_context.current["status"] != "ACTIVE":
            self._setup_dhcp_agent_provisioning_component(context, mech_context.current)
        yield from self.registry.publish(
            context, "port", callbacks.AFTER_UPDATE, port=mech_context.current, original_port=original_port
        )
        bound_context = yield from self._bind_port_if_needed(mech_context)
        return bound_context.current

    def delete_port(self, context: Context, id: str) -> Steps:
        """Delete a port. Raises PortNotFound, and CallbackFailure where a router needs it."""
        work = facts.API["delete_port"]
        yield from self.think(context, work.python)
        port = self.db.get_port(context, id)
        yield from self.registry.publish(context, "port", callbacks.BEFORE_DELETE, port=port)
        yield from self.sql(context, work.statements, write=True)
        self.db.delete_port_db(context, id)
        yield from self.registry.publish(context, "port", callbacks.AFTER_DELETE, port=port)

    # --- ports: status -------------------------------------------------------------------------------------------

    def _port_provisioned(self, context: Context, resource: str, event: str, object_id: str) -> Steps:
        """Everybody is ready: ACTIVE, if it is bound."""
        port = self.tables.ports.get(object_id)
        if port is None or port.vif_type in (UNBOUND, BINDING_FAILED):
            return
        if self.provisioning_blocks.is_object_blocked(context, object_id, resource):
            return
        yield from self.update_port_status(context, object_id, "ACTIVE")

    def update_port_status(self, context: Context, port_id: str, status: str, host: str | None = None) -> Steps:
        """Write a port's status; its id, None where it is gone."""
        if port_id not in self.tables.ports:
            return None
        return (yield from self._safe_update_individual_port_db_status(context, port_id, status, host))

    def _safe_update_individual_port_db_status(
        self, context: Context, port_id: str, status: str, host: str | None
    ) -> Steps:
        try:
            return (yield from self._update_individual_port_db_status(context, port_id, status, host))
        except DBError:
            raise
        except Exception as error:
            self.unexpected(error)
            if port_id in self.tables.ports:
                raise
        return None

    def _update_individual_port_db_status(self, context: Context, port_id: str, status: str, host: str | None) -> Steps:
        yield from self.think(context, facts.STATUS.python)
        yield from self.sql(context, facts.STATUS.statements, write=True)
        port = self.db._get_port(context, port_id)
        if port.status == status:
            return port_id
        original_port = port.show()
        self.tables.change_port(port, status=status)
        updated_port = port.show()
        binding = Binding(port.host, port.vif_type)
        network = self.db.get_network(context, port.network_id)
        mech_context = PortContext(context, updated_port, network, binding, original_port)
        self.mechanism_manager.update_port_precommit(mech_context)
        event = self.nova_notifier.record_port_status_changed(updated_port, status, original_port["status"])
        self.nova_notifier.send_port_status(context, event)
        yield from self.registry.publish(
            context, "port", callbacks.AFTER_UPDATE, port=updated_port, original_port=original_port
        )
        return port_id

    def port_bound_to_host(self, context: Context, port_id: str, host: str) -> Row | None:
        """The port, where it is bound to the host."""
        port = self.tables.ports.get(port_id)
        return port.show() if port is not None and port.host == host else None
