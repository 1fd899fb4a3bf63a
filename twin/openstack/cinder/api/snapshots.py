"""Requests about snapshots."""

from __future__ import annotations

from typing import Any

from twin.openstack.cinder import logs
from twin.openstack.cinder.tables import Snapshot
from twin.openstack.cinder.volume.api import API
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps


class SnapshotsController(Flow):
    """cinder.api.v2.snapshots.SnapshotsController, which version 3 inherits."""

    source = "cinder.api.v2.snapshots"

    def __init__(self, service: Service, volume_api: API) -> None:
        super().__init__(service)
        self.volume_api = volume_api

    def create(self, context: Context, volume_id: str, name: str = "", force: bool = False) -> Steps:
        """Accept a snapshot; its body."""
        volume = yield from self.volume_api.get(context, volume_id)
        self.say(logs.API_SNAPSHOT, context, volume_id)
        new_snapshot = yield from self.volume_api.create_snapshot(context, volume, name, force)
        self.say(logs.SNAPSHOT_ISSUED, context)
        return self._detail(new_snapshot)

    def show(self, context: Context, snapshot_id: str) -> Steps:
        """A snapshot's body."""
        snapshot = yield from self.volume_api.get_snapshot(context, snapshot_id)
        return self._detail(snapshot)

    def detail(self, context: Context) -> Steps:
        """The project's snapshots."""
        snapshots = yield from self.volume_api.get_all_snapshots(context)
        return [self._detail(snapshot) for snapshot in snapshots]

    def delete(self, context: Context, snapshot_id: str) -> Steps:
        """Accept a deletion."""
        self.say(logs.API_SNAPSHOT_DELETE, context, snapshot_id)
        snapshot = yield from self.volume_api.get_snapshot(context, snapshot_id)
        yield from self.volume_api.delete_snapshot(context, snapshot)

    def _detail(self, snapshot: Snapshot) -> dict[str, Any]:
        return {
            "id": snapshot.id,
            "name": snapshot.display_name,
            "volume_id": snapshot.volume_id,
            "size": snapshot.volume_size,
            "status": snapshot.status,
            "os-extended-snapshot-attributes:progress": snapshot.progress,
        }
