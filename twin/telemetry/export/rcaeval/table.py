"""A case's tables: CSV with a time and columns, in the order that was asked for."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


class Order:
    """The order of columns: as they are, or shuffled. Many methods break ties by it."""

    def __init__(self, seed: int | None) -> None:
        self._draw = None if seed is None else random.Random(seed)

    def __call__(self, names: Sequence[str]) -> list[int]:
        """The positions of the columns in their order; every table gets another."""
        places = list(range(len(names)))
        if self._draw is not None:
            places.sort(key=names.__getitem__)
            self._draw.shuffle(places)
        return places


def write_table(
    path: Path, names: Sequence[str], places: Sequence[int], rows: Iterable[tuple[float, Sequence[float]]]
) -> None:
    """Write `time` and the columns at these places; NaN is empty."""
    with new(path) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("time", *(names[i] for i in places)))
        table.writerows((exact(time), *(number(row[i]) for i in places)) for time, row in rows)


def exact(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return repr(value).removesuffix(".0")


def number(value: float) -> str:
    """A number to nine digits, empty for NaN.

    What stands still shall not move by the last bits of its computation: deviations are measured against those.
    """
    return exact(float(f"{value:.9g}")) if value == value else ""


def new(path: Path) -> Any:
    """A file to be written."""
    return path.open("w", encoding="utf-8", newline="")
