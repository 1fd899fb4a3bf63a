"""Ray core's log format: ``2026-11-21 10:02:11,123<TAB>INFO worker.py:2013 -- message`` (Ray 2.60)."""

from __future__ import annotations

from twin.telemetry.lines.timestamps import milliseconds, moment
from twin.telemetry.records import LogRecord


def line(record: LogRecord, epoch: float) -> str:
    """One line; args are (pid, *fields)."""
    stamp = moment(epoch, record.time + record.skew)
    message = record.template.text.format(*record.args[1:])
    when = f"{stamp:%Y-%m-%d %H:%M:%S},{milliseconds(stamp):03d}"
    return f"{when}\t{record.template.level} {record.template.origin} -- {message}"
