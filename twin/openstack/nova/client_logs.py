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
PORT_IP_IN_USE = _NEUTRON_VM.warning("client.port-ip-in-use", "Neutron error: Fixed IP {} is already in use.: {!s}")
PORT_CLEANUP_FAILED = _NEUTRON_VM.error(
    "client.port-cleanup-failed", "Failed to delete port {} while cleaning up after an error.: {!s}"
)
PORT_UNBIND_GONE = _NEUTRON.debug("client.port-unbind-gone", "Unable to unbind port {} as it no longer exists.")
PORT_UNBIND_FAILED = _NEUTRON.error("client.port-unbind-failed", "Unable to clear device ID for port '{}': {!s}")
PORT_BINDING_FAILED = _NEUTRON_VM.error("client.port-binding-failed", "Binding failed for port {} and host {}.: {!s}")
PORT_BINDING_UPDATE = _NEUTRON_VM.info("client.port-binding-update", "Updating port {} with attributes {}")
PORT_BINDING_UPDATE_FAILED = _NEUTRON_VM.error(
    "client.port-binding-update-failed", "Unable to update binding details for port {}: {!s}"
)
PORT_BINDING_ACTIVATED = _NEUTRON.debug("client.port-binding-activated", "Activated binding for port {} and host {}")
PORT_BINDING_DELETE_FAILED = _NEUTRON.error(
    "client.port-binding-delete-failed", "Failed to delete binding for port {} on host {}: {!s}"
)
PORT_NOT_THERE = _NEUTRON_VM.warning("client.port-not-there", "Port {} does not exist: {!s}")
PORT_DELETE_FAILED = _NEUTRON_VM.warning("client.port-delete-failed", "Failed to delete port {} for instance.: {!s}")
DEALLOCATING_PORTS = _NEUTRON_VM.debug("client.deallocating-ports", "deallocate_for_instance()")
BUILDING_CACHE = _NEUTRON_VM.debug("client.building-cache", "Building network info cache for instance")
REFRESHING_CACHE = _NEUTRON_VM.debug("client.refreshing-cache", "Forcefully refreshing network info cache for instance")
REFRESHING_CACHE_OF_PORT = _NEUTRON_VM.debug(
    "client.refreshing-cache-of-port", "Refreshing network info cache for port {}"
)
UPDATING_CACHE = _NEUTRON_VM.debug("client.updating-cache", "Updating instance_info_cache with network_info: {}")
CACHE_OF_DELETED = _NEUTRON_VM.debug("client.cache-of-deleted", "Instance is deleted, no further info cache update")
CACHE_FAILED = _NEUTRON_VM.info(
    "client.cache-failed",
    "Failed storing info cache due to: {}. The instance may have moved to another cell during a cross-cell migration",
)
CACHE_STORE_FAILED = _NEUTRON_VM.error("client.cache-store-failed", "Failed storing info cache: {!s}")
CACHE_LOST_PORT = _NEUTRON_VM.info(
    "client.cache-lost-port",
    "Port {} from network info_cache is no longer associated with instance in Neutron. Removing from network "
    "info_cache.",
)
NEUTRON_TOKEN_INVALID = _NEUTRON.error(
    "client.neutron-token-invalid",
    "Neutron client was not able to generate a valid admin token, please verify Neutron admin credential "
    "located in nova.conf: {!s}",
)
FLOATING_IP_FAILED = _NEUTRON.error("client.floating-ip-failed", "Unable to access floating IP for {}: {!s}")
FLOATING_IP_MOVED = _NEUTRON_VM.info("client.floating-ip-moved", "re-assign floating IP {} from instance {}")

# --- cinder --------------------------------------------------------------------------------------------------------

ATTACHMENT_CREATE_FAILED = _CINDER.error(
    "client.attachment-create-failed", "Create attachment failed for volume {}. Error: {} Code: {}: {!s}"
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
CONNECTION_FAILED = _CINDER.error(
    "client.connection-failed",
    "Initialize connection failed for volume {} on host {}. Error: {} Code: {}. Attempting to terminate "
    "connection.: {!s}",
)

# --- glance --------------------------------------------------------------------------------------------------------

GLANCE_UNREACHABLE = _GLANCE.error(
    "client.glance-unreachable", "Error contacting glance server '{}' for '{}', {}.: {!s}"
)
IMAGE_DOWNLOAD_FAILED = _GLANCE.error("client.image-download-failed", "Download image error: {!s}")
IMAGE_WRITE_FAILED = _GLANCE.error("client.image-write-failed", "Error writing to {}: {}: {!s}")
