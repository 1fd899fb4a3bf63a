"""What JAX compiles is kept between runs: half a minute of a training that would else begin each of them."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

FOLDER = "JAX_COMPILATION_CACHE_DIR"
"""JAX reads it when it is imported, as it does JAX_ENABLE_COMPILATION_CACHE, which is the way to do without."""


def keep(environment: MutableMapping[str, str] = os.environ) -> None:
    """Name JAX a folder among the user's caches, unless another is named. JAX itself is not imported."""
    caches = _caches(environment)
    if caches is not None:
        environment.setdefault(FOLDER, str(caches / "healtwin" / "jax"))


def _caches(environment: MutableMapping[str, str]) -> Path | None:
    """Where the platform has them (XDG Base Directory Specification; Apple, File System Programming Guide); None where
    the user has no home."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    named = environment.get("XDG_CACHE_HOME", "")
    return Path(named) if named.startswith("/") else home / ".cache"
