"""neutron.db.provisioning_blocks: a port is ACTIVE when everybody concerned has said that it is ready."""

from __future__ import annotations

from twin.openstack.neutron import callbacks
from twin.openstack.neutron.callbacks import CallbacksManager
from twin.openstack.neutron.tables import NeutronTables
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

DHCP_ENTITY, L2_AGENT_ENTITY = "DHCP", "L2"


class ProvisioningBlocks(Flow):
    """The module's functions."""

    source = "neutron.db.provisioning_blocks"

    def __init__(self, service: Service, tables: NeutronTables, registry: CallbacksManager) -> None:
        super().__init__(service)
        self.tables = tables
        self.registry = registry

    def add_provisioning_component(self, context: Context, object_id: str, object_type: str, entity: str) -> None:
        """Hold the object back until `entity` is ready."""
        self.tables.provisioning_blocks.setdefault(object_id, set()).add(entity)

    def remove_provisioning_component(self, context: Context, object_id: str, object_type: str, entity: str) -> bool:
        """Wait for `entity` no longer; whether it was waited for."""
        blocks = self.tables.provisioning_blocks.get(object_id)
        if blocks is None or entity not in blocks:
            return False
        blocks.remove(entity)
        if not blocks:
            del self.tables.provisioning_blocks[object_id]
        return True

    def provisioning_complete(self, context: Context, object_id: str, object_type: str, entity: str) -> Steps:
        """`entity` is ready; where nobody else is waited for, say so."""
        if object_id not in self.tables.ports:
            return
        yield from self.sql(context, 3, write=True)
        self.remove_provisioning_component(context, object_id, object_type, entity)
        if not self.is_object_blocked(context, object_id, object_type):
            yield from self.registry.publish(context, object_type, callbacks.PROVISIONING_COMPLETE, object_id=object_id)

    def is_object_blocked(self, context: Context, object_id: str, object_type: str) -> bool:
        """Whether anybody is waited for."""
        return object_id in self.tables.provisioning_blocks
