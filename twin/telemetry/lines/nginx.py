"""nginx: access log in its `main` format (combined and X-Forwarded-For), error log with the cause and the phase."""

from __future__ import annotations

from twin.telemetry.lines.timestamps import moment
from twin.telemetry.records import LogRecord


def access_line(record: LogRecord, epoch: float) -> str:
    """One access line; args are (pid, client, request, status, bytes, seconds, *user agent).

    The request is a path to which something was posted, or begins with another method.
    """
    _, client, path, status, size, seconds, *agent = record.args
    request = path if " " in path else f"POST {path}"
    stamp = f"{moment(epoch, record.time):%d/%b/%Y:%H:%M:%S} +0000"
    by = agent[0] if agent else "openai-python/1.30.1"
    return f'{client} - - [{stamp}] "{request} HTTP/1.1" {status} {size} "-" "{by}" "-" {seconds:.3f}'


def error_line(record: LogRecord, epoch: float) -> str:
    """One error line; args are (pid, connection, client, path, upstream, *fields).

    The template's origin is nginx's severity. Before a request (connection 0) only the message is printed, before an
    upstream was chosen (upstream empty) no upstream.
    """
    pid, connection, client, path, upstream, *fields = record.args
    stamp = f"{moment(epoch, record.time):%Y/%m/%d %H:%M:%S}"
    head = f"{stamp} [{record.template.origin}] {pid}#{pid}:"
    message = record.template.text.format(*fields)
    if not connection:
        return f"{head} {message}"
    to = f', upstream: "http://{upstream}{path}"' if upstream else ""
    return (
        f'{head} *{connection} {message}, client: {client}, server: _, request: "POST {path} HTTP/1.1"{to}, '
        f'host: "nginx-proxy"'
    )
