"""The kernel ring buffer as syslog keeps it: ``Nov 21 10:02:11 node-1 kernel: [  123.456789] message``."""

from __future__ import annotations

from twin.telemetry.lines.timestamps import moment
from twin.telemetry.records import LogRecord

UPTIME_AT_EPOCH = 86_400.0
"""Seconds that every node has been up when the simulation begins."""


def line(record: LogRecord, epoch: float) -> str:
    """One line; args are the fields."""
    stamp = f"{moment(epoch, record.time + record.skew):%b %e %H:%M:%S}"
    host = record.component.split("/")[0]
    return f"{stamp} {host} kernel: [{UPTIME_AT_EPOCH + record.time:12.6f}] {record.template.text.format(*record.args)}"
