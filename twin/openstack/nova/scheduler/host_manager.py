"""Which servers the scheduler thinks are where: kept up to date by the compute hosts (`track_instance_changes`)."""

from __future__ import annotations

from collections.abc import Sequence

from twin.openstack.nova import logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service


class HostManager(Flow):
    """nova.scheduler.host_manager.HostManager."""

    source = "nova.scheduler.host_manager"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._instance_info: dict[str, set[str]] = {}
        """Servers by host, as the last messages said."""

    def update_instance_info(self, context: Context, host_name: str, instance_uuid: str) -> None:
        """A server has been built or has arrived."""
        if host_name not in self._instance_info:
            self._recreate_instance_info(host_name)
            self.say(logs.INSTANCES_OF_UNKNOWN_HOST, context, host_name)
        self._instance_info[host_name].add(instance_uuid)

    def delete_instance_info(self, context: Context, host_name: str, instance_uuid: str) -> None:
        """A server is gone."""
        if host_name in self._instance_info:
            self._instance_info[host_name].discard(instance_uuid)

    def sync_instance_info(self, context: Context, host_name: str, instance_uuids: Sequence[str]) -> None:
        """A host says which servers it has."""
        known = self._instance_info.get(host_name)
        if known is None:
            self._recreate_instance_info(host_name)
            self.say(logs.SYNC_FROM_UNKNOWN_HOST, context, host_name)
        elif known != set(instance_uuids):
            self._recreate_instance_info(host_name)
            self.say(logs.INSTANCES_RECREATED, context, host_name)
        else:
            self.say(logs.INSTANCES_SYNCED, context, host_name)

    def forget(self) -> None:
        """The process is new: as at its start, it reads who is where (`_init_instance_info`)."""
        self._instance_info = {host: set() for host in self.site.computes}
        for host in self.site.computes:
            self._recreate_instance_info(host)

    def _recreate_instance_info(self, host_name: str) -> None:
        self._instance_info[host_name] = {server.uuid for server in self.site.tables.on(host_name)}
