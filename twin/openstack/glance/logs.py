"""The log statements of glance-api.

Source: glance 25.1 (Zed) and a recorded control plane.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_ACCESS = Logger("eventlet.wsgi.server")
_WSGI = Logger("glance.common.wsgi")
_VERSION = Logger("glance.api.middleware.version_negotiation")
_CONTEXT = Logger("glance.api.middleware.context")
_IMAGES = Logger("glance.api.v2.images")
_DATA = Logger("glance.api.v2.image_data")
_LOCATION = Logger("glance.location")
_COMMON = Logger("glance.api.common")
_QUOTA = Logger("glance.quota")
_STORE = Logger("glance_store.driver")
_FILESYSTEM = Logger("glance_store._drivers.filesystem")

# --- requests ------------------------------------------------------------------------------------------------------

GLANCE_ACCESS = _ACCESS.info("glance.access", '{} - - [{}] "{} {} HTTP/1.1" {} {} {:.6f}')
GLANCE_FAILED = _WSGI.error("glance.failed", "Caught error: {}: {!s}")
GLANCE_STARTING = _WSGI.info("glance.glance-starting", "Starting {} workers")
GLANCE_WORKER_STARTED = _WSGI.info("glance.glance-worker-started", "Started child {}")
GLANCE_WORKER_DEAD = _WSGI.info("glance.glance-worker-dead", "Removed dead child {}")
VERSION_DETERMINING = _VERSION.debug("glance.version-determining", "Determining version of request: {} {} Accept: {}")
VERSION_MATCHED = _VERSION.debug("glance.version-matched", "Matched version: v{}")
REQUEST_ID_MISSING = _CONTEXT.warning("glance.request-id-missing", "Unable to retrieve request id from context")

# --- images --------------------------------------------------------------------------------------------------------

IMAGE_NOT_FOUND = _IMAGES.warning("glance.image-not-found", "Failed to find image {} to delete: {!s}")
IMAGE_IN_USE = _IMAGES.warning("glance.image-in-use", "Image {} could not be deleted because it is in use: {}: {!s}")
IMAGE_UPDATE_FAILED = _IMAGES.error("glance.image-update-failed", "{}: {!s}")
UPLOAD_STORAGE_FULL = _DATA.error("glance.upload-storage-full", "Image storage media is full: {}: {!s}")
UPLOAD_FAILED = _DATA.error("glance.upload-failed", "Failed to upload image data due to internal error: {!s}")
UPLOAD_HTTP_FAILED = _DATA.error("glance.upload-http-failed", "Failed to upload image data due to HTTP error: {!s}")
UPLOAD_CONFLICT = _DATA.warning(
    "glance.upload-conflict",
    "Image {} could not be found after upload. The image may have been deleted during the upload, cleaning up "
    "the chunks uploaded.: {!s}",
)
LOCATION_FAILED = _LOCATION.warning("glance.location-failed", "Get image {} data failed: {}.: {!s}")
LOCATIONS_FAILED = _LOCATION.error(
    "glance.locations-failed", "Glance tried all active locations to get data for image {} but all have failed."
)
IMAGE_FORMAT_MATCHED = _LOCATION.info(
    "glance.image-format-matched", "Image format matched and virtual size computed: {}"
)
IMAGE_TRUNCATED = _COMMON.error(
    "glance.image-truncated", "An error occurred reading from backend storage for image {}: {}: {!s}"
)
IMAGE_TOO_SHORT = _COMMON.error(
    "glance.image-too-short", "Backend storage for image {} disconnected after writing only {} bytes"
)
QUOTA_CLEANUP = _QUOTA.info("glance.quota-cleanup", "Cleaning up {} after exceeding the quota.")
STORE_CAPABILITY = _STORE.warning(
    "glance.store-capability", "Failed to configure store correctly: {} Disabling add method."
)
STORE_CHECKSUM = _FILESYSTEM.debug("glance.store-checksum", "Wrote {} bytes to {} with checksum {} and multihash {}")
STORE_DELETING = _FILESYSTEM.debug("glance.store-deleting", "Deleting image at {}")
STORE_FOUND = _FILESYSTEM.debug("glance.store-found", "Found image at {}. Returning in ChunkedFile.")
