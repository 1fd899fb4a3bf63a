"""ML2's managers and the Open vSwitch mechanism driver: which network type, and how a port is bound on a host."""

from __future__ import annotations

from dataclasses import dataclass

from twin.openstack.neutron import logs
from twin.openstack.neutron.exceptions import MechanismDriverError
from twin.openstack.neutron.provisioning_blocks import L2_AGENT_ENTITY, ProvisioningBlocks
from twin.openstack.neutron.tables import NeutronTables, Row
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service

OVS_AGENT = "Open vSwitch agent"
UNBOUND, BINDING_FAILED, OVS = "unbound", "binding_failed", "ovs"


@dataclass(slots=True)
class Binding:
    """A row of `ml2_port_bindings`."""

    host: str
    vif_type: str = UNBOUND


@dataclass(slots=True)
class PortContext:
    """A port as the drivers see it (neutron.plugins.ml2.driver_context)."""

    plugin_context: Context
    current: Row
    network: Row
    binding: Binding
    original: Row | None = None

    @property
    def host(self) -> str:
        """Where it is bound."""
        return self.binding.host

    @property
    def original_host(self) -> str:
        """Where it was bound before the update."""
        return "" if self.original is None else self.original["binding:host_id"]


class TypeManager(Flow):
    """Network types: here VXLAN."""

    source = "neutron.plugins.ml2.managers"

    def __init__(self, service: Service, tables: NeutronTables) -> None:
        super().__init__(service)
        self.tables = tables

    def create_network_segments(self, context: Context, network: Row, tenant_id: str) -> int:
        """Reserve a segment for a network."""
        return self.reserve_provider_segment(context, network)

    def reserve_provider_segment(self, context: Context, segment: Row) -> int:
        """The next VXLAN network identifier."""
        return self.tables.next_segment()

    def release_network_segments(self, context: Context, network_id: str) -> None:
        """Give a network's segment back."""


class SimpleAgentMechanismDriverBase(Flow):
    """The Open vSwitch driver: a port is bound where the host's agent lives."""

    source = "neutron.plugins.ml2.drivers.mech_agent"

    def __init__(self, service: Service, tables: NeutronTables, blocks: ProvisioningBlocks) -> None:
        super().__init__(service)
        self.tables = tables
        self.provisioning_blocks = blocks
        self.agent_type = OVS_AGENT
        self.vif_type = OVS

    def create_port_precommit(self, context: PortContext) -> None:
        """A new port is not ACTIVE before the agent has wired it."""
        self._insert_provisioning_block(context)

    def update_port_precommit(self, context: PortContext) -> None:
        """Nor is one that moves."""
        if context.host == context.original_host:
            return
        self._insert_provisioning_block(context)

    def _insert_provisioning_block(self, context: PortContext) -> None:
        port = context.current
        if not context.host or port["status"] == "ACTIVE":
            return
        if self.host_agents(context.host):
            self.provisioning_blocks.add_provisioning_component(
                context.plugin_context, port["id"], "port", L2_AGENT_ENTITY
            )

    def host_agents(self, host: str) -> list[Row]:
        """The agents of this driver on a host, as the API shows them."""
        agent = self.tables.agent(self.agent_type, host)
        return [] if agent is None else [agent.show(self.world.now)]

    def bind_port(self, context: PortContext) -> None:
        """Bind where an agent is alive; otherwise leave the port as it is."""
        for agent in self.host_agents(context.host):
            if agent["alive"]:
                if self.try_to_bind_segment_for_agent(context, context.network["provider:segmentation_id"], agent):
                    return
            else:
                self.say(logs.DEAD_AGENT, context.plugin_context, context.current["id"], agent)

    def try_to_bind_segment_for_agent(self, context: PortContext, segment: int, agent: Row) -> bool:
        """Write the binding; whether the agent can have the segment."""
        if not self.check_segment_for_agent(segment, agent):
            return False
        context.binding.vif_type = self.vif_type
        return True

    def check_segment_for_agent(self, segment: int, agent: Row) -> bool:
        """Every agent here has tunnels."""
        return bool(segment) and agent["admin_state_up"]


class MechanismManager(Flow):
    """Calls the drivers in order; here there is one."""

    source = "neutron.plugins.ml2.managers"

    def __init__(self, service: Service, driver: SimpleAgentMechanismDriverBase) -> None:
        super().__init__(service)
        self.driver = driver

    def _call_on_drivers(self, method_name: str, context: PortContext) -> None:
        try:
            getattr(self.driver, method_name)(context)
        except Exception as error:
            self.unexpected(error)
            if isinstance(error, CloudError) and error.module.startswith("oslo_db"):
                raise
            self.exception(logs.DRIVER_FAILED, context.plugin_context, error, "openvswitch", method_name)
            raise MechanismDriverError(method=method_name) from error

    def create_port_precommit(self, context: PortContext) -> None:
        """Before a port's row is committed. Raises MechanismDriverError."""
        self._call_on_drivers("create_port_precommit", context)

    def update_port_precommit(self, context: PortContext) -> None:
        """Before a port's change is committed. Raises MechanismDriverError."""
        self._call_on_drivers("update_port_precommit", context)

    def bind_port(self, context: PortContext) -> None:
        """Try to bind; the binding says what came of it."""
        binding = context.binding
        if not self._bind_port_level(context, context.network["provider:segmentation_id"]):
            binding.vif_type = BINDING_FAILED
            segments = [{"id": context.network["id"], "network_type": "vxlan", "physical_network": None}]
            self.say(logs.BIND_FAILED, context.plugin_context, context.current["id"], context.host, "normal", segments)

    def _bind_port_level(self, context: PortContext, segment: int) -> bool:
        try:
            self.driver.bind_port(context)
            return context.binding.vif_type != UNBOUND
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.BIND_DRIVER_FAILED, context.plugin_context, error, "openvswitch")
        return False
