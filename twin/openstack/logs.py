"""The log statements of the services, with the loggers and wording of the real ones.

Args of dialect oslo: process id, RequestContext or None, instance or None, then the fields of the text.
Sources: nova and oslo.messaging (MECHANICS 2.5), and a recorded Zed control plane for loggers and formats.
"""

from __future__ import annotations

from twin.telemetry.records import Level, LogTemplate

INFO, WARNING, ERROR = Level.INFO, Level.WARNING, Level.ERROR


def _oslo(id: str, level: Level, origin: str, text: str) -> LogTemplate:
    return LogTemplate(id, "oslo", level, origin, text)


# --- all services ------------------------------------------------------------------------------------------------

SIGTERM = _oslo("service.sigterm", INFO, "oslo_service.service", "Caught SIGTERM, stopping children")
STARTING = _oslo("service.starting", INFO, "nova.service", "Starting {} node (version 26.2.1)")
WSGI_UP = _oslo("wsgi.up", INFO, "wsgi.server", "({}) wsgi starting up on http://0.0.0.0:{}")

DATABASE_LOST = _oslo(
    "db.lost", ERROR, "oslo_db.sqlalchemy.engines", "Database connection was found disconnected; reconnecting: {}"
)
DATABASE_TRACE = _oslo("db.trace", ERROR, "oslo_db.sqlalchemy.engines", "{}")
LOST_CONNECTION = (
    "oslo_db.exception.DBConnectionError: (pymysql.err.OperationalError) "
    "(2013, 'Lost connection to MySQL server during query')"
)
CANNOT_CONNECT = (
    "oslo_db.exception.DBConnectionError: (pymysql.err.OperationalError) "
    "(2003, \"Can't connect to MySQL server on 'controller-0' ([Errno 111] ECONNREFUSED)\")"
)
POOL_LIMIT = (
    "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 50 reached, connection timed out, timeout 30.00"
)
PING_FRAMES = (
    '  File "/usr/lib/python3/dist-packages/sqlalchemy/engine/base.py", line 1900, in _execute_context',
    '  File "/usr/lib/python3/dist-packages/pymysql/connections.py", line 692, in _read_packet',
)
SQL_FRAMES = (
    '  File "/usr/lib/python3/dist-packages/sqlalchemy/pool/base.py", line 775, in _checkout',
    '  File "/usr/lib/python3/dist-packages/pymysql/connections.py", line 613, in connect',
)
RPC_FRAMES = (
    '  File "/usr/lib/python3/dist-packages/oslo_messaging/rpc/client.py", line 189, in call',
    '  File "/usr/lib/python3/dist-packages/oslo_messaging/_drivers/amqpdriver.py", line 452, in get',
)
HTTP_FRAMES = (
    '  File "/usr/lib/python3/dist-packages/keystoneauth1/session.py", line 1014, in _send_request',
    '  File "/usr/lib/python3/dist-packages/keystoneauth1/adapter.py", line 257, in request',
)
AMQP_UNREACHABLE = _oslo(
    "amqp.unreachable",
    ERROR,
    "oslo.messaging._drivers.impl_rabbit",
    "[{}] AMQP server on controller-0:5672 is unreachable: {}. Trying again in {} seconds.",
)
AMQP_RECONNECTED = _oslo(
    "amqp.reconnected",
    INFO,
    "oslo.messaging._drivers.impl_rabbit",
    "[{}] Reconnected to AMQP server on controller-0:5672 via [amqp] client with port {}.",
)
LATE_REPLY = _oslo(
    "amqp.late", WARNING, "oslo_messaging._drivers.amqpdriver", "No calling threads waiting for msg_id : {}"
)
REPORT_LOST = _oslo(
    "report.lost",
    WARNING,
    "nova.servicegroup.drivers.db",
    "Lost connection to nova-conductor for reporting service status.: {}",
)
REPORT_FAILED = _oslo(
    "report.failed", ERROR, "nova.servicegroup.drivers.db", "Unexpected error while reporting service status: {}"
)
REPORT_TRACE = _oslo("report.trace", ERROR, "nova.servicegroup.drivers.db", "{}")
REPORT_RECOVERED = _oslo(
    "report.recovered", INFO, "nova.servicegroup.drivers.db", "Recovered from being unable to report status."
)
RPC_FAILED = _oslo("rpc.failed", ERROR, "oslo_messaging.rpc.server", "Exception during message handling: {}")
RPC_TRACE = _oslo("rpc.trace", ERROR, "oslo_messaging.rpc.server", "{}")

# --- the APIs ----------------------------------------------------------------------------------------------------

NOVA_ACCESS = _oslo(
    "nova.access", INFO, "nova.osapi_compute.wsgi.server", '{} "{} {} HTTP/1.1" status: {} len: {} time: {:.7f}'
)
NOVA_UNEXPECTED = _oslo("nova.unexpected", ERROR, "nova.api.openstack.wsgi", "Unexpected exception in API method: {}")
NOVA_TRACE = _oslo("nova.trace", ERROR, "nova.api.openstack.wsgi", "{}")
NOVA_THROWN = _oslo("nova.thrown", INFO, "nova.api.openstack.wsgi", "HTTP exception thrown: {}")
UNEXPECTED_API_ERROR = (
    "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log "
    "if possible."
)
NOVA_EVENT = _oslo(
    "nova.event",
    INFO,
    "nova.api.openstack.compute.server_external_events",
    "Creating event network-vif-plugged:{} for instance {}",
)
NOVA_LOCAL_DELETE = _oslo(
    "nova.local-delete", WARNING, "nova.compute.api", "instance's host {} is down, deleting from database"
)
AUTH_CRITICAL = _oslo("auth.critical", Level.CRITICAL, "keystonemiddleware.auth_token", "Unable to validate token: {}")
NOVA_DELETING = _oslo(
    "nova.deleting", INFO, "nova.compute.api", "Instance is already in deleting state, ignoring this request"
)
NEUTRON_ACCESS = _oslo("neutron.access", INFO, "neutron.wsgi", '{} "{} {} HTTP/1.1" status: {}  len: {} time: {:.7f}')
NEUTRON_FAILED = _oslo("neutron.failed", ERROR, "neutron.api.v2.resource", "create failed: No details.: {}")
NEUTRON_TRACE = _oslo("neutron.trace", ERROR, "neutron.api.v2.resource", "{}")
PLACEMENT_ACCESS = _oslo(
    "placement.access", INFO, "placement.requestlog", '{} "{} {}" status: {} len: {} microversion: 1.36'
)
PLACEMENT_FAILED = _oslo("placement.failed", ERROR, "placement.fault_wrap", "Placement API unexpected error: {}")
PLACEMENT_TRACE = _oslo("placement.trace", ERROR, "placement.fault_wrap", "{}")
GLANCE_ACCESS = _oslo("glance.access", INFO, "eventlet.wsgi.server", '{} - - [{}] "{} {} HTTP/1.1" {} {} {:.6f}')
GLANCE_FAILED = _oslo("glance.failed", ERROR, "glance.common.wsgi", "Caught error: {}")
GLANCE_TRACE = _oslo("glance.trace", ERROR, "glance.common.wsgi", "{}")
KEYSTONE_PASSWORD = _oslo(
    "keystone.password",
    WARNING,
    "keystone.common.password_hashing",
    "Truncating password to algorithm specific maximum length 72 characters.",
)
KEYSTONE_FAILED = _oslo("keystone.failed", ERROR, "keystone.server.flask.application", "{}")
KEYSTONE_TRACE = _oslo("keystone.trace", ERROR, "keystone.server.flask.application", "{}")

# --- nova-conductor and nova-scheduler ---------------------------------------------------------------------------

SCHEDULE_FAILED = _oslo(
    "conductor.schedule-failed", ERROR, "nova.conductor.manager", "Failed to schedule instances: {}"
)
SCHEDULE_TRACE = _oslo("conductor.trace", ERROR, "nova.conductor.manager", "{}")
BUILD_FAILED = _oslo(
    "conductor.build-failed", WARNING, "nova.scheduler.utils", "Failed to compute_task_build_instances: {}"
)
SET_ERROR = _oslo("conductor.set-error", WARNING, "nova.scheduler.utils", "Setting instance to ERROR state.: {}")
NO_VALID_HOST = "No valid host was found. {}"
NO_HOSTS_AVAILABLE = "There are not enough hosts available."
MAX_RETRIES = (
    "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance {}."
)
NO_CANDIDATES = _oslo(
    "scheduler.no-candidates",
    INFO,
    "nova.scheduler.manager",
    "Got no allocation candidates from the Placement API. This could be due to insufficient resources or a temporary "
    "occurrence as compute nodes start up.",
)
NOT_HEARD_FROM = _oslo(
    "scheduler.not-heard",
    WARNING,
    "nova.scheduler.filters.compute_filter",
    "({}, {}) ram: {}MB disk: {}MB io_ops: {} instances: {} has not been heard from in a while",
)
NO_HOSTS_LEFT = _oslo("scheduler.filtered", INFO, "nova.filters", "Filter {} returned 0 hosts")
HOST_DISCOVERED = _oslo(
    "scheduler.discovered", INFO, "nova.objects.host_mapping", "Creating host mapping for compute host '{}': {}"
)

# --- nova-compute ------------------------------------------------------------------------------------------------

_MANAGER, _LIBVIRT = "nova.compute.manager", "nova.virt.libvirt.driver"
LOADING_DRIVER = _oslo("compute.loading", INFO, "nova.virt.driver", "Loading compute driver 'libvirt.LibvirtDriver'")
CONDUCTOR_WAIT = _oslo(
    "compute.conductor-wait",
    WARNING,
    "nova.conductor.api",
    "Timed out waiting for nova-conductor.  Is it running? Or did this service start before nova-conductor?  "
    "Reattempting establishment of nova-conductor connection...",
)
LIBVIRT_CONNECTED = _oslo("compute.libvirt", INFO, _LIBVIRT, "Connection event '1' reason 'None'")
CLAIM_ATTEMPT = _oslo(
    "claim.attempt", INFO, "nova.compute.claims", "Attempting claim: memory {} MB, disk {} GB, vcpus {} CPU"
)
CLAIM_MEMORY = _oslo("claim.memory", INFO, "nova.compute.claims", "Total memory: {} MB, used: {:.2f} MB")
CLAIM_LIMIT = _oslo("claim.limit", INFO, "nova.compute.claims", "memory limit: {:.2f} MB, free: {:.2f} MB")
CLAIM_VCPU = _oslo("claim.vcpu", INFO, "nova.compute.claims", "Total vcpu: {} VCPU, used: {:.2f} VCPU")
CLAIM_OK = _oslo("claim.ok", INFO, "nova.compute.claims", "Claim successful on node {}")
CREATING_IMAGE = _oslo("build.image", INFO, _LIBVIRT, "Creating image")
LIFECYCLE = _oslo("vm.lifecycle", INFO, _MANAGER, "VM {} (Lifecycle Event)")
PENDING_TASK = _oslo(
    "vm.pending", INFO, _MANAGER, "During sync_power_state the instance has a pending task (spawning). Skip."
)
SPAWNED = _oslo("build.spawned", INFO, _LIBVIRT, "Instance spawned successfully.")
TOOK_SPAWN = _oslo("build.took-spawn", INFO, _MANAGER, "Took {:.2f} seconds to spawn the instance on the hypervisor.")
TOOK_BUILD = _oslo("build.took", INFO, _MANAGER, "Took {:.2f} seconds to build instance.")
VIF_TIMEOUT = _oslo(
    "build.vif-timeout",
    WARNING,
    _LIBVIRT,
    "Timeout waiting for [('network-vif-plugged', '{}')] for instance with vm_state building and task_state spawning. "
    "Event states are: network-vif-plugged: timed out after {:.2f} seconds: eventlet.timeout.Timeout: 300 seconds",
)
SPAWN_FAILED = _oslo("build.spawn-failed", ERROR, _MANAGER, "Instance failed to spawn: {}")
NETWORK_FAILED = _oslo("build.network-failed", ERROR, _MANAGER, "Failed to allocate network(s): {}")
BUILD_ABORTED = _oslo("build.aborted", ERROR, _MANAGER, "Build of instance {} aborted: {}")
BUILD_UNEXPECTED = _oslo("build.unexpected", ERROR, _MANAGER, "Unexpected build failure, not rescheduling build.: {}")
COMPUTE_TRACE = _oslo("compute.trace", ERROR, _MANAGER, "{}")
RESCHEDULED = _oslo("build.rescheduled", ERROR, _MANAGER, "Build of instance {} was re-scheduled: {}")
VIF_FAILED = "nova.exception.VirtualInterfaceCreateException: Virtual Interface creation failed"
NO_NETWORK = "Failed to allocate the network(s), not rescheduling."

DISAPPEARED = _oslo("build.disappeared", INFO, _MANAGER, "Instance disappeared during build.")
TERMINATING = _oslo("delete.terminating", INFO, _MANAGER, "Terminating instance")
DESTROYED = _oslo("delete.destroyed", INFO, _LIBVIRT, "Instance destroyed successfully.")
DELETING_FILES = _oslo("delete.files", INFO, _LIBVIRT, "Deleting instance files /var/lib/nova/instances/{}_del")
DELETED_FILES = _oslo("delete.done", INFO, _LIBVIRT, "Deletion of /var/lib/nova/instances/{}_del complete")
TOOK_DESTROY = _oslo("delete.took", INFO, _MANAGER, "Took {:.2f} seconds to destroy the instance on the hypervisor.")
TOOK_DEALLOCATE = _oslo("delete.network", INFO, _MANAGER, "Took {:.2f} seconds to deallocate network for instance.")
DELETED_ALLOCATIONS = _oslo(
    "delete.allocations", INFO, "nova.scheduler.client.report", "Deleted allocations for instance {}"
)
DELETE_FAILED = _oslo("delete.failed", ERROR, _MANAGER, "Setting instance vm_state to ERROR: {}")

DELETION_RESTARTED = _oslo(
    "init.deleting",
    INFO,
    _MANAGER,
    "Service started deleting the instance during the previous run, but did not finish. Restarting the deletion now.",
)
INIT_STUCK = _oslo(
    "init.building",
    INFO,
    _MANAGER,
    "Looking for unclaimed instances stuck in BUILDING status for nodes managed by this host",
)
INIT_REBOOT = _oslo("init.reboot", INFO, _MANAGER, "Rebooting instance after nova-compute restart.")
VM_GONE = _oslo(
    "sync.gone",
    WARNING,
    _MANAGER,
    "Instance shutdown by itself. Calling the stop API. Current vm_state: active, current task_state: None, "
    "original DB power_state: 1, current VM power_state: 4",
)
SYNC_COUNT = _oslo(
    "sync.count",
    WARNING,
    _MANAGER,
    "While synchronizing instance power states, found {} instances in the database and {} instances on the hypervisor.",
)
RESOURCES_FAILED = _oslo("audit.failed", ERROR, _MANAGER, "Error updating resources for node: {}")
FINAL_VIEW = _oslo(
    "audit.final",
    INFO,
    "nova.compute.resource_tracker",
    "Final resource view: name={} phys_ram={}MB used_ram={}MB phys_disk={}GB used_disk={}GB total_vcpus={} "
    "used_vcpus={} pci_stats=[]",
)
_CACHE = "nova.virt.libvirt.imagecache"
IMAGE_CHECKING = _oslo("cache.checking", INFO, _CACHE, "image {} at ({}): checking")
IMAGE_IN_USE = _oslo(
    "cache.in-use",
    INFO,
    _CACHE,
    "image {} at ({}): in use: on this node {} local, 0 on other nodes sharing this instance storage",
)
IMAGE_UNKNOWN = _oslo("cache.unknown", WARNING, _CACHE, "Unknown base file: {}")
IMAGE_ACTIVE = _oslo("cache.active", INFO, _CACHE, "Active base files: {}")
IMAGE_REMOVABLE = _oslo("cache.removable", INFO, _CACHE, "Removable base files: {}")
IMAGE_YOUNG = _oslo("cache.young", INFO, _CACHE, "Base or swap file too young to remove: {}")
MIGRATING = _oslo("migrate.post", INFO, _MANAGER, "Migrating instance to {} finished successfully.")
MIGRATION_TOOK = _oslo(
    "migrate.took", INFO, _MANAGER, "Took {:.2f} seconds for pre_live_migration on destination host {}."
)
EVACUATING = _oslo("migrate.evacuate", INFO, _MANAGER, "Evacuating instance")

# --- MySQL and RabbitMQ ------------------------------------------------------------------------------------------


def _mysql(id: str, level: Level, origin: str, text: str) -> LogTemplate:
    return LogTemplate(id, "mysql", level, origin, text)


MYSQL_STARTING = _mysql(
    "mysql.starting", INFO, "MY-010116 Server", "/usr/sbin/mysqld (mysqld 8.0.36) starting as process {}"
)
MYSQL_INNODB = _mysql("mysql.innodb", INFO, "MY-013576 InnoDB", "InnoDB initialization has started.")
MYSQL_INNODB_READY = _mysql("mysql.innodb-ready", INFO, "MY-013577 InnoDB", "InnoDB initialization has ended.")
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


def _rabbit(id: str, level: Level, text: str) -> LogTemplate:
    return LogTemplate(id, "rabbitmq", level, "rabbit", text)


RABBIT_ACCEPT = _rabbit("rabbitmq.accept", INFO, "accepting AMQP connection <0.{}.0> (10.0.0.{}:{} -> 10.0.0.10:5672)")
RABBIT_NAME = _rabbit(
    "rabbitmq.name",
    INFO,
    "connection <0.{}.0> (10.0.0.{}:{} -> 10.0.0.10:5672) has a client-provided name: {}:{}:{}",
)
RABBIT_GRANTED = _rabbit(
    "rabbitmq.granted",
    INFO,
    "connection <0.{}.0> (10.0.0.{}:{} -> 10.0.0.10:5672 - {}:{}:{}): user 'openstack' authenticated and granted "
    "access to vhost '/'",
)
RABBIT_CLOSING = _rabbit(
    "rabbitmq.closing",
    WARNING,
    "closing AMQP connection <0.{}.0> (10.0.0.{}:{} -> 10.0.0.10:5672 - {}:{}:{}, vhost: '/', user: 'openstack'):",
)
RABBIT_GONE = _rabbit("rabbitmq.gone", WARNING, "client unexpectedly closed TCP connection")
RABBIT_STARTED = _rabbit("rabbitmq.started", INFO, "Server startup complete; 4 plugins started.")
RABBIT_STOPPING = _rabbit("rabbitmq.stopping", INFO, "RabbitMQ is asked to stop...")
