"""What mutations do, kept in the user's cache folder, so that nobody waits for the same probe twice.

A probe is filed under what it is a function of: the case, the sources of the twin, and the versions of what draws and
what keeps time. Where nothing can be kept, each process probes for itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from functools import cache
from hashlib import sha256
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

from twin.fast.openstack.flows import FILE
from twin.fast.openstack.probing import Case, Found, Way, probed


@cache
def found(case: Case) -> Found:
    """What the mutation of a case does."""
    try:
        path = path_of(case)
    except RuntimeError:  # who runs this has no home
        return probed(case)
    with suppress(OSError, ValueError, TypeError, KeyError):  # whatever cannot be read is probed anew
        return read(path.read_text(encoding="utf-8"))
    what = probed(case)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_text(text(what), encoding="utf-8")
        beside.replace(path)
    return what


def path_of(case: Case) -> Path:
    """Where the probe of a case is, or will be."""
    about = json.dumps([case.about, case.kind, case.code, _sources()])
    return _folder() / f"{sha256(about.encode()).hexdigest()}.json"


def _folder() -> Path:
    """By the XDG base directory specification."""
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (caches if caches.is_absolute() else Path.home() / ".cache") / "healtwin" / "mutations"


@cache
def _sources() -> str:
    """A hash of the sources that a probe depends on."""
    digest = sha256(repr([version(name) for name in ("numpy", "simpy")]).encode())
    for source in [*sorted(Path(str(resources.files("twin"))).rglob("*.py")), FILE]:
        digest.update(source.read_bytes())
    return digest.hexdigest()


def text(what: Found) -> str:
    """As a file has it: JSON, with mappings as lists of pairs, since their keys are no text."""
    ways = [{field.name: _pairs(getattr(way, field.name)) for field in fields(Way)} for way in what.ways]
    return json.dumps({"ways": ways, "broken": _pairs(what.broken)})


def read(text: str) -> Found:
    """What `text` wrote. Raises ValueError, TypeError or KeyError for another text."""
    kept = json.loads(text)
    ways = [Way(**{name: _mapping(value) for name, value in way.items()}) for way in kept["ways"]]
    return Found(tuple(ways), _mapping(kept["broken"]))


def _pairs(value: Any) -> Any:
    return list(value.items()) if isinstance(value, Mapping) else value


def _mapping(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return {tuple(key) if isinstance(key, list) else key: each for key, each in value}
