"""The log statements of placement."""

from __future__ import annotations

from twin.telemetry.lines.oslo import statement
from twin.telemetry.records import Level

INFO, ERROR = Level.INFO, Level.ERROR

PLACEMENT_ACCESS = statement(
    "placement.access", INFO, "placement.requestlog", '{} "{} {}" status: {} len: {} microversion: 1.36'
)
PLACEMENT_FAILED = statement("placement.failed", ERROR, "placement.fault_wrap", "Placement API unexpected error: {}")
PLACEMENT_TRACE = statement("placement.trace", ERROR, "placement.fault_wrap", "{}")
