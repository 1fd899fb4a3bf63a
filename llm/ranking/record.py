"""A case's log lines, read: each shape once, and what was heard of each template counted in columns.

Lines of one shape (`shapes.py`) are told apart by times, ids and numbers only, so what the first of them says, all do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm.evidence import Counts, Heard, Said, bins_of, dispersion, said
from llm.ranking.case import Line
from llm.ranking.shapes import shapes
from twin.telemetry.records import LogLine

TOGETHER = 1000
"""Lines whose shapes are looked for together."""


@dataclass(frozen=True, eq=False)
class Record:
    """The N lines of a case, those of stack traces among them."""

    lines: Sequence[Line]
    time: NDArray[np.float64]
    """[N] Unix seconds."""
    kind: NDArray[np.intp]
    """[N] which service says which shape: an index of `like` and `key`."""
    like: Sequence[Said | None]
    """[K] the first line of the shape; None for one of a stack trace."""
    key: NDArray[np.intp]
    """[K] who says what: an index of `keys`, -1 for lines of stack traces."""
    keys: Sequence[tuple[str, str]]
    """The (service, template)s."""

    def heard(self, start: float, end: float, failing: bool = False) -> Counts:
        """What `llm.evidence.heard` finds in (start, end], of all lines or of those that tell of failures."""
        wanted = [one is not None and one.failing >= failing for one in self.like]
        at = np.flatnonzero((start < self.time) & (self.time <= end) & np.array(wanted, np.bool_)[self.kind])
        key, size, bins = self.key[self.kind[at]], len(self.keys), bins_of(start, end)
        first, last = np.full(size, len(self.lines)), np.full(size, -1)
        np.minimum.at(first, key, at)
        np.maximum.at(last, key, at)
        binned = ((self.time[at] - start) / (end - start) * bins).astype(np.intp)
        cell, times = np.unique(key + size * binned, return_counts=True)
        squares = np.bincount(cell % size, weights=times**2, minlength=size).tolist() if size else []
        count = np.bincount(key, minlength=size).tolist()
        return {
            self.keys[i]: Heard(
                count[i], dispersion(count[i], squares[i], bins), self._said(first[i]), self._said(last[i])
            )
            for i in np.argsort(first).tolist()
            if count[i]
        }

    def _said(self, i: int) -> Said:
        line, like = self.lines[i], self.like[self.kind[i]]
        assert like is not None  # of a stack trace, nothing is heard
        return Said(line.time, line.service, like.level, like.template, line.text, like.failing)


def read_record(lines: Sequence[Line]) -> Record:
    """Read the lines of a case, which are in the order of time."""
    numbers: dict[tuple[str, bytes], int] = {}
    time, kind = np.empty(len(lines)), np.empty(len(lines), np.intp)
    for i in range(0, len(lines), TOGETHER):
        some = slice(i, i + TOGETHER)
        time[some], services, texts = zip(*lines[some], strict=True)
        kind[some] = [numbers.setdefault(one, len(numbers)) for one in zip(services, shapes(texts), strict=True)]
    new = np.diff(np.maximum.accumulate(kind), prepend=-1)  # they are numbered in the order of their first lines
    read: dict[bytes, Said | None] = {}
    keys: dict[tuple[str, str], int] = {}
    like, key = [], []
    for (service, shape), first in zip(numbers, np.flatnonzero(new).tolist(), strict=True):
        if shape not in read:
            read[shape] = _read(lines[first])
        one = read[shape]
        like.append(one)
        key.append(keys.setdefault((service, one.template), len(keys)) if one is not None else -1)
    return Record(lines, time, kind, like, np.array(key, np.intp), tuple(keys))


def _read(line: Line) -> Said | None:
    """The line as `llm.evidence` reads it; None for one of a stack trace."""
    return next(iter(said([LogLine(line.time, line.service, "", line.text)])), None)
