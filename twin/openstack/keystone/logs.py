"""The log statements of keystone."""

from __future__ import annotations

from twin.telemetry.lines.oslo import statement
from twin.telemetry.records import Level

WARNING, ERROR = Level.WARNING, Level.ERROR

KEYSTONE_PASSWORD = statement(
    "keystone.password",
    WARNING,
    "keystone.common.password_hashing",
    "Truncating password to algorithm specific maximum length 72 characters.",
)
KEYSTONE_FAILED = statement("keystone.failed", ERROR, "keystone.server.flask.application", "{}")
KEYSTONE_TRACE = statement("keystone.trace", ERROR, "keystone.server.flask.application", "{}")
