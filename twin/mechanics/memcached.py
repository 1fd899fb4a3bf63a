"""The token cache's limits: pure data (keystonemiddleware's options, memcached's defaults)."""

from __future__ import annotations

DEAD_RETRY = 300.0
"""`memcache_pool_dead_retry`: seconds for which a server that failed is not asked again."""
SOCKET_TIMEOUT = 3.0
"""`memcache_pool_socket_timeout`: seconds that a server gets to answer."""
LIMIT_BYTES = 64 * 2**20
"""memcached's `-m`: 64 MiB."""
ITEM_BYTES = 10_000
"""Bytes of a cached token (assumed: the catalogue makes most of it)."""
MOST_ITEMS = LIMIT_BYTES // ITEM_BYTES
"""Tokens it holds; then the least recently used goes."""
STARTUP = 0.2
"""Seconds from exec to listening (assumed)."""
