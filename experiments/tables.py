"""Comparisons and figures as Rich tables."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from experiments.bench.rows import Row
from experiments.comparison import COLUMNS, row, verdict_in_words
from experiments.judging import Judged

WIDTH = 140
"""Columns that a table takes where the output is no terminal."""


def wide() -> Console:
    """A console on stdout that does not squeeze tables into 80 columns where nobody's terminal has them."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def print_comparison(judged: Judged, console: Console | None = None, families: bool = True) -> None:
    """The table of an evaluation, family by family unless told otherwise, and a sentence a policy."""
    console = console or wide()
    evaluation = judged.evaluation
    done = f"{evaluation.done} of {evaluation.cases} cases"
    title = f"suite {judged.suite} ({judged.split}): {done}, 95 % intervals over seeds"
    if evaluation.stopped == "clock":
        title += "; stopped on its clock"
    table = Table(*COLUMNS, title=title, title_justify="left")
    shown = [line for line in judged.summaries if families or line.family == "all"]
    for i, line in enumerate(shown):
        following = shown[i + 1] if i + 1 < len(shown) else line
        table.add_row(*row(line), end_section=following.family != line.family)
    console.print(table)
    for difference in judged.differences:
        if difference.family == "all":
            console.print(verdict_in_words(difference), markup=False, highlight=False)


def print_rows(title: str, rows: Iterable[Row]) -> None:
    """Figures beside their bars and anchors."""
    table = Table("figure", "value", "unit", "bar", "anchor", "holds", title=title, title_justify="left")
    for figure in rows:
        holds = "" if figure.holds is None else "yes" if figure.holds else "NO"
        table.add_row(figure.row, _figure(figure.value), figure.unit, figure.bar, figure.anchor, holds)
    wide().print(table)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
