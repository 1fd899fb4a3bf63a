"""What was read of a file, and what could not be read: counts, shapes, and a few masked samples."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from llm.templates import mask

SHAPES = 200
"""Different shapes of unread lines that are told apart; further ones count as `ELSE`."""
ELSE = "…"
SAMPLES = 3
"""Unread lines that are shown of a file, one a shape."""
SHOWN = 120
"""Characters of a sample."""

_WORD, _NUMBER, _SPACE = re.compile(r"[^\W\d_]{1,80}"), re.compile(r"\d{1,80}"), re.compile(r"\s+")


@dataclass
class FileReport:
    """One file of logs. Lines are `blank`, have a header (`headed`), belong to the record before (`continued`) or are
    `unknown`."""

    path: str
    component: str = ""
    lines: int = 0
    blank: int = 0
    headed: int = 0
    continued: int = 0
    unknown: int = 0
    undated: int = 0
    """Lines with a header that carry no time, where none of their file came before."""
    first: float | None = None
    last: float | None = None
    """Earliest and latest time, Unix seconds."""
    local: bool = False
    """Whether its times are printed without a time zone."""
    backwards: int = 0
    """How often a time lies more than a minute before that of an earlier line."""
    dialects: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)

    @property
    def read(self) -> int:
        """Lines that were read: with a header of a known dialect, or part of such a record."""
        return self.headed + self.continued

    @property
    def share(self) -> float:
        """Lines read, of those that are not blank."""
        return self.read / max(1, self.lines - self.blank)

    def miss(self, text: str) -> None:
        """Count a line that is of no known format."""
        self.unknown += 1
        form = shape(text)
        if form not in self.shapes and len(self.shapes) >= SHAPES:
            form = ELSE
        if form not in self.shapes and len(self.samples) < SAMPLES:
            self.samples.append(printable(mask(text).text))
        self.shapes[form] += 1

    def dated(self, time: float) -> None:
        """Count a line's own time."""
        if self.first is None or time < self.first:
            self.first = time
        if self.last is None or time > self.last:
            self.last = time
        elif time < self.last - 60.0:
            self.backwards += 1


def shape(text: str) -> str:
    """How a line begins, with a letter for each word and a digit for each number."""
    return _SPACE.sub(" ", _NUMBER.sub("0", _WORD.sub("a", printable(text[:60]))))


def printable(text: str) -> str:
    """Untrusted text without control characters, at most `SHOWN` long."""
    return "".join(c if c.isprintable() else " " for c in text[:SHOWN])
