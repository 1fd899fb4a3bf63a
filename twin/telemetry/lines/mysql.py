"""MySQL 8.0's error log (traditional sink).

2026-01-01T00:00:37.667321Z 0 [System] [MY-010931] [Server] /usr/sbin/mysqld: ready for connections. …
"""

from __future__ import annotations

from twin.telemetry.lines.timestamps import moment
from twin.telemetry.records import Level, LogRecord

_PRIORITY = {Level.INFO: "System", Level.WARNING: "Warning", Level.ERROR: "ERROR"}


def line(record: LogRecord, epoch: float) -> str:
    """The line of a record with args (process id, thread id, *message args); the origin is ``MY-code subsystem``."""
    _, thread, *args = record.args
    template = record.template
    code, subsystem = template.origin.split(" ")
    when = moment(epoch, record.time + record.skew).isoformat("T", "microseconds")[:26]
    replication = code == "MY-000000" and template.level is Level.INFO
    priority = "Note" if replication else _PRIORITY[template.level]
    return f"{when}Z {thread} [{priority}] [{code}] [{subsystem}] {template.text.format(*args)}"
