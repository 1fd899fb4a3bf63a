"""Nova's client of glance."""

from __future__ import annotations

from twin.openstack.nova.client_logs import GLANCE_UNREACHABLE
from twin.openstack.nova.exception import GlanceConnectionFailed, ImageNotFound, ImageUnacceptable
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps

API_SERVER = "http://controller-0:9292"
METHODS = {"images.show": "get", "schemas.image": "get"}
"""What glanceclient calls some of glance's operations."""


class ImageAPI(Flow):
    """nova.image.glance: asks again `num_retries` times where glance does not answer."""

    source = "nova.image.glance"
    num_retries = 3
    """`[glance] num_retries`."""

    def get(self, context: Context, image_id: str) -> Steps:
        """The image's properties. Raises ImageNotFound, GlanceConnectionFailed, HttpError."""
        image = yield from self.call(context, "images.show", "GET", f"/v2/images/{image_id}", image_id=image_id)
        yield from self.call(context, "schemas.image", "GET", "/v2/schemas/image")
        return image

    def download(self, context: Context, image_id: str) -> Steps:
        """Fetch the image's data; its size in bytes."""
        uri = f"/v2/images/{image_id}/file"
        size = yield from self.call(context, "images.data", "GET", uri, image_id=image_id)
        if size is None:  # a 204: glance knows the image and has not its data
            raise ImageUnacceptable(image_id=image_id, reason="Image has no associated data")
        return size

    def upload(self, context: Context, name: str, size: float) -> Steps:
        """Store a new image."""
        image = yield from self.call(context, "images.create", "POST", "/v2/images", name=name, size=size)
        return image

    def delete(self, context: Context, image_id: str) -> Steps:
        """Remove an image."""
        yield from self.call(context, "images.delete", "DELETE", f"/v2/images/{image_id}", image_id=image_id)

    def call(self, context: Context, operation: str, method: str, uri: str, **arguments: object) -> Steps:
        """Ask glance, again where it does not answer. Raises ImageNotFound, GlanceConnectionFailed, HttpError."""
        num_attempts = 1 + self.num_retries
        for attempt in range(1, num_attempts + 1):
            try:
                body = yield from self.service.clients.request(
                    context, "glance-api", operation, method, uri, **arguments
                )
                return body
            except HttpError as error:
                if error.status == 404:
                    raise ImageNotFound(image_id=arguments.get("image_id", "")) from error
                if error.status not in (502, 503):
                    raise
                extra = "retrying" if attempt < num_attempts else "done trying"
                what = METHODS.get(operation, operation.partition(".")[2])
                self.exception(GLANCE_UNREACHABLE, context, error, API_SERVER, what, extra)
                if attempt == num_attempts:
                    raise GlanceConnectionFailed(server=API_SERVER, reason=error) from error
                yield self.clock.timeout(1.0)
        return None
