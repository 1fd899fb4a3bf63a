"""Where what JAX compiles is kept."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from experiments.compiled import FOLDER, keep


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="has folders of its own")
def test_it_is_kept_among_the_users_caches() -> None:
    named, relative = {"XDG_CACHE_HOME": "/caches"}, {"XDG_CACHE_HOME": "caches"}
    keep(named), keep(relative)
    assert named[FOLDER] == "/caches/healtwin/jax"
    assert relative[FOLDER] == str(Path.home() / ".cache" / "healtwin" / "jax")


def test_a_folder_that_the_user_names_stays() -> None:
    environment = {FOLDER: "/elsewhere"}
    keep(environment)
    assert environment[FOLDER] == "/elsewhere"
