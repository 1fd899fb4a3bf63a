"""The log statements of MySQL and RabbitMQ."""

from __future__ import annotations

from twin.telemetry.records import Level, LogTemplate

INFO, WARNING, ERROR = Level.INFO, Level.WARNING, Level.ERROR


def _mysql(id: str, level: Level, origin: str, text: str) -> LogTemplate:
    return LogTemplate(id, "mysql", level, origin, text)


def _rabbit(id: str, level: Level, text: str) -> LogTemplate:
    return LogTemplate(id, "rabbitmq", level, "rabbit", text)


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
