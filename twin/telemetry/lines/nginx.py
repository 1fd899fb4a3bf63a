"""nginx: access log in its `main` format (combined and X-Forwarded-For), error log with the cause and the phase."""

from __future__ import annotations

from twin.telemetry.lines.timestamps import moment
from twin.telemetry.records import LogRecord


def access_line(record: LogRecord, epoch: float) -> str:
    """One access line; args are (pid, client, path, status, bytes, request seconds)."""
    _, client, path, status, size, seconds = record.args
    stamp = f"{moment(epoch, record.time):%d/%b/%Y:%H:%M:%S} +0000"
    return f'{client} - - [{stamp}] "POST {path} HTTP/1.1" {status} {size} "-" "openai-python/1.30.1" "-" {seconds:.3f}'


def error_line(record: LogRecord, epoch: float) -> str:
    """One error line; args are (pid, connection, client, path, upstream, *fields)."""
    pid, connection, client, path, upstream, *fields = record.args
    stamp = f"{moment(epoch, record.time):%Y/%m/%d %H:%M:%S}"
    level = {"WARNING": "warn", "CRITICAL": "crit"}.get(record.template.level, record.template.level.lower())
    return (
        f"{stamp} [{level}] {pid}#{pid}: *{connection} {record.template.text.format(*fields)}, client: {client}, "
        f'server: _, request: "POST {path} HTTP/1.1", upstream: "http://{upstream}{path}", host: "nginx-proxy"'
    )
