"""Cinder's service times, limits and sizes: pure data.

Time-outs, intervals and quotas are cinder's defaults (cinder/common/config.py, cinder/quota.py, cinder/service.py). No
public measurement splits a volume's creation by stage: the seconds are assumed, in the order of what a command of the
same kind takes on an idle host; an empty volume of a gigabyte is there after about a second and a half, as operators'
transcripts show.
"""

from __future__ import annotations

from twin.mechanics.openstack import Work

SCHEDULER_MAX_ATTEMPTS = 3
"""`scheduler_max_attempts`."""
REPORT_INTERVAL = 10.0
"""`report_interval` of a service's heartbeat."""
SERVICE_DOWN_TIME = 60.0
"""`service_down_time`."""
PERIODIC_INTERVAL = 60.0
"""`periodic_interval`: between two reports of a backend's capacity to the schedulers."""
QUOTAS: dict[str, int] = {"volumes": 10, "snapshots": 10, "gigabytes": 1000}
"""`quota_volumes`, `quota_snapshots`, `quota_gigabytes` of a project."""

# --- the backend: thin LVM on one host, exported through iSCSI ---------------------------------------------------

BACKEND, POOL = "lvm", "LVM"
"""Section of the configuration, and `volume_backend_name`."""
OVER_SUBSCRIPTION = 20.0
"""`max_over_subscription_ratio`."""
LVS = 0.12
"""Seconds of ``lvs`` or ``vgs`` through privsep (assumed)."""
INITIATOR_ADD, INITIATOR_REMOVE = 0.15, 0.10
"""Seconds to let an initiator in at LIO, and to shut it out (assumed)."""

# --- work --------------------------------------------------------------------------------------------------------

API: dict[str, Work] = {
    "volumes.create": Work(0.11),
    "volumes.show": Work(0.045),
    "volumes.list": Work(0.06),
    "volumes.delete": Work(0.07),
    "volumes.action": Work(0.05),
    "snapshots.create": Work(0.09),
    "snapshots.show": Work(0.035),
    "snapshots.list": Work(0.05),
    "snapshots.delete": Work(0.06),
    "attachments.create": Work(0.06),
    "attachments.show": Work(0.03),
    "attachments.update": Work(0.05),
    "attachments.complete": Work(0.03),
    "attachments.delete": Work(0.05),
    "types.list": Work(0.03),
    "limits": Work(0.03),
}
"""Requests to cinder-api: Python only, the statements are those of what is called (assumed)."""

RPC: dict[str, float] = {
    "create_volume": 0.05,
    "delete_volume": 0.03,
    "extend_volume": 0.03,
    "create_snapshot": 0.03,
    "delete_snapshot": 0.03,
    "attachment_update": 0.04,
    "attachment_delete": 0.03,
    "schedule": 0.03,
    "update_service_capabilities": 0.002,
}
"""Seconds of Python in cinder-scheduler and cinder-volume (assumed)."""

STATEMENTS: dict[str, int] = {
    "get": 2,
    "list": 4,
    "create": 5,
    "update": 3,
    "conditional": 2,
    "destroy": 6,
    "attach": 6,
    "reserve": 10,
    "commit": 6,
    "rollback": 4,
    "service": 2,
    "report": 2,
}
"""SQL statements of one call to cinder's database layer (assumed, transaction brackets included)."""
