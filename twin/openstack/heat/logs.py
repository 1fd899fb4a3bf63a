"""The log statements of heat-api and heat-engine.

Source: heat 19.0 (Zed).
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_WSGI = Logger("heat.common.wsgi")
_SERVICE = Logger("heat.engine.service")
_STACK = Logger("heat.engine.stack")
_RESOURCE = Logger("heat.engine.resource")

# --- heat-api ------------------------------------------------------------------------------------------------------

PROCESSING = _WSGI.info("heat.processing", "Processing request: {} {}")
API_FAILED = _WSGI.error("heat.api-failed", "Unexpected error occurred serving API: {}")

# --- heat-engine: stacks -------------------------------------------------------------------------------------------

CREATING = _SERVICE.info("heat.creating", "Creating stack {}")
DELETING = _SERVICE.info("heat.deleting", "Deleting stack {}")
ENGINE_WENT_DOWN = _SERVICE.info("heat.engine-went-down", "Engine {} went down when stack {} was in action {}")
STACK_STATUS = _STACK.info("heat.stack-status", "Stack {} {} ({}): {}")

# --- heat-engine: resources ----------------------------------------------------------------------------------------

RESOURCE_VALIDATING = _RESOURCE.info("heat.resource-validating", "Validating {}")
RESOURCE_CREATING = _RESOURCE.info("heat.resource-creating", "creating {}")
RESOURCE_DELETING = _RESOURCE.info("heat.resource-deleting", "deleting {}")
RESOURCE_FAILED = _RESOURCE.info("heat.resource-failed", "{}: {}")
