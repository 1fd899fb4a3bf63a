"""HAProxy's checks, time-outs and retries as kolla-ansible deploys it: pure data.

Sources: kolla-ansible's roles loadbalancer, haproxy-config and mariadb; HAProxy's configuration manual.
"""

from __future__ import annotations

INTER, RISE, FALL = 2.0, 2, 5
"""`check inter 2000 rise 2 fall 5`."""
RETRIES = 3
"""`retries 3`, with `option redispatch`."""
RETRY_PAUSE = 1.0
"""Seconds before a refused connection is tried again (turn-around: the lesser of `timeout connect` and 1 s)."""
CONNECT_TIMEOUT = 10.0
"""`timeout connect`."""
SERVER_TIMEOUT = 60.0
"""`timeout server`: the client gets 504."""
STARTUP = 0.5
"""Seconds from exec to listening (assumed)."""
AVERAGE_OVER = 1024
"""Requests over which HAProxy averages times."""
BALANCED = frozenset(
    {
        "mysql",
        "keystone",
        "placement",
        "glance-api",
        "nova-api",
        "neutron-server",
        "cinder-api",
        "heat-api",
        "heat-engine",
    }
)
"""Kinds of service that are reached through it."""
RESIDENT = 0.1e9
"""Resident bytes (assumed)."""
