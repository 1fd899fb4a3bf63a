"""vLLM's log format: ``(EngineCore pid=212) INFO 11-21 10:02:11 [core.py:112] message`` (vLLM 0.33).

A template's origin is ``process/file.py:line``. No year, no fraction of a second, no time zone, as the original.
"""

from __future__ import annotations

from twin.telemetry.lines.timestamps import moment
from twin.telemetry.records import LogRecord


def line(record: LogRecord, epoch: float) -> str:
    """One line; args are (pid, *fields)."""
    pid, *fields = record.args
    process, source = record.template.origin.split("/")
    stamp = f"{moment(epoch, record.time):%m-%d %H:%M:%S}"
    message = record.template.text.format(*fields)
    return f"({process} pid={pid}) {record.template.level} {stamp} [{source}] {message}"
