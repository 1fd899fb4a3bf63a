"""OpenStack's service times, timeouts and sizes: pure data.

Times are medians in seconds, measured on CloudLab (Loghub's OpenStack set, one compute host; FACTS section 7) unless
said otherwise. Where a measured time is the sum of parts that happen on several services, the parts are split so
that a healthy, idle cluster shows the measured sum; the split is assumed. Timeouts are the defaults of nova and
oslo.messaging (MECHANICS 2.5).
"""

from __future__ import annotations

from dataclasses import dataclass

# --- timeouts and periods (nova/conf, oslo.messaging, oslo.db) ---------------------------------------------------

RPC_RESPONSE_TIMEOUT = 60.0
"""`rpc_response_timeout`."""
VIF_PLUGGING_TIMEOUT = 300.0
"""`vif_plugging_timeout`, fatal."""
ASSOCIATION_REFRESH = 300.0
"""`[compute] resource_provider_association_refresh`."""
REPORT_INTERVAL = 10.0
"""`report_interval` of a service's heartbeat."""
SERVICE_DOWN_TIME = 60.0
"""`service_down_time`: a service not heard from for longer is down."""
MAX_ATTEMPTS = 3
"""`scheduler.max_attempts`."""
MAX_CONCURRENT_BUILDS = 10
RPC_THREADS = 64
"""`executor_thread_pool_size`: handlers at work in one RPC worker."""
POOL_SIZE = 55
"""Database connections of one worker: oslo.db's `max_pool_size` 5 and `max_overflow` 50."""
POOL_IDLE = 5
"""Connections that a worker keeps open."""
POOL_TIMEOUT = 30.0
"""SQLAlchemy's `pool_timeout`."""
AMQP_RETRY_FIRST, AMQP_RETRY_STEP, AMQP_RETRY_LIMIT = 1.0, 2.0, 30.0
"""`rabbit_retry_interval`, `rabbit_retry_backoff`, `rabbit_interval_max`."""
TOKEN_CACHE_TIME = 300.0
"""keystonemiddleware's `token_cache_time`."""
RESOURCE_AUDIT_INTERVAL = 60.0
"""`update_resources_interval`."""
POWER_SYNC_INTERVAL = 600.0
"""`sync_power_state_interval`."""
REAP_INTERVAL = 1800.0
"""`running_deleted_instance_poll_interval`."""
SCHEDULER_SYNC_INTERVAL = 120.0
"""`scheduler_instance_sync_interval`."""
USAGE_AUDIT_INTERVAL = 3600.0
"""`instance_usage_audit_period` hour."""
HEAL_INTERVAL = 60.0
"""`heal_instance_info_cache_interval`: one server a minute."""
IMAGE_CACHE_INTERVAL, IMAGE_MINIMUM_AGE = 2400.0, 86400.0
"""`[image_cache] manager_interval` and `remove_unused_original_minimum_age_seconds`."""
GATEWAY_TIMEOUT = 60.0
"""HAProxy's `timeout server` as kolla-ansible sets it: the client gets 504."""
LONG_QUERY_TIME = 10.0
"""MySQL's `long_query_time`."""

# --- supervisor --------------------------------------------------------------------------------------------------

RESTART_FIRST, RESTART_LIMIT, RESTART_FORGET = 10.0, 300.0, 600.0
"""Back-off of a container supervisor, as kubelet's: 10 s, doubled at each death up to 300 s, forgotten after 600 s."""


def restart_delay(deaths: int) -> float:
    """Seconds before the supervisor starts a process that has died `deaths` times in a row (at least once)."""
    return float(min(RESTART_FIRST * 2.0 ** min(deaths - 1, 8), RESTART_LIMIT))


STARTUP: dict[str, float] = {
    "mysql": 4.0,  # InnoDB recovery of a small instance
    "rabbitmq": 6.0,
    "keystone": 3.0,
    "placement": 3.0,
    "glance-api": 4.0,
    "cinder-api": 5.0,
    "cinder-scheduler": 4.0,
    "cinder-volume": 6.0,
    "heat-engine": 6.0,
    "neutron-server": 8.0,
    "neutron-dhcp-agent": 5.0,
    "neutron-l3-agent": 5.0,
    "neutron-metadata-agent": 3.0,
    "neutron-openvswitch-agent": 5.0,
    "nova-api": 5.0,
    "nova-conductor": 4.0,
    "nova-scheduler": 4.0,
    "nova-compute": 10.0,
}
"""Seconds from exec to ready (assumed: imports of an OpenStack service alone take 2-5 s)."""

# --- work --------------------------------------------------------------------------------------------------------

SPREAD = 0.10
"""Deviation of the logarithm of a service time (API lines: p90 / p50 about 1.1 to 1.3)."""
STAGE_SPREAD = 0.03
"""The same for a stage on the compute host (build: 20.52 +- 0.46 s)."""

ENGINES = {"nova-api": 4, "nova-conductor": 4, "nova-scheduler": 3}
"""Databases that each worker of a service has connections to, one where it is not here: the API's, its cells' and the
one of its configuration. As many times a recorded control plane found its connections cut."""
STATEMENT = 0.0025
"""Seconds of one SQL statement, round trip included (assumed)."""
MYSQL_THREADS = 8
"""Statements that run at the same time: cores of the database's host (assumed)."""
PUBLISH = 0.001
"""Seconds from publishing a message to its delivery (assumed)."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one operation costs its service: seconds of Python, and SQL statements."""

    python: float
    statements: int = 0


# GET servers/detail 0.265, servers/{id} 0.192, POST servers 0.505, DELETE 0.264, events 0.093 s (nova-api's lines).
API: dict[str, Work] = {
    "token": Work(0.22, 6),  # password hashing dominates
    "validate": Work(0.012, 3),
    "servers.create": Work(0.095, 50),
    "servers.show": Work(0.134, 14),
    "servers.detail": Work(0.192, 14),
    "servers.delete": Work(0.20, 24),
    "servers.action": Work(0.16, 14),  # assumed: as a GET of the server, and a write
    "keypairs": Work(0.03, 4),
    "flavors.list": Work(0.02, 4),
    "os-services.list": Work(0.03, 6),
    "servers.events": Work(0.074, 6),
    "images.show": Work(0.009, 3),
    "schemas.image": Work(0.002, 0),
    "images.list": Work(0.03, 5),  # (assumed), as the next two
    "images.create": Work(0.03, 5),
    "images.delete": Work(0.03, 6),
    "images.file": Work(0.02, 3),
    "networks.list": Work(0.02, 6),
    "ports.create": Work(0.18, 40),
    "ports.delete": Work(0.14, 30),
    "ports.up": Work(0.05, 12),
    "candidates": Work(0.02, 6),
    "claim": Work(0.015, 6),
    "release": Work(0.012, 4),
    "inventory": Work(0.008, 3),
    "allocations.show": Work(0.006, 2),
}
"""Requests to the API services (keystone, nova-api, glance-api, neutron-server, placement)."""

RPC: dict[str, Work] = {
    "schedule_and_build_instances": Work(0.035, 14),
    "build_instances": Work(0.03, 8),
    "select_destinations": Work(0.03, 8),
    "object_action": Work(0.004, 2),
    "service_update": Work(0.003, 2),
}
"""Remote procedures of nova-conductor and nova-scheduler."""


@dataclass(frozen=True, slots=True)
class BuildStages:
    """Stages of a build on its compute host: seconds to the next log line."""

    claim: float = 0.038
    prepare: float = (
        0.04  # of 0.591 to "Creating image": the rest is neutron, placement and two saves through conductor
    )
    create: float = 13.02  # to "VM Started"
    pause: float = 0.067
    plug: float = 6.41  # of 6.57 to the network-vif-plugged event: the L2 agent's part
    resume: float = 0.017
    spawned: float = 0.009
    finish: float = 0.128  # of 0.138 to "Took .. to build": the rest is the save as ACTIVE


@dataclass(frozen=True, slots=True)
class DestroyStages:
    """Stages of a deletion on the compute host: seconds to the next log line."""

    destroy: float = 0.215  # Terminating to "Instance destroyed"
    unplug: float = 0.682  # to "Deleting instance files"
    delete: float = 0.002
    finish: float = 0.120  # to "Took .. to destroy"; then neutron deletes the port (0.473 measured)
    deallocate: float = 0.24
    stopped_event: float = 13.77  # libvirt's event is held back 15 s


BUILD, DESTROY = BuildStages(), DestroyStages()

IMAGE_BYTES, IMAGE_BANDWIDTH = 247e6, 100e6
"""Bytes of the image, and bytes/s from glance to a host that does not have it yet (assumed)."""
MIGRATION_SETUP, MIGRATION_BANDWIDTH = 3.0, 0.6e9
"""Live migration: fixed seconds, and bytes/s of memory (assumed: 10 GbE at half its rate)."""

# --- sizes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flavor:
    """What a server gets: virtual CPUs, MB of memory, GB of root disk."""

    name: str
    vcpus: int
    memory_mb: int
    disk_gb: int


FLAVORS: dict[str, Flavor] = {
    flavor.name: flavor
    for flavor in (
        Flavor("cirros256", 1, 256, 1),
        Flavor("m1.tiny", 1, 512, 1),
        Flavor("m1.small", 1, 2048, 20),
        Flavor("m1.medium", 2, 4096, 40),
        Flavor("m1.large", 4, 8192, 80),
        Flavor("m1.xlarge", 8, 16384, 160),
    )
}
"""Nova's classical flavours, and devstack's smallest."""
DEFAULT_FLAVOR = "m1.small"
RESIDENT_SHARE = 0.35
"""Share of a server's memory that its guest has touched (assumed)."""
CPU_ALLOCATION_RATIO, RAM_ALLOCATION_RATIO, DISK_ALLOCATION_RATIO = 4.0, 1.0, 1.0
"""`initial_cpu_allocation_ratio` and its sisters."""
RESERVED_MEMORY_MB = 512
"""`reserved_host_memory_mb`."""
RESIDENT: dict[str, float] = {
    "mysql": 1.6e9,
    "rabbitmq": 0.25e9,
    "keystone": 0.4e9,
    "placement": 0.3e9,
    "glance-api": 0.31e9,
    "cinder-api": 0.35e9,
    "cinder-scheduler": 0.15e9,
    "cinder-volume": 0.25e9,
    "heat-engine": 0.3e9,
    "neutron-server": 0.6e9,
    "neutron-dhcp-agent": 0.12e9,
    "neutron-l3-agent": 0.13e9,
    "neutron-metadata-agent": 0.1e9,
    "neutron-openvswitch-agent": 0.14e9,
    "nova-api": 0.6e9,
    "nova-conductor": 0.5e9,
    "nova-scheduler": 0.35e9,
    "nova-compute": 0.16e9,
}
"""Resident bytes of an idle service (glance-api as measured on a real control plane, the rest of that size)."""

QUOTAS: dict[str, int] = {"instances": -1, "cores": -1, "ram": -1}
"""Limits of a project; nova's defaults are 10, 20 and 51200 (MB), which clouds raise before their first tenant."""
TRACKING = 0.002
"""Seconds of nova-scheduler for one message about who is where (assumed)."""
