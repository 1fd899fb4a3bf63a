"""The free constants of the fast twin: what no mechanics gives, fitted to the SimPy twin on the training suite alone.

They stand in `calibration.json` beside this module, with the suite they were fitted on, its hash, the date and the
versions of the libraries. Every other constant comes from `twin.mechanics`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Final

import jax

FILE: Final = Path(__file__).parent / "calibration.json"


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Free:
    """Of queues that are seen once a tick. Part of an episode, so that a fit need not compile anew."""

    decay: Any
    """[] the waiting time of a prompt decays over `prefill x (second moment) / (decay x (1 - rho))` seconds. 2 is the
    mean of M/G/1; M/D/1 decays with 2.6 within a fifth for rho from 0.2 to 0.9."""
    memory: Any
    """[] seconds over which the rate of a replica's requests is taken."""
    lengths: Any
    """[] weight of a tick's lengths in those of late."""
    crowded: Any
    """[] share of an engine's time that prompts take at most in the estimate of how long one waits."""
    preference: Any
    """[1/requests] how sharply the router prefers the shorter of two queues whose mean lengths are known: they vary."""


@dataclass(frozen=True)
class Calibration:
    """Free constants and where they come from."""

    free: Free
    suite: str
    suite_hash: str
    date: str
    versions: Mapping[str, str]

    def text(self) -> str:
        """As the packaged file has it."""
        found = asdict(self)
        values = found.pop("free")
        return json.dumps({**found, "values": {name: float(value) for name, value in values.items()}}, indent=2) + "\n"


def read(text: str) -> Calibration:
    """A calibration from its file. Raises ValueError for one whose values are not those of `Free`."""
    found = json.loads(text)
    values = found.pop("values")
    wanted = {field.name for field in fields(Free)}
    if set(values) != wanted:
        raise ValueError(f"expected the values {', '.join(sorted(wanted))}, got {', '.join(sorted(values))}")
    return Calibration(Free(**values), **found)


@cache
def packaged() -> Calibration:
    """The one that ships."""
    return read(FILE.read_text(encoding="utf-8"))
