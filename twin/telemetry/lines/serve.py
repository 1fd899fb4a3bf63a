"""Ray Serve's log format: ``INFO 2026-11-21 10:02:11,123 controller 4242 -- message`` (Ray 2.60)."""

from __future__ import annotations

from twin.telemetry.lines.timestamps import milliseconds, moment
from twin.telemetry.records import LogRecord


def line(record: LogRecord, epoch: float) -> str:
    """One line; args are (pid, *fields), the origin is the component type."""
    stamp = moment(epoch, record.time + record.skew)
    pid, *fields = record.args
    message = record.template.text.format(*fields)
    when = f"{stamp:%Y-%m-%d %H:%M:%S},{milliseconds(stamp):03d}"
    return f"{record.template.level} {when} {record.template.origin} {pid} -- {message}"
