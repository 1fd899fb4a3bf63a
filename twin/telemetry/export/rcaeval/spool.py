"""Tables whose columns are known only at their end, kept on disk until then."""

from __future__ import annotations

import math
from array import array
from collections.abc import Hashable, Iterator, Sequence
from tempfile import TemporaryFile
from typing import Generic, TypeVar

import numpy as np

BLOCK = 16_384
"""Time windows that are counted at a time."""
PENDING = 65_536
"""Events that wait to be written to disk."""

Column = TypeVar("Column", bound=Hashable)


class Rows:
    """Rows of numbers with a time, each at least as long as the one before it; NaN where a value is absent."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 (closed with the object)
        self._seen: list[bool] = []

    def add(self, time: float, row: Sequence[float]) -> None:
        """The next row."""
        self._seen += [False] * (len(row) - len(self._seen))
        for i, value in enumerate(row):
            if value == value:
                self._seen[i] = True
        self._file.write(array("d", (len(row), time, *row)).tobytes())

    @property
    def columns(self) -> list[int]:
        """The columns that have a value anywhere."""
        return [i for i, seen in enumerate(self._seen) if seen]

    def __iter__(self) -> Iterator[tuple[float, list[float]]]:
        """(time, row) again, all rows of one length."""
        self._file.seek(0)
        while head := self._file.read(16):
            width, time = array("d", head)
            row = array("d", self._file.read(8 * int(width))).tolist()
            yield time, row + [math.nan] * (len(self._seen) - len(row))


class Counts(Generic[Column]):
    """How many events of each column fell into each window of so many seconds."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._columns: dict[Column, int] = {}
        self._file = TemporaryFile()  # noqa: SIM115 (closed with the object)
        self._pending = array("q")
        self._first = self._last = -1

    def add(self, nanoseconds: int, column: Column) -> None:
        """An event at that Unix time."""
        window = nanoseconds // (self._seconds * 1_000_000_000)
        if self._last < 0:
            self._first = self._last = window
        elif window > self._last:
            self._last = window
        elif window < self._first:
            self._first = window
        self._pending.append(window)
        self._pending.append(self._columns.setdefault(column, len(self._columns)))
        if len(self._pending) >= 2 * PENDING:
            self._write()

    @property
    def columns(self) -> list[Column]:
        """The columns in the order of the counts."""
        return list(self._columns)

    def __iter__(self) -> Iterator[tuple[float, list[int]]]:
        """(Unix time, counts) of every window from the first with an event to the last."""
        self._write()
        width = len(self._columns)
        for start in range(self._first, self._last + 1, BLOCK) if width else ():
            size = min(BLOCK, self._last + 1 - start)
            counts = np.zeros(size * width, np.int64)
            self._file.seek(0)
            while chunk := self._file.read(16 * PENDING):
                window, column = np.frombuffer(chunk, np.int64).reshape(-1, 2).T
                inside = (window >= start) & (window < start + size)
                counts += np.bincount((window[inside] - start) * width + column[inside], minlength=len(counts))
            for i, row in enumerate(counts.reshape(size, width).tolist()):
                yield (start + i) * self._seconds, row

    def _write(self) -> None:
        self._file.seek(0, 2)
        self._file.write(self._pending.tobytes())
        self._pending = array("q")
