"""nginx's access and error log. The origin of an error is its severity as nginx names it."""

from __future__ import annotations

from twin.telemetry.records import Level, LogTemplate

CONNECTING = "connecting to"
HEADER = "reading response header from"
BODY = "reading"
"""What nginx was doing with its upstream."""


def _error(id: str, text: str, severity: str = "error", level: Level = Level.ERROR) -> LogTemplate:
    return LogTemplate(f"nginx.{id}", "nginx-error", level, severity, text)


ACCESS = LogTemplate("nginx.access", "nginx-access", Level.INFO, "access", "")
REFUSED = _error("refused", "connect() failed (111: Connection refused) while connecting to upstream")
CLOSED = _error("closed", "upstream prematurely closed connection while {} upstream")
TIMED_OUT = _error("timed_out", "upstream timed out (110: Connection timed out) while {} upstream")
NO_LIVE = _error("no_live", "no live upstreams while connecting to upstream")
LIMITED = _error("limited", 'limiting requests, excess: {:.3f} by zone "llm"')
NO_CONNECTIONS = _error(
    "no_connections", "{} worker_connections are not enough while connecting to upstream", "alert", Level.CRITICAL
)
NOT_RESOLVED = _error(
    "not_resolved",
    'host not found in upstream "{}" in /etc/nginx/conf.d/default.conf:24',
    "emerg",
    Level.CRITICAL,
)
