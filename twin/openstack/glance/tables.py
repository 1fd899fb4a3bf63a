"""What glance's database holds: images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Image:
    """A row of `images`, with the location of its data."""

    id: str
    name: str
    size: float
    """Bytes."""
    owner: str
    status: str = "queued"
    """queued, saving, active, killed, deleted."""
    os_hash_value: str = ""
    """Of the data as they were uploaded (SHA-512)."""
    disk_format: str = "qcow2"
    min_disk: int = 0
    """GB."""
    min_ram: int = 0
    visibility: str = "public"

    def body(self) -> dict[str, Any]:
        """An image as the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "size": self.size,
            "owner": self.owner,
            "status": self.status,
            "os_hash_algo": "sha512",
            "os_hash_value": self.os_hash_value,
            "disk_format": self.disk_format,
            "container_format": "bare",
            "min_disk": self.min_disk,
            "min_ram": self.min_ram,
            "visibility": self.visibility,
        }


@dataclass
class ImageTables:
    """The rows."""

    images: dict[str, Image] = field(default_factory=dict)
