"""The log statements of what all services share: oslo's libraries and keystonemiddleware.

Modules that use oslo.log have their logger under ``oslo.``, those with Python's logging under ``oslo_``. Sources:
oslo.messaging 14.0, oslo.db 12.1, oslo.service 3.0, keystonemiddleware 10.1 (Zed), a recorded control plane.

What these libraries say below the levels that oslo.log gives them by default (`DEFAULT_LOG_LEVELS`: oslo.messaging
INFO, keystonemiddleware, keystoneauth, urllib3 and taskflow WARNING) is in nobody's log and not here.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_SERVICE = Logger("oslo_service.service")
_SERVER = Logger("wsgi.server")
_PERIODIC = Logger("oslo_service.periodic_task")
_ENGINES = Logger("oslo_db.sqlalchemy.engines")
_DB = Logger("oslo_db.api")
_RABBIT = Logger("oslo.messaging._drivers.impl_rabbit")
_AMQP = Logger("oslo_messaging._drivers.amqpdriver")
_RPC = Logger("oslo_messaging.rpc.server")
_CLIENT = Logger("oslo_messaging.rpc.client")
_SERVICEGROUP = Logger("nova.servicegroup.drivers.db")
_AUTH = Logger("keystonemiddleware.auth_token")

# --- oslo.service --------------------------------------------------------------------------------------------------

SIGTERM = _SERVICE.info("service.sigterm", "Caught SIGTERM, stopping children")
WSGI_UP = _SERVER.info("wsgi.up", "({}) wsgi starting up on http://0.0.0.0:{}")
PERIODIC_RUNNING = _PERIODIC.debug("oslo.periodic-running", "Running periodic task {}")
PERIODIC_FAILED = _PERIODIC.error("oslo.periodic-failed", "Error during {}: {!s}")

# --- oslo.db -------------------------------------------------------------------------------------------------------

DATABASE_LOST = _ENGINES.error("db.lost", "Database connection was found disconnected; reconnecting: {!s}")
DATABASE_RETRIES_EXCEEDED = _DB.error("db.retries", "DB exceeded retry limit.: {!s}")
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
AMQP_RECONNECTED = _RABBIT.info(
    "amqp.reconnected", "[{}] Reconnected to AMQP server on {}:5672 via [amqp] client with port {}."
)
AMQP_BLOCKED = _RABBIT.error("oslo.amqp-blocked", "The broker has blocked the connection: {}")
AMQP_UNBLOCKED = _RABBIT.info("oslo.amqp-unblocked", "The broker has unblocked the connection")

# --- oslo.messaging: messages --------------------------------------------------------------------------------------

LATE_REPLY = _AMQP.info("amqp.late", "No calling threads waiting for msg_id : {}")
RPC_FAILED = _RPC.error("rpc.failed", "Exception during message handling: {!s}")
# Recorded twice for every call or cast of nova-api or nova-conductor to a compute host, for both make a client for the
# host's cell each time, and six times when a nova-compute starts.
RPC_CLIENT_DEPRECATED = _CLIENT.warning(
    "oslo.rpc-client-deprecated",
    "Using RPCClient manually to instantiate client. Please use get_rpc_client to obtain an RPC client instance.",
)

# --- heartbeats of services (nova) ---------------------------------------------------------------------------------

REPORT_LOST = _SERVICEGROUP.warning(
    "report.lost", "Lost connection to nova-conductor for reporting service status.: {!s}"
)
REPORT_FAILED = _SERVICEGROUP.error("report.failed", "Unexpected error while reporting service status: {!s}")
REPORT_RECOVERED = _SERVICEGROUP.info("report.recovered", "Recovered from being unable to report status.")

# --- keystonemiddleware --------------------------------------------------------------------------------------------

AUTH_NO_SERVICE_ROLES = _AUTH.warning(
    "oslo.auth-no-service-roles",
    "AuthToken middleware is set with keystone_authtoken.service_token_roles_required set to False. This is "
    "backwards compatible but deprecated behaviour. Please set this to True.",
)
TOKEN_UNAUTHORIZED = _AUTH.warning("oslo.token-unauthorized", "Authorization failed for token: {!s}")
AUTH_CRITICAL = _AUTH.critical(
    "auth.critical", "Unable to validate token: {0}: keystonemiddleware.auth_token._exceptions.ServiceError: {0}"
)
KEYSTONE_ANSWERED = _AUTH.warning("oslo.keystone-answered", "Identity response: {}: {!s}")
KEYSTONE_FAILED = _AUTH.error("oslo.keystone-failed", "Bad response code while validating token: {} {}: {!s}")
FETCH_FAILED = "Failed to fetch token data from identity server"
