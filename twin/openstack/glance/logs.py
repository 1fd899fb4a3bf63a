"""The log statements of glance-api.

Source: glance 25.1 (Zed) and a recorded control plane.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_ACCESS = Logger("eventlet.wsgi.server")
_WSGI = Logger("glance.common.wsgi")
_IMAGES = Logger("glance.api.v2.images")
_DATA = Logger("glance.api.v2.image_data")
_LOCATION = Logger("glance.location")

# --- requests ------------------------------------------------------------------------------------------------------

GLANCE_ACCESS = _ACCESS.info("glance.access", '{} - - [{}] "{} {} HTTP/1.1" {} {} {:.6f}')
GLANCE_FAILED = _WSGI.error("glance.failed", "Caught error: {}: {!s}")
GLANCE_STARTING = _WSGI.info("glance.glance-starting", "Starting {} workers")
GLANCE_WORKER_STARTED = _WSGI.info("glance.glance-worker-started", "Started child {}")

# --- images --------------------------------------------------------------------------------------------------------

IMAGE_NOT_FOUND = _IMAGES.warning("glance.image-not-found", "Failed to find image {} to delete: {!s}")
UPLOAD_FAILED = _DATA.error("glance.upload-failed", "Failed to upload image data due to internal error: {!s}")
LOCATION_FAILED = _LOCATION.warning("glance.location-failed", "Get image {} data failed: {}.: {!s}")
LOCATIONS_FAILED = _LOCATION.error(
    "glance.locations-failed", "Glance tried all active locations to get data for image {} but all have failed."
)
