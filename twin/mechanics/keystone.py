"""Keystone's and keystonemiddleware's defaults: pure data. Times in seconds."""

from __future__ import annotations

TOKEN_LIFE = 3600.0
"""`[token] expiration`."""
STALE = 30.0
"""`will_expire_soon` of keystoneauth: a service gets itself a new token when its own has this long to live."""
CONNECT_PAUSES = (0.5, 1.0, 2.0)
"""Before keystonemiddleware tries again to connect: `http_request_max_retries` 3, keystoneauth's growing delays."""
HANDSHAKE = 0.003
"""A TLS handshake that fails at the certificate (assumed)."""
TOKENS_KEPT = 4096
"""How many issued tokens are remembered before expired ones are looked for (a fernet token holds all of it itself)."""
