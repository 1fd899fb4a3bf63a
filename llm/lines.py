"""From log lines to events: which template, how serious, which numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from llm.reading.headers import read
from llm.templates import mask
from twin.telemetry.records import LEVELS, LogLine

_LEVEL = {level.value: i for i, level in enumerate(LEVELS)}
_INFO = _LEVEL["INFO"]


class Event(NamedTuple):
    """What one line says. `message` is the number that the reader's `identify` gave its masked message."""

    message: int
    level: int
    has_header: bool
    numbers: tuple[float, ...]


class LineReader:
    """Reads lines, and remembers those it has read: windows overlap.

    `identify` numbers a masked message: `Templates.match` for a frozen table, a corpus while one is collected.
    At most `remembered` lines are kept.
    """

    def __init__(self, identify: Callable[[str], int], remembered: int = 50_000) -> None:
        self._identify = identify
        self._remembered = remembered
        self._events: dict[tuple[str, str], Event] = {}

    def event(self, line: LogLine) -> Event:
        """Read one line."""
        key = (line.level, line.text)
        event = self._events.get(key)
        if event is None:
            if len(self._events) >= self._remembered:
                self._events.clear()
            event = self._events[key] = self._read(line)
        return event

    def _read(self, line: LogLine) -> Event:
        reading = read(line.text)
        masked = mask(reading.message)
        level = _LEVEL.get(reading.level or line.level, _INFO)
        return Event(self._identify(masked.text), level, bool(reading.dialect), masked.numbers)
