"""The log statements of placement.

Source: placement 8.0 (Zed) and a recorded control plane.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_REQUESTLOG = Logger("placement.requestlog")
_FAULT = Logger("placement.fault_wrap")
_ALLOCATION = Logger("placement.objects.allocation")

# --- requests ------------------------------------------------------------------------------------------------------

PLACEMENT_ACCESS = _REQUESTLOG.info("placement.access", '{} "{} {}" status: {} len: {} microversion: {}')
PLACEMENT_STARTING = _REQUESTLOG.debug("placement.placement-starting", 'Starting request: {} "{} {}"')
PLACEMENT_FAILED = _FAULT.error("placement.failed", "Placement API unexpected error: {!s}")

# --- allocations ---------------------------------------------------------------------------------------------------

OVER_CAPACITY = _ALLOCATION.warning(
    "placement.over-capacity", "Over capacity for {} on resource provider {}. Needed: {}, Used: {}, Capacity: {}"
)
