"""The log statements of nova's own clients of neutron, cinder and glance.

Source: nova 26.2 (Zed).
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_NEUTRON = Logger("nova.network.neutron")
_NEUTRON_VM = _NEUTRON
_CINDER = Logger("nova.volume.cinder")
_GLANCE = Logger("nova.image.glance")

# --- neutron -------------------------------------------------------------------------------------------------------

VALIDATING_NETWORKS = _NEUTRON.debug("client.validating-networks", "validate_networks() for {}")
ALLOCATING_PORTS = _NEUTRON_VM.debug("client.allocating-ports", "allocate_for_instance()")
PORT_CREATED = _NEUTRON_VM.debug("client.port-created", "Successfully created port: {}")
PORT_UPDATED = _NEUTRON_VM.debug("client.port-updated", "Successfully updated port: {}")
PORT_CREATE_FAILED = _NEUTRON_VM.error("client.port-create-failed", "Neutron error creating port on network {}: {!s}")
PORT_QUOTA_EXCEEDED = _NEUTRON_VM.warning(
    "client.port-quota-exceeded", "Neutron error: Port quota exceeded in tenant: {}: {!s}"
)
PORT_NO_MORE_IPS = _NEUTRON_VM.warning(
    "client.port-no-more-ips", "Neutron error: No more fixed IPs in network: {}: {!s}"
)
PORT_UNBIND_FAILED = _NEUTRON.error("client.port-unbind-failed", "Unable to clear device ID for port '{}': {!s}")
PORT_BINDING_UPDATE_FAILED = _NEUTRON_VM.error(
    "client.port-binding-update-failed", "Unable to update binding details for port {}: {!s}"
)
PORT_NOT_THERE = _NEUTRON_VM.warning("client.port-not-there", "Port {} does not exist: {!s}")
PORT_DELETE_FAILED = _NEUTRON_VM.warning("client.port-delete-failed", "Failed to delete port {} for instance.: {!s}")
DEALLOCATING_PORTS = _NEUTRON_VM.debug("client.deallocating-ports", "deallocate_for_instance()")
BUILDING_CACHE = _NEUTRON_VM.debug("client.building-cache", "Building network info cache for instance")

# --- cinder --------------------------------------------------------------------------------------------------------

ATTACHMENT_CREATE_FAILED = _CINDER.error(
    "client.attachment-create-failed", "Create attachment failed for volume {}. Error: {} Code: {}: {!s}"
)
ATTACHMENT_SHOW_FAILED = _CINDER.error(
    "client.attachment-show-failed", "Show attachment failed for attachment {}. Error: {} Code: {}: {!s}"
)
ATTACHMENT_UPDATE_FAILED = _CINDER.error(
    "client.attachment-update-failed", "Update attachment failed for attachment {}. Error: {} Code: {}: {!s}"
)
ATTACHMENT_DELETE_FAILED = _CINDER.error(
    "client.attachment-delete-failed", "Delete attachment failed for attachment {}. Error: {} Code: {}: {!s}"
)
ATTACHMENT_COMPLETE_FAILED = _CINDER.error(
    "client.attachment-complete-failed", "Complete attachment failed for attachment {}. Error: {} Code: {}: {!s}"
)
ATTACHMENT_GONE = _CINDER.warning("client.attachment-gone", "Attachment {} does not exist. Ignoring.: {!s}")

# --- glance --------------------------------------------------------------------------------------------------------

GLANCE_UNREACHABLE = _GLANCE.error(
    "client.glance-unreachable", "Error contacting glance server '{}' for '{}', {}.: {!s}"
)
