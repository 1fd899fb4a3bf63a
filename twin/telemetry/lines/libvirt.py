"""libvirtd's log and qemu's per-domain log.

2026-01-01 00:00:03.595+0000: 1234: error : qemuMonitorIO:577 : internal error: End of file from qemu monitor
2026-01-01 00:00:03.595+0000: shutting down, reason=destroyed
"""

from __future__ import annotations

from twin.telemetry.lines.timestamps import moment
from twin.telemetry.records import LogRecord


def line(record: LogRecord, epoch: float) -> str:
    """libvirtd's line of a record with args (thread id, *message args); the origin is function and source line."""
    thread, *args = record.args
    template = record.template
    return (
        f"{_stamp(record, epoch)}: {thread}: {template.level.value.lower()} : {_message(template.origin, args, record)}"
    )


def qemu_line(record: LogRecord, epoch: float) -> str:
    """A line that libvirt writes into the log of a domain; args (process id, *message args)."""
    return f"{_stamp(record, epoch)}: {record.template.text.format(*record.args[1:])}"


def _message(origin: str, args: list[object], record: LogRecord) -> str:
    text = record.template.text.format(*args)
    return f"{origin} : {text}" if origin else text


def _stamp(record: LogRecord, epoch: float) -> str:
    return moment(epoch, record.time + record.skew).isoformat(" ", "milliseconds")[:23] + "+0000"
