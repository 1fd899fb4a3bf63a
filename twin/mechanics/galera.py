"""Galera's and MySQL's time-outs, limits and costs: pure data and functions.

Sources: Galera's and wsrep's documented defaults (galeracluster.com, wsrep_provider_options), MySQL 8.0's reference,
kolla-ansible's role mariadb (galera.cnf, HAProxy's member list), oslo.db's options.
"""

from __future__ import annotations

import math

from twin.mechanics.network import RETRANSMISSIONS, retransmission_timeout

# --- sessions ----------------------------------------------------------------------------------------------------

GIVEN_UP = sum(retransmission_timeout(0.0, attempt) for attempt in range(RETRANSMISSIONS + 1))
"""Seconds after which the kernel gives a silent connection up."""
MAX_CONNECTIONS = 10_000
"""`max_connections` as kolla-ansible sets it."""
CONNECT_TIMEOUT = 10.0
"""pymysql's `connect_timeout`."""
CONNECTION_RECYCLE = 10.0
"""`connection_recycle_time` as kolla-ansible sets it: older connections of a pool are replaced when they are used."""
LOCK_WAIT_TIMEOUT = 50.0
"""`innodb_lock_wait_timeout`."""
DB_RETRIES = 5
"""`wrap_db_retry(max_retries=5)`, as nova decorates its database calls."""
DB_RETRY_INTERVAL, DB_RETRY_LIMIT = 1.0, 10.0
"""`db_retry_interval`, doubled up to `db_max_retry_interval` (oslo.db)."""
DISK_FULL_RETRY, DISK_FULL_REPRINT = 60.0, 600.0
"""Seconds between two tries to write to a full disk, and between two prints of it (mysys: MY_WAIT_FOR_USER_TO_FIX_PANIC
and ten times that)."""

# --- the group ---------------------------------------------------------------------------------------------------

SUSPECT_TIMEOUT = 5.0
"""`evs.suspect_timeout`: a member not heard from for so long is expelled if all agree; writes wait meanwhile."""
INSTALL_VIEW = 0.5
"""Seconds to agree on a new view (assumed: a few round trips of `evs.inactive_check_period` 0.5 s)."""
REJOIN = 3.0
"""Seconds until separated parts that hear each other again form one view (assumed: gmcast's reconnect attempts are
1 s apart)."""
FLOW_CONTROL_LIMIT = 16
"""`gcs.fc_limit`, which grows with the square root of the members: two members 22, three 28."""
APPLIERS = 4
"""`wsrep_slave_threads` (kolla-ansible)."""
APPLY = 0.0008
"""Seconds in which an applier applies one statement's rows (assumed: a third of executing it)."""
ROW_COLLISION = 0.02
"""Chance that two transactions at one time write the same row: quotas, agents, allocations (assumed)."""

# --- coming back -------------------------------------------------------------------------------------------------

CLEAN_START = 3.0
"""Seconds of a start after a clean shutdown (assumed; a recording of MariaDB 10.11 shows 1 s for a small one)."""
CRASH_RECOVERY = 6.0
"""Seconds that InnoDB's recovery adds after a crash (assumed: redo log of a small instance)."""
WRITESET_BYTES = 2_000.0
"""Bytes of one write set (assumed)."""
GCACHE = 128 * 2**20
"""`gcache.size`: a donor sends what was missed out of it; beyond, everything has to be sent."""
IST_CONNECT = 1.0
"""Seconds until an incremental state transfer flows (assumed)."""
IST_RATE = 4_000.0
"""Write sets a second that a joiner applies (assumed)."""
SST_PREPARE = 8.0
"""Seconds in which mariabackup prepares and moves what it received (assumed)."""
SST_RATE = 100e6
"""Bytes/s of mariabackup over the network (assumed)."""
DATA_BYTES = 2e9
"""Bytes of the databases of a site (assumed)."""


def flow_control_limit(members: int) -> int:
    """Write sets in a member's queue above which it stops the cluster."""
    return int(FLOW_CONTROL_LIMIT * math.sqrt(max(1, members)))


def incremental(missed: int) -> bool:
    """Whether a donor still has what a joiner missed."""
    return missed * WRITESET_BYTES <= GCACHE


def ist_seconds(missed: int) -> float:
    """Seconds of an incremental state transfer of that many write sets."""
    return IST_CONNECT + missed / IST_RATE


def sst_seconds(rate: float) -> float:
    """Seconds of a whole state transfer over a path that lets `rate` bytes/s pass."""
    return DATA_BYTES / min(SST_RATE, max(rate, 1.0)) + SST_PREPARE


def primary(view: int, previous: int, left: int) -> bool:
    """Whether `view` members that come from a primary view of `previous` keep quorum, `left` having said good-bye."""
    return 2 * view > previous - left
