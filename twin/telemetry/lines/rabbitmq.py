"""RabbitMQ's log since 3.9.

2026-01-01 00:14:34.906296+00:00 [warning] <0.4798.0> client unexpectedly closed TCP connection
"""

from __future__ import annotations

from twin.telemetry.lines.timestamps import moment
from twin.telemetry.records import LogRecord


def line(record: LogRecord, epoch: float) -> str:
    """The line of a record whose args are (process id, number of the Erlang process, *message args)."""
    _, erlang, *args = record.args
    template = record.template
    when = moment(epoch, record.time + record.skew).isoformat(" ", "microseconds")[:26]
    return f"{when}+00:00 [{template.level.value.lower()}] <0.{erlang}.0> {template.text.format(*args)}"
