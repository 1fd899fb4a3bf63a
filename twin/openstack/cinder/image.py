"""Cinder's client of glance, and what it does with an image on its way to a volume."""

from __future__ import annotations

from twin.openstack.cinder import exception, logs
from twin.openstack.glance.client import verify
from twin.openstack.infrastructure.errors import ProcessExecutionError
from twin.openstack.infrastructure.volumes import VolumeBackend
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps


class GlanceImageService(Flow):
    """cinder.image.glance: glance's answers with cinder's exceptions."""

    source = "cinder.image.glance"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.clients = service.clients

    def show(self, context: Context, image_id: str) -> Steps:
        """An image's properties. Raises ImageNotFound, GlanceConnectionFailed."""
        try:
            image = yield from self.clients.request(
                context, "glance-api", "images.show", "GET", f"/v2/images/{image_id}", image_id=image_id
            )
        except HttpError as error:
            raise self._translate_image_exception(context, image_id, error) from None
        return image

    def download(self, context: Context, image_id: str) -> Steps:
        """Fetch an image's data; its size in bytes. Raises OSError's stand-in where its checksum is wrong."""
        image = yield from self.show(context, image_id)
        try:
            data = yield from self.clients.request(
                context, "glance-api", "images.data", "GET", f"/v2/images/{image_id}/file", image_id=image_id
            )
        except HttpError as error:
            raise self._translate_image_exception(context, image_id, error) from None
        if data is None:
            raise exception.ImageDownloadFailed(image_href=image_id, reason="image contains no data.")
        verify(image, data)
        return float(data)

    def _translate_image_exception(self, context: Context, image_id: str, error: HttpError) -> Exception:
        if error.status in (403, 404):
            return exception.ImageNotFound(image_id=image_id)
        if error.status in (502, 503, 504):
            self.exception(logs.GLANCE_UNREACHABLE, context, error, "http://controller-0:9292", "get")
            return exception.GlanceConnectionFailed(reason=str(error))
        return error


class ImageUtils(Flow):
    """cinder.image.image_utils: download, check, convert."""

    source = "cinder.image.image_utils"

    def __init__(self, service: Service, backend: VolumeBackend) -> None:
        super().__init__(service)
        self._backend = backend
        self.image_service = GlanceImageService(service)

    def fetch_to_raw(self, context: Context, image_id: str, dest: str, size: int) -> Steps:
        """Download an image and write it raw to a volume of `size` gigabytes. Raises ImageUnacceptable."""
        began = self.world.now
        downloaded = yield from self.fetch(context, image_id)
        megabytes = downloaded / 2**20
        self.say(logs.IMAGE_FETCHED, context, megabytes, megabytes / max(1e-3, self.world.now - began))
        self.check_virtual_size(downloaded, size, image_id)
        began = self.world.now
        yield from self.convert_image(context, dest, downloaded)
        self.say(logs.IMAGE_CONVERTED, context, megabytes, megabytes / max(1e-3, self.world.now - began))

    def fetch(self, context: Context, image_id: str) -> Steps:
        """Download an image to `image_conversion_dir`."""
        data = yield from self.image_service.download(context, image_id)
        return data

    def convert_image(self, context: Context, dest: str, size: float) -> Steps:
        """`qemu-img convert` to the volume's device. Raises ProcessExecutionError."""
        yield from self._backend.write(context, dest, size)

    def copy_volume(self, context: Context, source: str, dest: str) -> Steps:
        """``dd`` from one logical volume to another (cinder.volume.volume_utils)."""
        began = self.world.now
        stored = self._backend.stored.get(source)
        if stored is None:
            command = f"dd if=/dev/{self._backend.group}/_snapshot-{source}"
            raise ProcessExecutionError(command, 1, f"dd: failed to open '{source}': No such file or directory\n")
        yield from self._backend.write(context, dest, stored.used)
        megabytes = stored.size / 2**20
        self.say(logs.VOLUME_COPIED, context, megabytes, megabytes / max(1e-3, self.world.now - began))

    def check_virtual_size(self, virtual_size: float, volume_size: int, image_id: str) -> int:
        """The image's size in whole gigabytes. Raises ImageUnacceptable where the volume is smaller."""
        needed = -int(-virtual_size // 2**30)
        if needed > volume_size:
            reason = f"Image virtual size is {needed}GB and doesn't fit in a volume of size {volume_size}GB."
            raise exception.ImageUnacceptable(image_id=image_id, reason=reason)
        return needed
