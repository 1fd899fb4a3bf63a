"""Flavors: the sizes in which servers come. Pure data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flavor:
    """One size: virtual processors, MB of memory, GB of disk."""

    id: str
    name: str
    vcpus: int
    memory_mb: int
    disk_gb: int


FLAVORS: dict[str, Flavor] = {
    flavor.name: flavor
    for flavor in (
        Flavor("1", "m1.tiny", 1, 512, 1),
        Flavor("2", "m1.small", 1, 2048, 20),
        Flavor("3", "m1.medium", 2, 4096, 40),
        Flavor("4", "m1.large", 4, 8192, 80),
        Flavor("5", "m1.xlarge", 8, 16384, 160),
    )
}
"""Nova's classical default flavors, which devstack still makes (devstack, lib/nova)."""
