"""The log statements of what all services share: oslo's libraries and keystonemiddleware.

Modules that use oslo.log have their logger under ``oslo.``, those with Python's logging under ``oslo_``. Sources:
oslo.messaging 14.0, oslo.db 12.1, oslo.service 3.0, keystonemiddleware 10.1 (Zed), a recorded control plane.

What these libraries say below the levels that oslo.log gives them by default (`DEFAULT_LOG_LEVELS`: oslo.messaging and
oslo.policy INFO, keystonemiddleware, keystoneauth, urllib3 and taskflow WARNING) is in nobody's log and not here.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_SERVICE = Logger("oslo_service.service")
_WSGI = Logger("oslo.service.wsgi")
_SERVER = Logger("wsgi.server")
_PERIODIC = Logger("oslo_service.periodic_task")
_LOOPING = Logger("oslo.service.loopingcall")
_LOCK = Logger("oslo_concurrency.lockutils")
_PROCESS = Logger("oslo_concurrency.processutils")
_ENGINES = Logger("oslo_db.sqlalchemy.engines")
_FILTERS = Logger("oslo_db.sqlalchemy.exc_filters")
_DB = Logger("oslo_db.api")
_RABBIT = Logger("oslo.messaging._drivers.impl_rabbit")
_POOL = Logger("oslo.messaging._drivers.pool")
_AMQP = Logger("oslo_messaging._drivers.amqpdriver")
_RPC = Logger("oslo_messaging.rpc.server")
_CLIENT = Logger("oslo_messaging.rpc.client")
_LISTENER = Logger("oslo_messaging.server")
_NOTIFY = Logger("oslo_messaging.notify.messaging")
_SERVICEGROUP = Logger("nova.servicegroup.drivers.db")
_AUTH = Logger("keystonemiddleware.auth_token")
_POLICY = Logger("oslo_policy.policy")
_CONFIG = Logger("oslo_config.cfg")
_URLLIB = Logger("urllib3.connectionpool")

# --- oslo.service --------------------------------------------------------------------------------------------------

SIGTERM = _SERVICE.info("service.sigterm", "Caught SIGTERM, stopping children")
CHILD_SIGTERM = _SERVICE.info("service.child-sigterm", "Child caught SIGTERM, handling")
SERVICE_SIGTERM = _SERVICE.info("service.single-sigterm", "Caught SIGTERM, handling")
WORKERS_STARTING = _SERVICE.info("oslo.workers-starting", "Starting {} workers")
CHILD_STARTED = _SERVICE.debug("oslo.child-started", "Started child {}")
CHILD_KILLED = _SERVICE.info("oslo.child-killed", "Child {} killed by signal {}")
CHILD_EXITED = _SERVICE.info("oslo.child-exited", "Child {} exited with status {}")
PARENT_DIED = _SERVICE.info("oslo.parent-died", "Parent process has died unexpectedly, exiting")
WAITING_ON_CHILDREN = _SERVICE.info("oslo.waiting-on-children", "Waiting on {} children to exit")
FORKING_TOO_FAST = _SERVICE.info("oslo.forking-too-fast", "Forking too fast, sleeping")
SHUTDOWN_TIMEOUT = _SERVICE.info("oslo.shutdown-timeout", "Graceful shutdown timeout exceeded, instantaneous exiting")
WSGI_LISTENING = _WSGI.info("oslo.wsgi-listening", "{} listening on {}:{}")
WSGI_STOPPING = _WSGI.info("oslo.wsgi-stopping", "Stopping WSGI server.")
WSGI_STOPPED = _WSGI.info("oslo.wsgi-stopped", "WSGI server has stopped.")
WSGI_UP = _SERVER.info("wsgi.up", "({}) wsgi starting up on http://0.0.0.0:{}")
WSGI_EXITED = _SERVER.info("wsgi.exited", "({}) wsgi exited, is_accepting=True")
PERIODIC_RUNNING = _PERIODIC.debug("oslo.periodic-running", "Running periodic task {}")
PERIODIC_FAILED = _PERIODIC.error("oslo.periodic-failed", "Error during {}: {!s}")
PERIODIC_DISABLED = _PERIODIC.info("oslo.periodic-disabled", "Skipping periodic task {} because it is disabled")
LOOP_OUTLASTED = _LOOPING.warning("oslo.loop-outlasted", "Function {!r} run outlasted interval by {:.2f} sec")
LOOP_FAILED = _LOOPING.error("oslo.loop-failed", "{} {!r} failed: {!s}")
# fields: lock, function, seconds; oslo.concurrency 5.0
LOCK_ACQUIRING = _LOCK.debug("oslo.lock-acquiring", 'Acquiring lock "{}" by "{}"')
LOCK_ACQUIRED = _LOCK.debug("oslo.lock-acquired", 'Lock "{}" acquired by "{}" :: waited {:.3f}s')
LOCK_RELEASED = _LOCK.debug("oslo.lock-released", 'Lock "{}" "released" by "{}" :: held {:.3f}s')
# the same around a block instead of a function: lock
LOCK_BLOCK_ACQUIRING = _LOCK.debug("oslo.lock-block-acquiring", 'Acquiring lock "{}"')
LOCK_BLOCK_ACQUIRED = _LOCK.debug("oslo.lock-block-acquired", 'Acquired lock "{}"')
LOCK_BLOCK_RELEASED = _LOCK.debug("oslo.lock-block-released", 'Releasing lock "{}"')
COMMAND_RUNNING = _PROCESS.debug("oslo.command-running", "Running cmd (subprocess): {}")
COMMAND_RETURNED = _PROCESS.debug("oslo.command-returned", 'CMD "{}" returned: {} in {:.3f}s')

# --- oslo.db -------------------------------------------------------------------------------------------------------

DATABASE_LOST = _ENGINES.error("db.lost", "Database connection was found disconnected; reconnecting: {!s}")
DATABASE_UNREACHABLE = _ENGINES.warning("oslo.database-unreachable", "SQL connection failed. {} attempts left.: {!s}")
SQL_MODE = _ENGINES.debug("oslo.sql-mode", "MySQL server mode set to {}")
DATABASE_ERROR_WRAPPED = _FILTERS.warning("oslo.database-error-wrapped", "DBAPIError exception wrapped.: {!s}")
DATABASE_OTHER_ERROR = _FILTERS.warning("oslo.database-other-error", "DB exception wrapped.: {!s}")
DATABASE_RETRIES_EXCEEDED = _DB.error("db.retries", "DB exceeded retry limit.: {!s}")
DATABASE_RETRYING = _DB.debug("oslo.database-retrying", "Performing DB retry for function {}")
LOST_CONNECTION = "(pymysql.err.OperationalError) (2013, 'Lost connection to MySQL server during query')"
CANNOT_CONNECT = (
    "(pymysql.err.OperationalError) "
    "(2003, \"Can't connect to MySQL server on 'controller-0' ([Errno 111] ECONNREFUSED)\")"
)
POOL_LIMIT = "QueuePool limit of size 5 overflow 50 reached, connection timed out, timeout 30.00"
DEADLOCK = "(pymysql.err.OperationalError) (1213, 'Deadlock found when trying to get lock; try restarting transaction')"
LOCK_WAIT = "(pymysql.err.OperationalError) (1205, 'Lock wait timeout exceeded; try restarting transaction')"
TOO_MANY_CONNECTIONS = "(pymysql.err.OperationalError) (1040, 'Too many connections')"
READ_ONLY = (
    "(pymysql.err.OperationalError) (1290, 'The MySQL server is running with the --read-only option so it cannot "
    "execute this statement')"
)
WSREP_NOT_READY = "(pymysql.err.InternalError) (1047, 'WSREP has not yet prepared node for application use')"

# --- oslo.messaging: the connection --------------------------------------------------------------------------------

AMQP_UNREACHABLE = _RABBIT.error(
    "amqp.unreachable", "[{}] AMQP server on {}:5672 is unreachable: {}. Trying again in {} seconds.: {!s}"
)
AMQP_CLOSED = _RABBIT.error(
    "oslo.amqp-closed", "[{}] AMQP server {}:5672 closed the connection. Check login credentials: {}: {!s}"
)
AMQP_RECONNECTED = _RABBIT.info(
    "amqp.reconnected", "[{}] Reconnected to AMQP server on {}:5672 via [amqp] client with port {}."
)
AMQP_FAILED = _RABBIT.error("oslo.amqp-failed", "Connection failed: {} (retrying in {} seconds)")
AMQP_BLOCKED = _RABBIT.error("oslo.amqp-blocked", "The broker has blocked the connection: {}")
AMQP_UNBLOCKED = _RABBIT.info("oslo.amqp-unblocked", "The broker has unblocked the connection")
AMQP_RECOVERABLE = _RABBIT.info(
    "oslo.amqp-recoverable", "A recoverable connection/channel error occurred, trying to reconnect: {}"
)
AMQP_HEARTBEAT_FAILED = _RABBIT.warning(
    "oslo.amqp-heartbeat-failed", "Unexpected error during heartbeat thread processing, retrying...: {!s}"
)
AMQP_CONSUME_FAILED = _RABBIT.error("oslo.amqp-consume-failed", "Failed to consume message from queue: {}")
AMQP_PUBLISH_FAILED = _RABBIT.error("oslo.amqp-publish-failed", "Failed to publish message to topic '{}': {}")
AMQP_DECLARE_FAILED = _RABBIT.error("oslo.amqp-declare-failed", "Failed to declare consumer for topic '{}': {}")
AMQP_QUEUE_ERROR = _RABBIT.error(
    "oslo.amqp-queue-error",
    "Internal amqp error (541) during queue declare,retrying in {} seconds. Queue: [{}], error message: [{}]: {!s}",
)
AMQP_MESSAGE_SKIPPED = _RABBIT.error("oslo.amqp-message-skipped", "Failed to process message ... skipping it.: {!s}")
POOL_EXCEEDED = _POOL.warning(
    "oslo.pool-exceeded",
    "Connection pool limit exceeded: current size {} surpasses max configured rpc_conn_pool_size {}",
)

# --- oslo.messaging: messages --------------------------------------------------------------------------------------

LATE_REPLY = _AMQP.info("amqp.late", "No calling threads waiting for msg_id : {}")
REPLY_QUEUE_GONE = _AMQP.warning("oslo.reply-queue-gone", "{} doesn't exist, drop reply to {}")
REPLY_ABANDONED = _AMQP.error(
    "oslo.reply-abandoned",
    "The reply {} failed to send after {} seconds due to a missing queue ({}). Abandoning...: {!s}",
)
REPLY_ABANDONED_BROKER = _AMQP.error(
    "oslo.reply-abandoned-broker",
    "The reply {} failed to send after {} seconds due to a broker issue ({}). Abandoning...: {!s}",
)
DUPLICATE_MESSAGE = _AMQP.error("oslo.duplicate-message", "ignoring duplicate message {}: {!s}")
ACKNOWLEDGE_FAILED = _AMQP.warning("oslo.acknowledge-failed", "Failed to acknowledge received message: {}: {!s}")
MESSAGE_DISCARDED = _AMQP.warning(
    "oslo.message-discarded", "Discarding RPC request due to failed acknowledge: {}: {!s}"
)
CALL_QUEUES = _AMQP.warning(
    "oslo.call-queues",
    "Number of call queues is {}, greater than warning threshold: {}. There could be a leak. Increasing "
    "threshold to: {}",
)
INCOMING_FAILED = _AMQP.error("oslo.incoming-failed", "Failed to process incoming message, retrying..: {!s}")
RPC_FAILED = _RPC.error("rpc.failed", "Exception during message handling: {!s}")
RPC_REPLY_FAILED = _RPC.error("oslo.rpc-reply-failed", "Can not send reply for message: {!s}")
# Recorded twice for every call or cast of nova-api or nova-conductor to a compute host, for both make a client for the
# host's cell each time, and six times when a nova-compute starts.
RPC_CLIENT_DEPRECATED = _CLIENT.warning(
    "oslo.rpc-client-deprecated",
    "Using RPCClient manually to instantiate client. Please use get_rpc_client to obtain an RPC client instance.",
)
SERVER_HANGS = _LISTENER.warning("oslo.server-hangs", "Possible hang: {}")
NOTIFICATION_FAILED = _NOTIFY.error("oslo.notification-failed", "Could not send notification to {}. Payload={}: {!s}")

# --- heartbeats of services (nova) ---------------------------------------------------------------------------------

REPORT_LOST = _SERVICEGROUP.warning(
    "report.lost", "Lost connection to nova-conductor for reporting service status.: {!s}"
)
REPORT_FAILED = _SERVICEGROUP.error("report.failed", "Unexpected error while reporting service status: {!s}")
REPORT_RECOVERED = _SERVICEGROUP.info("report.recovered", "Recovered from being unable to report status.")

# --- keystonemiddleware and oslo.policy ----------------------------------------------------------------------------

AUTH_NO_SERVICE_ROLES = _AUTH.warning(
    "oslo.auth-no-service-roles",
    "AuthToken middleware is set with keystone_authtoken.service_token_roles_required set to False. This is "
    "backwards compatible but deprecated behaviour. Please set this to True.",
)
AUTH_NO_PUBLIC_ENDPOINT = _AUTH.warning(
    "oslo.auth-no-public-endpoint",
    "Configuring www_authenticate_uri to point to the public identity endpoint is required; clients may not be "
    "able to authenticate against an admin endpoint",
)
TOKEN_UNAUTHORIZED = _AUTH.warning("oslo.token-unauthorized", "Authorization failed for token: {!s}")
AUTH_CRITICAL = _AUTH.critical(
    "auth.critical", "Unable to validate token: {0}: keystonemiddleware.auth_token._exceptions.ServiceError: {0}"
)
KEYSTONE_ANSWERED = _AUTH.warning("oslo.keystone-answered", "Identity response: {}: {!s}")
KEYSTONE_FAILED = _AUTH.error("oslo.keystone-failed", "Bad response code while validating token: {} {}: {!s}")
FETCH_FAILED = "Failed to fetch token data from identity server"
POLICY_REDUNDANT = _POLICY.warning(
    "oslo.policy-redundant",
    "Policy Rules {} specified in policy files are the same as the defaults provided by the service. You can "
    "remove these rules from policy files which will make maintenance easier. You can detect these redundant "
    "rules by ``oslopolicy-list-redundant`` tool also.",
)
OPTION_DEPRECATED = _CONFIG.warning(
    "oslo.option-deprecated",
    'Deprecated: Option "{}" from group "{}" is deprecated for removal ({}).  Its value may be silently '
    "ignored in the future.",
)
URLLIB_RETRY = _URLLIB.warning(
    "oslo.urllib-retry",
    "Retrying (Retry(total={}, connect=None, read=None, redirect=None, status=None)) after connection broken "
    "by '{}': {}",
)
