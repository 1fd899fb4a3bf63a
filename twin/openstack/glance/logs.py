"""The log statements of glance-api."""

from __future__ import annotations

from twin.telemetry.lines.oslo import statement
from twin.telemetry.records import Level

INFO, ERROR = Level.INFO, Level.ERROR

GLANCE_ACCESS = statement("glance.access", INFO, "eventlet.wsgi.server", '{} - - [{}] "{} {} HTTP/1.1" {} {} {:.6f}')
GLANCE_FAILED = statement("glance.failed", ERROR, "glance.common.wsgi", "Caught error: {}")
GLANCE_TRACE = statement("glance.trace", ERROR, "glance.common.wsgi", "{}")
