"""What block storage costs: logical volumes, clones, deletions, logins to a target. Pure data; times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2.0**30
EXTENT = 4 * 2**20
"""Bytes of an LVM extent (default)."""


@dataclass(frozen=True, slots=True)
class StorageTimes:
    """One storage backend. All of it assumed, of the usual size for LVM on one SSD and for a small Ceph cluster."""

    rate: float
    """Bytes/s that it reads or writes."""
    create: float
    snapshot: float
    extend: float
    remove: float
    export: float
    """Target and LUN made known (targetcli, or nothing for Ceph)."""
    login: float
    """iSCSI discovery, login and the kernel's scan for the device; the kernel client's map for Ceph."""
    logout: float
    copies: bool = True
    """Whether a volume from an image or a snapshot is a full copy; Ceph clones."""


LVM = StorageTimes(450e6, create=0.35, snapshot=0.5, extend=0.4, remove=0.5, export=0.6, login=1.1, logout=0.7)
CEPH = StorageTimes(
    600e6, create=0.08, snapshot=0.15, extend=0.1, remove=0.6, export=0.0, login=0.25, logout=0.1, copies=False
)

LOGIN_TIMEOUT = 120.0
"""open-iscsi's defaults: `login_timeout` 15 s, `initial_login_retry_max` 8."""
COMMAND_TIMEOUT = 30.0
"""Seconds that a Ceph client waits for its monitors (`rados_connect_timeout`, cinder's usual setting; assumed)."""
LOW_WATER = 0.85
"""Share of a pool in use: Ceph's default nearfull ratio; what a thin pool calls low water is set so (assumed)."""
VOLUME_CLEAR_RATE = 300e6
"""Bytes/s that dd writes zeros with, on a thick volume before it is removed (assumed)."""
