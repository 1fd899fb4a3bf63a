"""The rows of nova's `migrations`: one for each move of a server, from its order to its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from twin.mechanics.openstack import Flavor
from twin.streams import Stream

MigrationType = Literal["resize", "migration", "live-migration", "evacuation"]
ENDED = frozenset({"confirmed", "reverted", "error", "failed", "completed", "cancelled", "done"})
"""Statuses of moves that hold no resources any more (`migration_get_in_progress_by_host_and_node`)."""


@dataclass(slots=True, eq=False)
class Migration:
    """A row: which server goes from where to where, and how far it has come."""

    uuid: str
    instance_uuid: str
    migration_type: MigrationType
    source_compute: str
    status: str
    old_flavor: Flavor
    new_flavor: Flavor
    dest_compute: str | None = None
    id: int = 0
    """Its primary key, from 1."""


@dataclass
class Migrations:
    """The table. Insertion order is the order of the primary keys."""

    rows: list[Migration] = field(default_factory=list)

    def add(self, migration: Migration) -> None:
        """Insert a row."""
        self.rows.append(migration)
        migration.id = len(self.rows)

    def new_uuid(self, stream: Stream, instance_uuid: str) -> str:
        """The identity of a server's next move."""
        return stream.uuid(instance_uuid, sum(row.instance_uuid == instance_uuid for row in self.rows))

    def of(self, instance_uuid: str, statuses: Iterable[str]) -> list[Migration]:
        """A server's moves in one of some statuses, oldest first."""
        wanted = frozenset(statuses)
        return [row for row in self.rows if row.instance_uuid == instance_uuid and row.status in wanted]

    def in_progress(self, host: str) -> Iterator[Migration]:
        """Moves from or to a host that have not ended, oldest first."""
        return (row for row in self.rows if row.status not in ENDED and host in (row.source_compute, row.dest_compute))

    def evacuated_from(self, host: str) -> list[Migration]:
        """Evacuations that a host has not cleaned up after (`_destroy_evacuated_instances`)."""
        left = ("accepted", "pre-migrating", "done")
        evacuations = (row for row in self.rows if row.migration_type == "evacuation" and row.status in left)
        return [row for row in evacuations if row.source_compute == host]
