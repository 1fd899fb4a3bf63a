"""What glance's client library does for nova and cinder: it checks what it downloads."""

from __future__ import annotations

from typing import Any

from twin.openstack.oslo.exceptions import CloudError


class ImageData(float):
    """An image's data as they came over the wire: their size in bytes, and the hash that they have."""

    hash: str

    def __new__(cls, size: float, hash: str) -> ImageData:
        data = super().__new__(cls, size)
        data.hash = hash
        return data


class CorruptImage(CloudError):  # noqa: N818 - it stands for Python's OSError
    """OSError with errno 32, as glanceclient's `integrity_iter` raises it at the end of a download."""

    errno = 32
    text = "[Errno 32] Corrupt image download. Hash was {got} expected {expected}"

    @property
    def kind(self) -> str:
        return "OSError"


def verify(image: dict[str, Any], data: ImageData) -> None:
    """Compare downloaded data with the hash that the image's properties give. Raises CorruptImage."""
    if data.hash != image["os_hash_value"]:
        raise CorruptImage(got=data.hash, expected=image["os_hash_value"])
