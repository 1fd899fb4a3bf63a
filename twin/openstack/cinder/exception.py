"""The errors of Cinder's own code (cinder/exception.py): names, texts and HTTP codes of the real ones."""

from __future__ import annotations

from typing import Any

from twin.openstack.oslo.exceptions import CloudError


class CinderException(CloudError):
    """Base of cinder's errors. `safe`: its text is shown to the client."""

    module = "cinder.exception"
    text = "An unknown exception occurred."
    safe = False

    @property
    def msg(self) -> str:
        """The message, as cinder's code asks for it."""
        return str(self)


class Invalid(CinderException):
    text = "Unacceptable parameters."
    code = 400


class InvalidInput(Invalid):
    text = "Invalid input received: {reason}"


class InvalidVolume(Invalid):
    text = "Invalid volume: {reason}"


class InvalidSnapshot(Invalid):
    text = "Invalid snapshot: {reason}"


class InvalidVolumeAttachMode(Invalid):
    text = "Invalid attaching mode '{mode}' for volume {volume_id}."


class ImageUnacceptable(Invalid):
    text = "Image {image_id} is unacceptable: {reason}"


class NotFound(CinderException):
    text = "Resource could not be found."
    code = 404
    safe = True


class VolumeNotFound(NotFound):
    text = "Volume {volume_id} could not be found."


class SnapshotNotFound(NotFound):
    text = "Snapshot {snapshot_id} could not be found."


class VolumeAttachmentNotFound(NotFound):
    text = "Volume attachment could not be found with filter: {filter}."


class ServiceNotFound(NotFound):
    text = "Service {service_id} could not be found."


class ImageNotFound(NotFound):
    text = "Image {image_id} could not be found."


class VolumeTypeNotFound(NotFound):
    text = "Volume type {volume_type_id} could not be found."


class NoValidBackend(CinderException):
    text = "No valid backend was found. {reason}"


class DriverNotInitialized(CinderException):
    text = "Volume driver not ready."


class VolumeIsBusy(CinderException):
    text = "deleting volume {volume_name} that has snapshot"


class SnapshotIsBusy(CinderException):
    text = "deleting snapshot {snapshot_name} that has dependent volumes"


class VolumeBackendAPIException(CinderException):
    text = "Bad or unexpected response from the storage volume backend API: {data}"


class ImageCopyFailure(Invalid):
    text = "Failed to copy image to volume: {reason}"


class ImageDownloadFailed(CinderException):
    text = "Failed to download image {image_href}, reason: {reason}"


class GlanceConnectionFailed(CinderException):
    text = "Connection to glance failed: {reason}"


class ImageTooBig(Invalid):
    text = "Image {image_id} size exceeded available disk space: {reason}"


class ExtendVolumeError(CinderException):
    text = "Error extending volume: {reason}"


class QuotaError(CinderException):
    text = "Quota exceeded: code={code}"
    code = 413
    safe = True


class OverQuota(CinderException):
    """A reservation does not fit. `overs`, `quotas`, `usages` say what of which."""

    text = "Quota exceeded for resources: {overs}"

    def __init__(self, overs: list[str], quotas: dict[str, int], usages: dict[str, dict[str, int]]) -> None:
        super().__init__(overs=overs)
        self.kwargs: dict[str, Any] = {"overs": overs, "quotas": quotas, "usages": usages}


class VolumeSizeExceedsAvailableQuota(QuotaError):
    text = (
        "Requested volume or snapshot exceeds allowed {name} quota. "
        "Requested {requested}G, quota is {quota}G and {consumed}G has been consumed."
    )


class VolumeLimitExceeded(QuotaError):
    text = "Maximum number of volumes allowed ({allowed}) exceeded for quota '{name}'."


class SnapshotLimitExceeded(QuotaError):
    text = "Maximum number of snapshots allowed ({allowed}) exceeded"
