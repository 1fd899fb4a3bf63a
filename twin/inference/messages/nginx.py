"""nginx's access and error log."""

from __future__ import annotations

from twin.telemetry.records import Level, LogTemplate

ACCESS = LogTemplate("nginx.access", "nginx-access", Level.INFO, "access", "")
REFUSED = LogTemplate(
    "nginx.refused",
    "nginx-error",
    Level.ERROR,
    "error",
    "connect() failed (111: Connection refused) while connecting to upstream",
)
CLOSED = LogTemplate(
    "nginx.closed",
    "nginx-error",
    Level.ERROR,
    "error",
    "upstream prematurely closed connection while reading {} upstream",
)
TIMED_OUT = LogTemplate(
    "nginx.timed_out",
    "nginx-error",
    Level.ERROR,
    "error",
    "upstream timed out (110: Connection timed out) while reading response header from upstream",
)
