"""HAProxy's log as syslog writes it: events, and one line a request (`option httplog`).

Jan  1 00:00:07 controller-0 haproxy[4783]: Server nova_api_back/controller-0 is DOWN, reason: Layer4 connection …
"""

from __future__ import annotations

from twin.telemetry.lines.timestamps import moment
from twin.telemetry.records import LogRecord


def line(record: LogRecord, epoch: float) -> str:
    """The line of a record with args (process id, host, *message args)."""
    pid, host, *args = record.args
    return f"{_head(record, epoch, host, pid)}{record.template.text.format(*args)}"


def access_line(record: LogRecord, epoch: float) -> str:
    """The same where the second message arg is the moment at which the request was accepted, in simulated seconds."""
    pid, host, client, accepted, *args = record.args
    when = moment(epoch, accepted + record.skew).strftime("%d/%b/%Y:%H:%M:%S.%f")[:24]
    return f"{_head(record, epoch, host, pid)}{record.template.text.format(client, when, *args)}"


def _head(record: LogRecord, epoch: float, host: str, pid: int) -> str:
    when = moment(epoch, record.time + record.skew)
    return f"{when:%b} {when.day:2d} {when:%H:%M:%S} {host} haproxy[{pid}]: "
