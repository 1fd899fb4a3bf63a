"""The metrics of one component as CSV: a row a scrape, a column a series."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.telemetry.exposition import number


class Table:
    """Turns scrapes of all series into the rows of one component, whose series begin at `offset`.

    `columns` are its series as (name to print, factor), None where the dialect has no such series.
    """

    def __init__(self, columns: Sequence[tuple[str, float] | None], offset: int) -> None:
        shown = [(i, *column) for i, column in enumerate(columns) if column is not None]
        self.names = tuple(name for _, name, _ in shown)
        self._positions = np.array([offset + i for i, _, _ in shown], np.intp)
        self._factors = np.array([factor for _, _, factor in shown])
        self._last: list[float] = [np.nan] * len(shown)
        self._texts = [""] * len(shown)

    def head(self) -> str:
        """The first line."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(("time", *self.names))
        return text.getvalue()

    def rows(self, times: Sequence[float], series: Sequence[NDArray[np.float64]]) -> str:
        """The lines of scrapes given as [series] each; NaN is empty."""
        lines = []
        for time, values in zip(times, series, strict=True):
            row = (values[self._positions] * self._factors).tolist()
            # Most series stand still between two scrapes: their text is kept.
            texts = self._texts = [
                text if value == last else _number(value)
                for value, last, text in zip(row, self._last, self._texts, strict=True)
            ]
            self._last = row
            lines.append(f"{_number(time)},{','.join(texts)}\n")
        return "".join(lines)


def _number(value: float) -> str:
    """`number`; empty for NaN."""
    return "" if value != value else number(value)
