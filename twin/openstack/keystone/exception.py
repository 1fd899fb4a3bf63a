"""The errors of keystone's own code (keystone/exception.py)."""

from __future__ import annotations

from twin.openstack.oslo.exceptions import CloudError


class ValidationError(CloudError):
    """A token that cannot be read."""

    module = "keystone.exception"
    code = 400


class TokenNotFound(CloudError):
    """A token that is not valid, or not any more."""

    module = "keystone.exception"
    code = 404


class Unauthorized(CloudError):
    """A request without a valid token of its own."""

    module = "keystone.exception"
    text = "The request you have made requires authentication."
    code = 401
