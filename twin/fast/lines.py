"""Log lines of the arrays: how many follow from what happens, statement by statement, as the SimPy twin writes them.

The arrays write no text. What they know is events: a second in which a program runs, a request answered, a process that
dies. How many lines of which statement an event brings was measured in the SimPy twin and is kept in `lines.json`, with
where it comes from. Chance is in the events; what is left of a line is drawn, so that counts are whole numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from twin.fast import draws
from twin.telemetry.records import LEVELS

FILE: Final = Path(__file__).parent / "lines.json"
LINES: Final = 1
"""Tells the draws of log lines from others of a tick."""
LEVEL: Final = {level.value: i for i, level in enumerate(LEVELS)}


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that logs, and how many lines of it each event brings."""

    kind: str
    """Of the component that logs it."""
    template: str
    """Its id."""
    level: str
    lines: Mapping[str, float]
    """By event."""


@dataclass(frozen=True)
class Lines:
    """All statements that were seen, and where they were."""

    measured: Mapping[str, Any]
    statements: tuple[Statement, ...]

    def by_level(self, kind: str, events: Sequence[str]) -> NDArray[np.float32]:
        """[events, L] lines of a kind that each event brings, by level."""
        found = np.zeros((len(events), len(LEVELS)), np.float32)
        for statement in self.statements:
            if statement.kind == kind:
                for event, lines in statement.lines.items():
                    found[events.index(event), LEVEL[statement.level]] += lines
        return found

    def write(self, file: Path = FILE) -> None:
        """Keep them."""
        kinds: dict[str, dict[str, Any]] = {}
        for one in self.statements:
            kinds.setdefault(one.kind, {})[one.template] = {"level": one.level, "lines": dict(one.lines)}
        file.write_text(json.dumps({"measured": self.measured, "statements": kinds}, indent=1) + "\n")


@cache
def known(file: Path = FILE) -> Lines:
    """What was measured last."""
    found = json.loads(file.read_text())
    return Lines(
        found["measured"],
        tuple(
            Statement(kind, template, one["level"], one["lines"])
            for kind, statements in found["statements"].items()
            for template, one in statements.items()
        ),
    )


def fitted(
    kind: str,
    events: Sequence[str],
    happened: NDArray[np.floating],
    logged: Iterable[Mapping[tuple[str, str], int]],
) -> list[Statement]:
    """Lines for each event from n stretches of time, in which `happened` [n, events] and by (template, level) `logged`
    came about: the best non-negative fit of each statement."""
    from scipy.optimize import nnls

    counts = list(logged)
    statements = []
    for template, level in sorted({key for each in counts for key in each}):
        lines, _ = nnls(happened, np.array([each.get((template, level), 0) for each in counts], np.float64))
        found = {event: round(float(n), 4) for event, n in zip(events, lines, strict=True) if n >= LEAST}
        statements.append(Statement(kind, template, level, found))
    return statements


LEAST: Final = 1e-3
"""Lines of an event that are as good as none: what the fit makes of coincidences."""


def drawn(expected: Mapping[str, Array], luck: tuple[Array, Array] | None) -> dict[str, Array]:
    """[R, L] of each kind as whole numbers whose means are as expected; as expected without `luck`: the seed of a lane
    and its tick."""
    if luck is None:
        return dict(expected)
    shapes = {kind: lines.shape for kind, lines in expected.items()}
    seed, tick = luck
    uniform = draws.uniform(seed, tick, LINES, sum(rows for rows, _ in shapes.values()))[:, None]
    found, begin = {}, 0
    for kind, lines in expected.items():
        found[kind] = jnp.floor(lines + uniform[begin : begin + shapes[kind][0]])
        begin += shapes[kind][0]
    return found
