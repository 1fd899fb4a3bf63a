"""The log statements of neutron-server."""

from __future__ import annotations

from twin.telemetry.lines.oslo import statement
from twin.telemetry.records import Level

INFO, ERROR = Level.INFO, Level.ERROR

NEUTRON_ACCESS = statement(
    "neutron.access", INFO, "neutron.wsgi", '{} "{} {} HTTP/1.1" status: {}  len: {} time: {:.7f}'
)
NEUTRON_FAILED = statement("neutron.failed", ERROR, "neutron.api.v2.resource", "create failed: No details.: {}")
NEUTRON_TRACE = statement("neutron.trace", ERROR, "neutron.api.v2.resource", "{}")
