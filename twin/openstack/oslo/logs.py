"""The log statements that all services share: oslo.service, oslo.db, oslo.messaging, keystonemiddleware.

Args of dialect oslo: process id, RequestContext or None, instance or None, then the fields of the text.
Sources: oslo.messaging and nova (MECHANICS 2.5), and a recorded Zed control plane for loggers and formats.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import statement
from twin.telemetry.records import Level

INFO, WARNING, ERROR, CRITICAL = Level.INFO, Level.WARNING, Level.ERROR, Level.CRITICAL

SIGTERM = statement("service.sigterm", INFO, "oslo_service.service", "Caught SIGTERM, stopping children")
WSGI_UP = statement("wsgi.up", INFO, "wsgi.server", "({}) wsgi starting up on http://0.0.0.0:{}")
DATABASE_LOST = statement(
    "db.lost", ERROR, "oslo_db.sqlalchemy.engines", "Database connection was found disconnected; reconnecting: {}"
)
DATABASE_TRACE = statement("db.trace", ERROR, "oslo_db.sqlalchemy.engines", "{}")
LOST_CONNECTION = "(pymysql.err.OperationalError) (2013, 'Lost connection to MySQL server during query')"
CANNOT_CONNECT = (
    "(pymysql.err.OperationalError) "
    "(2003, \"Can't connect to MySQL server on 'controller-0' ([Errno 111] ECONNREFUSED)\")"
)
POOL_LIMIT = "QueuePool limit of size 5 overflow 50 reached, connection timed out, timeout 30.00"
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
AMQP_UNREACHABLE = statement(
    "amqp.unreachable",
    ERROR,
    "oslo.messaging._drivers.impl_rabbit",
    "[{}] AMQP server on controller-0:5672 is unreachable: {}. Trying again in {} seconds.",
)
AMQP_RECONNECTED = statement(
    "amqp.reconnected",
    INFO,
    "oslo.messaging._drivers.impl_rabbit",
    "[{}] Reconnected to AMQP server on controller-0:5672 via [amqp] client with port {}.",
)
LATE_REPLY = statement(
    "amqp.late", WARNING, "oslo_messaging._drivers.amqpdriver", "No calling threads waiting for msg_id : {}"
)
REPORT_LOST = statement(
    "report.lost",
    WARNING,
    "nova.servicegroup.drivers.db",
    "Lost connection to nova-conductor for reporting service status.: {}",
)
REPORT_FAILED = statement(
    "report.failed", ERROR, "nova.servicegroup.drivers.db", "Unexpected error while reporting service status: {}"
)
REPORT_TRACE = statement("report.trace", ERROR, "nova.servicegroup.drivers.db", "{}")
REPORT_RECOVERED = statement(
    "report.recovered", INFO, "nova.servicegroup.drivers.db", "Recovered from being unable to report status."
)
RPC_FAILED = statement("rpc.failed", ERROR, "oslo_messaging.rpc.server", "Exception during message handling: {}")
RPC_TRACE = statement("rpc.trace", ERROR, "oslo_messaging.rpc.server", "{}")
AUTH_CRITICAL = statement("auth.critical", CRITICAL, "keystonemiddleware.auth_token", "Unable to validate token: {}")
