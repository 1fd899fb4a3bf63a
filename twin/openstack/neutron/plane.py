"""What neutron's tables mean for packets: the data plane is told to which host a server's port is bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.openstack.infrastructure.dataplane import PortPath
from twin.openstack.neutron import callbacks
from twin.openstack.neutron.callbacks import CallbacksManager
from twin.openstack.neutron.tables import Row

if TYPE_CHECKING:
    from twin.openstack.neutron.server import Neutron


class Plane:
    """Follows the ports of servers; it is no part of neutron's program. What may pass is the agents' to say."""

    def __init__(self, server: Neutron, registry: CallbacksManager) -> None:
        self.site = server.site
        registry.watch(self._changed, "port", callbacks.AFTER_CREATE, callbacks.AFTER_UPDATE)
        registry.watch(self._deleted, "port", callbacks.AFTER_DELETE)

    def _changed(self, port: Row) -> None:
        host = port["binding:host_id"]
        if not port["device_owner"].startswith("compute:") or not host:
            return
        known = self.site.dataplane.ports.get(port["id"])
        if known is None or known.host != host or known.server != port["device_id"]:
            path = PortPath(port["device_id"], port["network_id"], host, ssh_allowed=False)
            self.site.dataplane.bind(port["id"], path)

    def _deleted(self, port: Row) -> None:
        self.site.dataplane.release(port["id"])
