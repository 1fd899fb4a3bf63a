"""Neutron's intervals, limits and service times: pure data.

Intervals and limits are the defaults of neutron and neutron-lib. The time from a plugged-in interface to nova's event
is the one measured on CloudLab (FACTS section 7); how it divides among the agent's steps is assumed.
"""

from __future__ import annotations

from twin.mechanics.openstack import Work

# --- intervals and limits (neutron/conf, neutron_lib) ------------------------------------------------------------

REPORT_INTERVAL = 30.0
"""`report_interval` of an agent's heartbeat."""
AGENT_DOWN_TIME = 75.0
"""`agent_down_time`: an agent not heard from for longer is down."""
HEALTH_CHECK_INTERVAL = AGENT_DOWN_TIME / 2
"""Of the server's checks for dead agents (neutron.db.agents_db, agentschedulers_db)."""
POLLING_INTERVAL = 2.0
"""`polling_interval` of the Open vSwitch agent."""
MAX_BIND_TRIES = 10
"""neutron.plugins.ml2.plugin."""
SEND_EVENTS_INTERVAL = 2.0
"""`send_events_interval`: the nova notifier sends at once, then gathers for that long."""
DHCP_RESYNC_THROTTLE = 30.0
"""Least time between two resyncs of the DHCP agent (`resync_throttle`), as in the failure study's cloud; default 1."""
DHCP_READY_INTERVAL = 0.2
"""Of the loop by which the DHCP agent says which ports are ready."""
DHCP_READY_PORTS = 64
"""Ports it says so of at a time."""
DHCP_QUEUE_THREADS = 8
"""Least size of the DHCP agent's pool of threads."""
CHECK_CHILDREN_INTERVAL = 60.0
"""`check_child_processes_interval` of the process monitor."""
L3_PERIODIC_INTERVAL = 40.0
"""`periodic_interval` of the L3 agent's task that synchronises all routers where it must."""
L3_QUEUE_THREADS = 8
"""Least size of the L3 agent's pool of threads."""
ROUTER_UPDATE_TRIES = 5
"""Of one update of a router (neutron.agent.common.resource_processing_queue)."""
RPC_MAX_TIMEOUT = 600.0
"""`rpc_response_max_timeout`: to this an agent's time-out grows, doubled each time."""
MAX_DEVICE_RETRIES = 5
"""Resyncs in a row after which the Open vSwitch agent forgets the ports it knows."""

QUOTAS: dict[str, int] = {
    "network": 100,
    "subnet": 100,
    "port": 500,
    "router": 10,
    "floatingip": 50,
    "security_group": 10,
    "security_group_rule": 100,
}
"""`quota_*`."""

# --- service times -----------------------------------------------------------------------------------------------

API: dict[str, Work] = {
    "create_network": Work(0.12, 20),
    "create_subnet": Work(0.14, 24),
    "create_port": Work(0.09, 24),
    "update_port": Work(0.13, 10),
    "create_router": Work(0.10, 16),
    "create_floatingip": Work(0.14, 24),
    "update_floatingip": Work(0.12, 18),
    "create_security_group": Work(0.06, 14),
    "create_security_group_rule": Work(0.04, 8),
    "delete_network": Work(0.10, 14),
    "delete_subnet": Work(0.10, 16),
    "delete_port": Work(0.14, 24),
    "delete_router": Work(0.08, 12),
    "delete_security_group": Work(0.06, 10),
    "delete_floatingip": Work(0.08, 12),
    "router_interface": Work(0.14, 24),
    "index": Work(0.010, 4),
    "show": Work(0.008, 3),
    "networks.index": Work(0.025, 4),
    "networks.show": Work(0.022, 3),
    "quotas.show": Work(0.003, 1),
}
"""Requests: the plugin's Python and the transaction of the resource itself (assumed but for a port's creation and
binding: 0.28 s together). On a recorded control plane a binding takes 1.7 times as long as a creation (medians 0.65
and 0.39 s), and a GET of a network 2.2 times as long as one of ports (0.10 and 0.045 s), whose extensions are more."""
DB_RETRIES, DB_RETRY_INTERVAL = 10, 0.1
"""neutron_lib.db.api: `MAX_RETRIES`, and the first pause of `retry_db_errors`. It takes a lost connection for something
that passes, too (`is_retriable`): requests wait for 43 s before they fail."""
QUOTA = Work(0.006, 3)
"""Counting what a project has, and the reservation."""
SCHEDULE = Work(0.004, 3)
"""Finding a resource's agents."""
BIND = Work(0.02, 8)
"""Port binding: the mechanism driver, and the transaction that commits what it found."""
STATUS = Work(0.012, 6)
"""Writing a port's status."""

RPC: dict[str, Work] = {
    "report_state": Work(0.004, 3),
    "update_device_list": Work(0.012, 4),
    "bulk_pull": Work(0.01, 3),
    "dhcp": Work(0.008, 3),
    "get_active_networks_info": Work(0.03, 6),
    "sync_routers": Work(0.02, 8),
    "get_ports": Work(0.008, 2),
}
"""Remote procedures of neutron-server, without what they have done by others (assumed)."""

METADATA_CACHE = 5.0
"""Seconds for which the metadata agent remembers which port has an address."""
METADATA_PROXY = 0.03
"""Seconds that the metadata agent waits for nova, whose own cache has most of it (assumed)."""

# The Open vSwitch agent: from the tap to network-vif-plugged 6.57 s (p10 5.79, p90 7.14). Waiting for the loop takes
# 1 s in the mean; the rest is the agent's own work, commands and flows.
SCAN = 0.25
"""Seconds to look at the ports of the bridge."""
WIRE_PORT = 0.75
"""Seconds to look a port up and to give it its local VLAN."""
FILTER_PORT = 4.50
"""Seconds to write the security group's flows of a new port."""
REFRESH_FILTER = 0.06
"""Seconds to write those anew of a port that is there."""
REMOVE_PORT = 0.3
"""Seconds to remove the flows of a port that has gone."""

DHCP_ENABLE = 1.2
"""Seconds to make a namespace with its interface and to start dnsmasq (assumed)."""
DHCP_RELOAD = 0.35
"""Seconds to write the hosts file and have dnsmasq read it (assumed)."""
DHCP_DISABLE = 0.5
"""Seconds to stop dnsmasq and remove its namespace (assumed)."""
ROUTER_INIT = 1.5
"""Seconds to make a router's namespace with its rules (assumed)."""
ROUTER_INTERFACE = 0.6
"""Seconds to plug an interface of a router in (assumed)."""
ROUTER_FLOATING_IP = 0.4
"""Seconds to set up a floating IP (assumed)."""
ROUTER_DELETE = 0.8
"""Seconds to remove a router's namespace (assumed)."""
