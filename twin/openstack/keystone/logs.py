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
_AUTH = Logger("keystone.auth.core")
_PLUGINS = Logger("keystone.auth.plugins.core")
_TOKEN = Logger("keystone.token.provider")
_FERNET = Logger("keystone.common.fernet_utils")
_NOTIFICATIONS = Logger("keystone.notifications")

# --- requests ------------------------------------------------------------------------------------------------------

# All with the same fields: method, prefix, path.
KEYSTONE_METHOD = _REQUEST.debug("keystone.keystone-method", "REQUEST_METHOD: `{0}`")
KEYSTONE_SCRIPT = _REQUEST.debug("keystone.keystone-script", "SCRIPT_NAME: `{1}`")
KEYSTONE_PATH = _REQUEST.debug("keystone.keystone-path", "PATH_INFO: `{2}`")
KEYSTONE_FAILED = _APPLICATION.error("keystone.failed", "{}")
KEYSTONE_ERROR = _APPLICATION.error("keystone.keystone-error", "{}: {!s}")
AUTHORIZATION_FAILED = _APPLICATION.warning("keystone.authorization-failed", "Authorization failed. {} from {}")
TOKEN_NOT_ACCEPTED = _AUTH_CONTEXT.warning("keystone.token-not-accepted", "{}: {!s}")
AUTH_CONTEXT = _AUTH_CONTEXT.debug("keystone.auth-context", "RBAC: auth_context: {}")
POLICY_DEPRECATED = _RBAC.warning(
    "keystone.policy-deprecated",
    "Deprecated policy rules found. Use oslopolicy-policy-generator and oslopolicy-policy-upgrade to detect "
    "and resolve deprecated policies in your configuration.",
)
RBAC_AUTHORIZING = _RBAC.debug("keystone.rbac-authorizing", "RBAC: Authorizing `{}({})`")
RBAC_GRANTED = _RBAC.debug("keystone.rbac-granted", "RBAC: Authorization granted")
RBAC_UNKNOWN_TARGET = _RBAC.warning(
    "keystone.rbac-unknown-target",
    "RBAC: Unknown target type or target reference. Rejecting as unauthorized. (member_target_type={!r}, "
    "member_target={!r})",
)

# --- passwords and tokens ------------------------------------------------------------------------------------------

# At every login with a password, however short: the default `max_password_length` exceeds what bcrypt, the default
# hash, takes (keystone.common.password_hashing, verify_length_and_trunc_password). Nobody is known yet.
KEYSTONE_PASSWORD = _HASHING.warning(
    "keystone.password", "Truncating password to algorithm specific maximum length 72 characters."
)
PROJECT_NOT_FOUND = _AUTH.warning("keystone.project-not-found", "Could not find project: {}.: {!s}")
MFA_UNUSED = _AUTH.debug(
    "keystone.mfa-unused", "MFA Rules not processed for user `{}`. Rule list: `{}` (Enabled: `{}`)."
)
USER_NOT_FOUND = _PLUGINS.warning("keystone.user-not-found", "Could not find user: {}.: {!s}")
TOKEN_INVALID = _TOKEN.debug("keystone.token-invalid", "Unable to validate token: {}")
TOKEN_MALFORMED = _TOKEN.error(
    "keystone.token-malformed", "Unexpected error or malformed token determining token expiry: {}: {!s}"
)
KEYS_MISSING = _FERNET.error(
    "keystone.keys-missing",
    "Either [{}] key_repository does not exist or Keystone does not have sufficient permission to access it: {}",
)
KEYS_LOADED = _FERNET.debug(
    "keystone.keys-loaded",
    "Loaded {} Fernet keys from {}, but `[fernet_tokens] max_active_keys = {}`; perhaps there have not been "
    "enough key rotations to reach `max_active_keys` yet?",
)
KEY_TEMPORARY = _FERNET.info("keystone.key-temporary", "Created a new temporary key: {}")
KEY_VALID = _FERNET.info("keystone.key-valid", "Become a valid new key: {}")

# --- notifications -------------------------------------------------------------------------------------------------

NOTIFYING = _NOTIFICATIONS.debug("keystone.notifying", "Invoking callback {} for event {} {} {} for {}")
NOTIFICATION_FAILED = _NOTIFICATIONS.error("keystone.notification-failed", "Failed to send {} {} notification: {!s}")
TOKENS_INVALIDATED = _NOTIFICATIONS.debug("keystone.tokens-invalidated", "Invalidating token cache because {}.")
