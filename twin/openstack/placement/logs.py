"""The log statements of placement.

Source: placement 8.0 (Zed) and a recorded control plane.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_REQUESTLOG = Logger("placement.requestlog")
_FAULT = Logger("placement.fault_wrap")
_WRAPPER = Logger("placement.wsgi_wrapper")
_POLICY = Logger("placement.policy")
_HANDLER = Logger("placement.handlers.allocation")
_ALLOCATION = Logger("placement.objects.allocation")
_PROVIDER = Logger("placement.objects.resource_provider")
_RESEARCH = Logger("placement.objects.research_context")
_CANDIDATES = Logger("placement.objects.allocation_candidate")

# --- requests ------------------------------------------------------------------------------------------------------

PLACEMENT_ACCESS = _REQUESTLOG.info("placement.access", '{} "{} {}" status: {} len: {} microversion: {}')
PLACEMENT_STARTING = _REQUESTLOG.debug("placement.placement-starting", 'Starting request: {} "{} {}"')
PLACEMENT_FAILED = _FAULT.error("placement.failed", "Placement API unexpected error: {!s}")
ERROR_RETURNED = _WRAPPER.debug("placement.error-returned", "Placement API returning an error response: {}")
POLICY_FAILED = _POLICY.debug("placement.policy-failed", "Policy check for {} failed with credentials {}")

# --- allocations ---------------------------------------------------------------------------------------------------

ALLOCATIONS_WRITTEN = _HANDLER.debug("placement.allocations-written", "Successfully wrote allocations {}")
ALLOCATIONS_DELETED = _HANDLER.debug("placement.allocations-deleted", "Successfully deleted allocations {}")
CONSUMER_DELETED = _HANDLER.debug(
    "placement.consumer-deleted", "Deleted auto-created consumer with consumer UUID {} after failed allocation"
)
OVER_CAPACITY = _ALLOCATION.warning(
    "placement.over-capacity", "Over capacity for {} on resource provider {}. Needed: {}, Used: {}, Capacity: {}"
)
VIOLATES_UNITS = _ALLOCATION.warning(
    "placement.violates-units",
    "Allocation for {} on resource provider {} violates min_unit, max_unit, or step_size. Requested: {}, "
    "min_unit: {}, max_unit: {}, step_size: {}",
)
GENERATION_CONFLICT = _ALLOCATION.debug(
    "placement.generation-conflict", "Retrying allocations write on resource provider generation conflict"
)
RETRIES_EXCEEDED = _ALLOCATION.warning("placement.retries-exceeded", "Exceeded retry limit of {} on allocations write")
PROVIDER_OVER_CAPACITY = _PROVIDER.warning(
    "placement.provider-over-capacity", "Resource provider {} is now over-capacity for {}"
)

# --- candidates ----------------------------------------------------------------------------------------------------

GETTING_PROVIDERS = _RESEARCH.debug("placement.getting-providers", "getting providers with {} {}")
NO_PROVIDERS = _RESEARCH.debug("placement.no-providers", "found no providers with {} {}")
PROVIDERS_WITH = _RESEARCH.debug("placement.providers-with", "found {} providers with available {} {}")
PROVIDERS_AFTER_TRAITS = _RESEARCH.debug(
    "placement.providers-after-traits", "found {} providers after applying initial aggregate and trait filters"
)
PROVIDERS_AFTER_PREVIOUS = _RESEARCH.debug(
    "placement.providers-after-previous", "found {} providers after filtering by previous result"
)
MATCHES = _CANDIDATES.debug("placement.matches", "{} (suffix '{}') returned {} matches")
