"""The log statements of keystone.

Source: keystone 22.0 (Zed) and a recorded control plane.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_REQUEST = Logger("keystone.server.flask.request_processing.req_logging")
_APPLICATION = Logger("keystone.server.flask.application")
_AUTH_CONTEXT = Logger("keystone.server.flask.request_processing.middleware.auth_context")
_RBAC = Logger("keystone.common.rbac_enforcer.enforcer")
_HASHING = Logger("keystone.common.password_hashing")

# --- requests ------------------------------------------------------------------------------------------------------

# All with the same fields: method, prefix, path.
KEYSTONE_METHOD = _REQUEST.debug("keystone.keystone-method", "REQUEST_METHOD: `{0}`")
KEYSTONE_SCRIPT = _REQUEST.debug("keystone.keystone-script", "SCRIPT_NAME: `{1}`")
KEYSTONE_PATH = _REQUEST.debug("keystone.keystone-path", "PATH_INFO: `{2}`")
KEYSTONE_FAILED = _APPLICATION.error("keystone.failed", "{}")
KEYSTONE_ERROR = _APPLICATION.error("keystone.keystone-error", "{}: {!s}")
AUTHORIZATION_FAILED = _APPLICATION.warning("keystone.authorization-failed", "Authorization failed. {} from {}")
TOKEN_NOT_ACCEPTED = _AUTH_CONTEXT.warning("keystone.token-not-accepted", "{}: {!s}")
POLICY_DEPRECATED = _RBAC.warning(
    "keystone.policy-deprecated",
    "Deprecated policy rules found. Use oslopolicy-policy-generator and oslopolicy-policy-upgrade to detect "
    "and resolve deprecated policies in your configuration.",
)

# --- passwords and tokens ------------------------------------------------------------------------------------------

# At every login with a password, however short: the default `max_password_length` exceeds what bcrypt, the default
# hash, takes (keystone.common.password_hashing, verify_length_and_trunc_password). Nobody is known yet.
KEYSTONE_PASSWORD = _HASHING.warning(
    "keystone.password", "Truncating password to algorithm specific maximum length 72 characters."
)
