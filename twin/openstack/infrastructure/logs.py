"""The log statements of MySQL, Galera, RabbitMQ and HAProxy.

Sources: MySQL 8.0's and Galera 4's messages, RabbitMQ's (rabbit_reader, rabbit_node_monitor, rabbit_alarm, ra), as also
seen in a recorded control plane, and HAProxy's manual (section 8, logging). Addresses are the management network's.
"""

from __future__ import annotations

from twin.telemetry.records import Level, LogTemplate

INFO, WARNING, ERROR = Level.INFO, Level.WARNING, Level.ERROR


def _mysql(id: str, level: Level, origin: str, text: str) -> LogTemplate:
    return LogTemplate(id, "mysql", level, origin, text)


def _galera(id: str, level: Level, text: str) -> LogTemplate:
    return LogTemplate(id, "mysql", level, "MY-000000 Galera", text)


def _wsrep(id: str, level: Level, text: str) -> LogTemplate:
    return LogTemplate(id, "mysql", level, "MY-000000 WSREP", text)


def _rabbit(id: str, level: Level, text: str) -> LogTemplate:
    return LogTemplate(id, "rabbitmq", level, "rabbit", text)


def _haproxy(id: str, level: Level, text: str) -> LogTemplate:
    return LogTemplate(id, "haproxy", level, "haproxy", text)


# --- mysqld ------------------------------------------------------------------------------------------------------

MYSQL_STARTING = _mysql(
    "mysql.starting", INFO, "MY-010116 Server", "/usr/sbin/mysqld (mysqld 8.0.36) starting as process {}"
)
MYSQL_INNODB = _mysql("mysql.innodb", INFO, "MY-013576 InnoDB", "InnoDB initialization has started.")
MYSQL_INNODB_READY = _mysql("mysql.innodb-ready", INFO, "MY-013577 InnoDB", "InnoDB initialization has ended.")
MYSQL_RECOVERY = _mysql("mysql.recovery", INFO, "MY-010229 Server", "Starting XA crash recovery...")
MYSQL_RECOVERED = _mysql("mysql.recovered", INFO, "MY-010232 Server", "XA crash recovery finished.")
MYSQL_READY = _mysql(
    "mysql.ready",
    INFO,
    "MY-010931 Server",
    "/usr/sbin/mysqld: ready for connections. Version: '8.0.36'  socket: '/var/run/mysqld/mysqld.sock'  port: 3306  "
    "MySQL Community Server - GPL.",
)
MYSQL_SHUTDOWN = _mysql(
    "mysql.shutdown",
    INFO,
    "MY-013172 Server",
    "Received SHUTDOWN from user <via user signal>. Shutting down mysqld (Version: 8.0.36).",
)
MYSQL_STOPPED = _mysql(
    "mysql.stopped",
    INFO,
    "MY-010910 Server",
    "/usr/sbin/mysqld: Shutdown complete (mysqld 8.0.36)  MySQL Community Server - GPL.",
)
MYSQL_DISK_FULL = _mysql(
    "mysql.disk-full",
    ERROR,
    "MY-000035 Server",
    "Disk is full writing './binlog.{:06d}' (OS errno 28 - No space left on device). Waiting for someone to free "
    "space... Retry in 60 secs. Message reprinted in 600 secs.",
)
MYSQL_NO_TEMPORARY = _mysql(
    "mysql.no-temporary",
    ERROR,
    "MY-012640 InnoDB",
    "Error number 28 means 'No space left on device'",
)
MYSQL_ABORTING = _mysql("mysql.aborting", ERROR, "MY-010119 Server", "Aborting")

# --- Galera ------------------------------------------------------------------------------------------------------

GALERA_SUSPECTED = _galera(
    "galera.suspected", INFO, "declaring node with index {} suspected, timeout PT5S (evs.suspect_timeout)"
)
GALERA_COMPONENT = _galera(
    "galera.component", INFO, "New COMPONENT: primary = {}, bootstrap = no, my_idx = {}, memb_num = {}"
)
GALERA_NON_PRIMARY = _galera("galera.non-primary", INFO, "Received NON-PRIMARY.")
GALERA_SHIFT = _galera("galera.shift", INFO, "Shifting {} -> {} (TO: {})")
GALERA_DONOR = _galera(
    "galera.donor",
    INFO,
    "Member {}.0 ({}) requested state transfer from '*any*'. Selected {}.0 ({})(SYNCED) as donor.",
)
GALERA_TRANSFERRED = _galera("galera.transferred", INFO, "{}.0 ({}): State transfer to {}.0 ({}) complete.")
GALERA_MEMBER_SYNCED = _galera("galera.member-synced", INFO, "Member {}.0 ({}) synced with group.")
GALERA_NO_PRIMARY = _galera(
    "galera.no-primary",
    ERROR,
    "failed to open gcomm backend connection: 110: failed to reach primary view (pc.wait_prim_timeout): 110 "
    "(Connection timed out)",
)
WSREP_SYNCED = _wsrep("wsrep.synced", INFO, "Synchronized with group, ready for connections")
WSREP_IST = _wsrep("wsrep.ist", INFO, "IST received: {}:{}")
WSREP_SST_STARTED = _wsrep(
    "wsrep.sst-started", INFO, "Initiating SST/IST transfer on JOINER side (wsrep_sst_xtrabackup-v2)"
)
WSREP_SST = _wsrep("wsrep.sst", INFO, "SST received: {}:{}")
WSREP_INCONSISTENT = _wsrep(
    "wsrep.inconsistent",
    ERROR,
    "Failed to apply write set: gtid: {}:{} server_id: {} client_id: {} trx_id: {} flags: 3 (start_transaction | "
    "commit)",
)
WSREP_NO_STATE = _wsrep("wsrep.no-state", ERROR, "Will never receive state. Need to abort.")
GALERA_LEAVING = _galera(
    "galera.leaving", ERROR, "Node consistency compromised, leaving cluster: 1 (Operation not permitted)"
)
GALERA_CONFLICT = _wsrep(
    "wsrep.bf-abort", INFO, "cluster conflict due to certification failure for threads: THD: {}, mode: local"
)

# --- RabbitMQ ----------------------------------------------------------------------------------------------------

RABBIT_ACCEPT = _rabbit("rabbitmq.accept", INFO, "accepting AMQP connection <0.{}.0> ({}:{} -> {}:5672)")
RABBIT_LOGIN_ERROR = _rabbit(
    "rabbitmq.login-error", Level.ERROR, "Error on AMQP connection <0.{}.0> ({}:{} -> {}:5672, state: starting):"
)
RABBIT_LOGIN_REFUSED = _rabbit(
    "rabbitmq.login-refused", Level.ERROR, "AMQPLAIN login refused: user 'openstack' - invalid credentials"
)
RABBIT_NAME = _rabbit(
    "rabbitmq.name", INFO, "connection <0.{}.0> ({}:{} -> {}:5672) has a client-provided name: {}:{}:{}"
)
RABBIT_GRANTED = _rabbit(
    "rabbitmq.granted",
    INFO,
    "connection <0.{}.0> ({}:{} -> {}:5672 - {}:{}:{}): user 'openstack' authenticated and granted access to vhost '/'",
)
RABBIT_CLOSING = _rabbit(
    "rabbitmq.closing",
    WARNING,
    "closing AMQP connection <0.{}.0> ({}:{} -> {}:5672 - {}:{}:{}, vhost: '/', user: 'openstack'):",
)
RABBIT_GONE = _rabbit("rabbitmq.gone", WARNING, "client unexpectedly closed TCP connection")
RABBIT_MISSED_CLOSING = _rabbit(
    "rabbitmq.missed-closing", ERROR, "closing AMQP connection <0.{}.0> ({}:{} -> {}:5672 - {}:{}:{}):"
)
RABBIT_MISSED = _rabbit("rabbitmq.missed", ERROR, "missed heartbeats from client, timeout: 60s")
RABBIT_FORCED_CLOSING = _rabbit(
    "rabbitmq.forced-closing",
    ERROR,
    "Error on AMQP connection <0.{}.0> ({}:{} -> {}:5672 - {}:{}:{}, vhost: '/', user: 'openstack', state: running), "
    "channel 0:",
)
RABBIT_FORCED = _rabbit(
    "rabbitmq.forced",
    ERROR,
    ' operation none caused a connection exception connection_forced: "broker forced connection closure with reason '
    "'shutdown'\"",
)
RABBIT_STARTED = _rabbit("rabbitmq.started", INFO, "Server startup complete; 4 plugins started.")
RABBIT_STOPPING = _rabbit("rabbitmq.stopping", INFO, "RabbitMQ is asked to stop...")
RABBIT_PEER_DOWN = _rabbit("rabbitmq.peer-down", INFO, "rabbit on node {} down")
RABBIT_NODE_DOWN = _rabbit("rabbitmq.node-down", INFO, "node {} down: {}")
RABBIT_NODE_UP = _rabbit("rabbitmq.node-up", INFO, "node {} up")
RABBIT_PEER_UP = _rabbit("rabbitmq.peer-up", INFO, "rabbit on node {} up")
RABBIT_MINORITY = _rabbit(
    "rabbitmq.minority", WARNING, "Cluster minority/secondary status detected - awaiting recovery"
)
RABBIT_PARTIAL = _rabbit("rabbitmq.partial", ERROR, "Partial partition detected:")
RABBIT_PARTIAL_DOWN = _rabbit("rabbitmq.partial-down", ERROR, " * We saw DOWN from {}")
RABBIT_PARTIAL_PROXY = _rabbit("rabbitmq.partial-proxy", ERROR, " * We can still see {} which can see {}")
RABBIT_PARTIAL_MODE = _rabbit("rabbitmq.partial-mode", ERROR, " * pause_minority mode enabled")
RABBIT_PARTIAL_PAUSE = _rabbit(
    "rabbitmq.partial-pause", ERROR, "We will therefore pause until the *entire* cluster recovers"
)
RABBIT_LEADER_DOWN = _rabbit(
    "rabbitmq.leader-down",
    INFO,
    "queue '{}' in vhost '/': Leader monitor down with {}, setting election timeout",
)
RABBIT_ELECTED = _rabbit(
    "rabbitmq.elected",
    INFO,
    "queue '{}' in vhost '/': candidate -> leader in term: {} machine version: 3",
)
RABBIT_NEW_LEADER = _rabbit(
    "rabbitmq.new-leader", INFO, "queue '{}' in vhost '/': detected a new leader {{'%2F_{}',{}}} in term {}"
)
RABBIT_ALARM = _rabbit("rabbitmq.alarm", WARNING, "{} resource limit alarm set on node {}.")
RABBIT_ALARM_FRAME = _rabbit(
    "rabbitmq.alarm-frame", WARNING, "**********************************************************"
)
RABBIT_ALARM_TEXT = _rabbit(
    "rabbitmq.alarm-text", WARNING, "*** Publishers will be blocked until this alarm clears ***"
)
RABBIT_ALARM_CLEARED = _rabbit("rabbitmq.alarm-cleared", WARNING, "{} resource limit alarm cleared on node {}")
RABBIT_ALARMS_OVER = _rabbit("rabbitmq.alarms-over", WARNING, "{} resource limit alarm cleared across the cluster")
RABBIT_MEMORY = _rabbit("rabbitmq.memory", INFO, "vm_memory_high_watermark set. Memory used:{} allowed:{}")
RABBIT_MEMORY_CLEAR = _rabbit(
    "rabbitmq.memory-clear", INFO, "vm_memory_high_watermark clear. Memory used:{} allowed:{}"
)
RABBIT_DISK = _rabbit("rabbitmq.disk", INFO, "Free disk space is insufficient. Free bytes: {}. Limit: {}")
RABBIT_DISK_CLEAR = _rabbit("rabbitmq.disk-clear", INFO, "Free disk space is sufficient. Free bytes: {}. Limit: {}")

# --- HAProxy -----------------------------------------------------------------------------------------------------

HAPROXY_DOWN = _haproxy(
    "haproxy.down",
    WARNING,
    "{}Server {}/{} is DOWN, reason: {}, check duration: {}ms. {} active and {} backup servers left.{} {} sessions "
    "active, 0 requeued, 0 remaining in queue.",
)
HAPROXY_UP = _haproxy(
    "haproxy.up",
    WARNING,
    "{}Server {}/{} is UP, reason: {}, check duration: {}ms. {} active and {} backup servers online.{} 0 sessions "
    "requeued, 0 total in queue.",
)
HAPROXY_DISABLED = _haproxy(
    "haproxy.disabled",
    WARNING,
    "{}Server {}/{} is going DOWN for maintenance. {} active and {} backup servers left.{} {} sessions active, 0 "
    "requeued, 0 remaining in queue.",
)
HAPROXY_ENABLED = _haproxy("haproxy.enabled", WARNING, "{}Server {}/{} is UP/READY (leaving forced maintenance).")
HAPROXY_EMPTY = _haproxy("haproxy.empty", Level.CRITICAL, "backend {} has no server available!")
HAPROXY_STARTED = _haproxy("haproxy.started", INFO, "Proxy {} started.")
HAPROXY_ACCESS = LogTemplate(
    "haproxy.access",
    "haproxy-access",
    INFO,
    "haproxy",
    '{} [{}] {} {}/{} {}/{}/{}/{}/{} {} {} - - {} {}/{}/{}/{}/{} 0/0 "{} {} HTTP/1.1"',
)
