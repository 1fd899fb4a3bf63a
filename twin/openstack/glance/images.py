"""glance-api's own code: the images' properties, and their data in the store."""

from __future__ import annotations

from typing import Any

from twin.mechanics import openstack as facts
from twin.openstack.glance import logs
from twin.openstack.glance.client import ImageData
from twin.openstack.glance.tables import Image, ImageTables
from twin.openstack.infrastructure.sharing import ProcessorSharing
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError, HTTPFault
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps


class NotFound(CloudError):  # noqa: N818 - glance_store's name
    """The store has no such file."""

    module = "glance_store.exceptions"
    text = "Image {image} not found"


class StorageWriteDenied(CloudError):  # noqa: N818 - glance_store's name
    """The store cannot be written."""

    module = "glance_store.exceptions"
    text = "Permission to write image storage media denied."


class ImageRepo(Flow):
    """glance.db.ImageRepo."""

    source = "glance.db"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.tables: ImageTables = service.site.images

    def get(self, context: Context, image_id: str) -> Steps:
        """An image. Raises a 404."""
        yield from self.sql(context, facts.API["images.show"].statements)
        image = self.tables.images.get(image_id)
        if image is None:
            raise HTTPFault(404, f"Failed to find image {image_id}")
        return image

    def list(self, context: Context) -> Steps:
        """All images."""
        yield from self.sql(context, facts.API["images.list"].statements)
        return [image for image in self.tables.images.values() if image.status != "deleted"]

    def add(self, context: Context, image: Image) -> Steps:
        """Write a new row."""
        yield from self.sql(context, facts.API["images.create"].statements, write=True)
        self.tables.images[image.id] = image

    def save(self, context: Context, image: Image, status: str) -> Steps:
        """Write the status."""
        yield from self.sql(context, 3, write=True)
        image.status = status

    def remove(self, context: Context, image: Image) -> Steps:
        """Delete the row."""
        yield from self.sql(context, facts.API["images.delete"].statements, write=True)
        self.tables.images.pop(image.id, None)


class Store(Flow):
    """glance_store's filesystem driver: a mount that may be gone, with data that may have rotted."""

    source = "glance_store._drivers.filesystem"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.link = ProcessorSharing(service.clock, facts.IMAGE_BANDWIDTH)
        """Bytes/s that the store reads and the host's network sends, shared by all transfers."""

    def get(self, context: Context, image: Image) -> Steps:
        """Read an image's data. Raises NotFound."""
        if self.service.value("store_refuses"):
            raise NotFound(image=image.id)
        self.link.set_load(0.0, self.service.value("store_rate") / self.service.slow)
        yield from self.link.run(image.size)
        hash = image.os_hash_value
        if self.service.value("image_corrupt"):
            hash = self._hash_of(image, "damaged")
        return ImageData(image.size, hash)

    def add(self, context: Context, image: Image, size: float) -> Steps:
        """Write an image's data; their hash. Raises StorageWriteDenied."""
        if self.service.value("store_refuses"):
            raise StorageWriteDenied()
        self.link.set_load(0.0, self.service.value("store_rate") / self.service.slow)
        yield from self.link.run(size)
        return self._hash_of(image, "uploaded")

    def _hash_of(self, image: Image, state: str) -> str:
        return self.world.streams["glance/hash"].hexadecimal(128, image.id, state)


class ImagesController(Flow):
    """glance.api.v2.images.ImagesController."""

    source = "glance.api.v2.images"

    def __init__(self, service: Service, repo: ImageRepo) -> None:
        super().__init__(service)
        self.repo = repo

    def index(self, context: Context) -> Steps:
        """All images."""
        images = yield from self.repo.list(context)
        return [image.body() for image in images]

    def show(self, context: Context, image_id: str) -> Steps:
        """An image's properties."""
        image = yield from self.repo.get(context, image_id)
        return image.body()

    def create(self, context: Context, name: str, min_disk: int = 0) -> Steps:
        """A new image without data; the row."""
        trace = context.trace
        trace.draws += 1
        identity = self.world.streams["glance/image"].uuid(trace.key, trace.draws)
        image = Image(identity, name, 0.0, context.request.project, min_disk=min_disk)
        yield from self.repo.add(context, image)
        return image

    def delete(self, context: Context, image_id: str) -> Steps:
        """Delete an image."""
        try:
            image = yield from self.repo.get(context, image_id)
        except HTTPFault as error:
            self.say(logs.IMAGE_NOT_FOUND, context, image_id, error)
            raise
        yield from self.repo.remove(context, image)


class ImageDataController(Flow):
    """glance.api.v2.image_data.ImageDataController."""

    source = "glance.api.v2.image_data"

    def __init__(self, service: Service, repo: ImageRepo) -> None:
        super().__init__(service)
        self.repo = repo
        self.store = Store(service)

    def download(self, context: Context, image_id: str) -> Steps:
        """An image's data; nothing (204) where the store does not have them."""
        image = yield from self.repo.get(context, image_id)
        try:
            return (yield from self.store.get(context, image))
        except NotFound as error:
            self.exception(logs.LOCATION_FAILED, context, error, image_id, error)
            self.say(logs.LOCATIONS_FAILED, context, image_id)
            return None

    def upload(self, context: Context, image: Image, size: float) -> Steps:
        """Take an image's data."""
        yield from self.repo.save(context, image, "saving")
        try:
            digest = yield from self.store.add(context, image, size)
        except StorageWriteDenied as error:
            self.exception(logs.UPLOAD_FAILED, context, error)
            yield from self.repo.save(context, image, "queued")
            raise HTTPFault(503, f"Insufficient permissions on image storage media: {error}") from error
        image.size, image.os_hash_value = size, digest
        yield from self.repo.save(context, image, "active")
        return image.body()


def upload_of(images: ImagesController, data: ImageDataController, context: Context, **arguments: Any) -> Steps:
    """What a client does to create an image: the row, then its data."""
    size = arguments.pop("size")
    image = yield from images.create(context, **arguments)
    return (yield from data.upload(context, image, size))
