"""What cinder's database holds: volumes, snapshots, attachments, services, quota usages.

Reading and writing goes through `twin.openstack.cinder.db`, which costs statements.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from twin.mechanics import cinder as facts


@dataclass(slots=True)
class Attachment:
    """A row of `volume_attachment`."""

    id: str
    volume_id: str
    instance_uuid: str | None
    attach_status: str = "reserved"
    """reserved, attaching, attached, error_attaching, error_detaching."""
    attached_host: str | None = None
    mountpoint: str | None = None
    attach_mode: str | None = None
    connector: dict[str, Any] | None = None
    connection_info: dict[str, Any] | None = None


@dataclass(slots=True)
class Volume:
    """A row of `volumes`."""

    id: str
    size: int
    user_id: str
    project_id: str
    display_name: str = ""
    status: str = "creating"
    """creating, downloading, available, reserved, attaching, in-use, detaching, extending, deleting, error,
    error_deleting, error_extending …"""
    attach_status: str = "detached"
    host: str | None = None
    snapshot_id: str | None = None
    bootable: bool = False
    previous_status: str | None = None
    provider_location: str | None = None
    created_at: float = 0.0
    launched_at: float | None = None
    volume_attachment: dict[str, Attachment] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`volume_name_template`."""
        return f"volume-{self.id}"


@dataclass(slots=True)
class Snapshot:
    """A row of `snapshots`."""

    id: str
    volume_id: str
    volume_size: int
    project_id: str
    display_name: str = ""
    status: str = "creating"
    progress: str = "0%"

    @property
    def name(self) -> str:
        """`snapshot_name_template`."""
        return f"snapshot-{self.id}"

    @property
    def volume_name(self) -> str:
        """The name of its volume."""
        return f"volume-{self.volume_id}"


@dataclass(slots=True)
class ServiceRow:
    """A row of `services`: the heartbeat of one cinder service."""

    binary: str
    host: str
    updated_at: float
    disabled: bool = False

    def is_up(self, now: float) -> bool:
        """Whether cinder takes it for alive. Times are those that the readers' and writers' clocks gave."""
        return abs(now - self.updated_at) <= facts.SERVICE_DOWN_TIME


@dataclass(slots=True)
class Usage:
    """A row of `quota_usages`."""

    in_use: int = 0
    reserved: int = 0


@dataclass
class CinderTables:
    """The rows. Insertion order is the order of the primary keys."""

    volumes: dict[str, Volume] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    attachments: dict[str, Attachment] = field(default_factory=dict)
    services: dict[str, ServiceRow] = field(default_factory=dict)
    """By component name."""
    usages: dict[str, dict[str, Usage]] = field(default_factory=dict)
    """Project -> resource -> usage."""
    reservations: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    """Reservation -> project, resource, delta."""
    workers: dict[str | None, str] = field(default_factory=dict)
    """Volume -> the component that works on it."""
    quotas: dict[str, int] = field(default_factory=lambda: dict(facts.QUOTAS))
    by_status: Counter[str] = field(default_factory=Counter)
    """How many volumes are in which status."""
    gigabytes: int = 0
    """Of all volumes together."""
    snapshots_of: dict[str, set[str]] = field(default_factory=dict)
    """Volume -> its snapshots."""

    def add_volume(self, volume: Volume) -> None:
        """Insert a volume."""
        self.volumes[volume.id] = volume
        self.by_status[volume.status] += 1
        self.gigabytes += volume.size

    def change_volume(self, volume: Volume, values: dict[str, Any]) -> None:
        """Write columns of a volume. Raises AttributeError for a column that does not exist, as the ORM does."""
        counted = volume.id in self.volumes
        if counted:
            self.by_status[volume.status] -= 1
            self.gigabytes -= volume.size
        try:
            for column, value in values.items():
                setattr(volume, column, value)
        finally:
            if counted:
                self.by_status[volume.status] += 1
                self.gigabytes += volume.size

    def remove_volume(self, volume: Volume) -> None:
        """Delete a volume with its attachments."""
        if self.volumes.pop(volume.id, None) is not None:
            self.by_status[volume.status] -= 1
            self.gigabytes -= volume.size
            for attachment in volume.volume_attachment:
                self.attachments.pop(attachment, None)

    def add_snapshot(self, snapshot: Snapshot) -> None:
        """Insert a snapshot."""
        self.snapshots[snapshot.id] = snapshot
        self.snapshots_of.setdefault(snapshot.volume_id, set()).add(snapshot.id)

    def remove_snapshot(self, snapshot: Snapshot) -> None:
        """Delete a snapshot."""
        self.snapshots.pop(snapshot.id, None)
        left = self.snapshots_of.get(snapshot.volume_id)
        if left is not None:
            left.discard(snapshot.id)
            if not left:
                del self.snapshots_of[snapshot.volume_id]

    def usage(self, project: str, resource: str) -> Usage:
        """A project's usage of a resource."""
        return self.usages.setdefault(project, {}).setdefault(resource, Usage())
