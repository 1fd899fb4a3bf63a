"""What those who use a cloud do and how long they take over it: pure data.

The failure studies are Cotroneo et al., "How Bad Can a Bug Get?" (ESEC/FSE 2019), and their workload script
(OpenStack-Fault-Injection-Environment).
"""

from __future__ import annotations

POLL_WAITS = (0.0, 2.0, 4.0, 6.0, 8.0)
"""Seconds before each poll of a state, after which the studies' client gives up (OPENSTACK-FAILURES, retries)."""

CLI_STARTUP, CLI_SPREAD = 8.5, 0.12
"""Seconds that the `openstack` command takes before its first request, and the deviation of their logarithm. A whole
command takes 8-15 s in the studies; Python loads every plug-in of the client (assumed: most of that is this)."""

TOKEN_LIFE = 3600.0
"""Keystone's `[token] expiration`."""
TOKEN_STALE = 30.0
"""keystoneauth asks for a new token this many seconds before the old one ends (`STALE_TOKEN_DURATION`)."""

UPLOAD_RATE = 100e6
"""Bytes/s at which an image is sent to glance (assumed: a gigabit)."""
CIRROS_BYTES = 12.7e6
"""Size of cirros-0.4.0-x86_64-disk.img, the studies' image."""

DELETE_ATTEMPTS, DELETE_PATIENCE, DELETE_PAUSE = 3, 60.0, 10.0
"""How often a client asks for a deletion, how long it waits for it, and the pause after an error (assumed)."""

PROBE_INTERVAL = 60.0
"""Seconds between two probes of a tenant's server from outside (the blackbox exporter's usual scrape interval)."""
