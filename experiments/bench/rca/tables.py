"""Scores and findings as tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.markup import escape as as_it_is
from rich.table import Table

from experiments.bench.rca.findings import Claim, Finding
from experiments.bench.rca.scores import FIGURES, Score
from policies.statistics import Interval

HEAD = ("cases", "method", *FIGURES, "chance", "lift", "failed", "s / case", "slowest")


def cells(score: Score) -> tuple[str, ...]:
    """A line of the table; intervals are of 95 %."""
    return (
        f"{score.group} ({score.cases})",
        score.method,
        *(short(score.figures[figure]) for figure in FIGURES),
        f"{score.chance['AC@1']:.2f}",
        short(score.lift["AC@1"]),
        str(score.failures),
        f"{score.seconds:.3f}",
        f"{score.slowest:.3f}",
    )


def short(found: Interval | None) -> str:
    """A mean and its interval, where there is one."""
    if found is None:
        return "-"
    mean, low, high = (decimal(number) for number in (found.mean, found.low, found.high))
    return f"{mean} [{low}, {high}]" if math.isfinite(found.low) else mean


def decimal(number: float) -> str:
    """Two decimals, and no zero below zero."""
    return f"{round(number, 2) + 0.0:.2f}"


def scores_table(title: str, found: Sequence[Score]) -> Table:
    """Groups one after the other."""
    table = Table(*HEAD, title=title, title_justify="left", box=box.HORIZONTALS, padding=(0, 1, 0, 0))
    for whole in table.columns[1:]:  # only the names of groups are broken where there is no room
        whole.no_wrap = True
    for numbers in table.columns[2:]:
        numbers.justify = "right"
    for i, score in enumerate(found):
        told = list(cells(score))
        if i and found[i - 1].group == score.group and found[i - 1].cases == score.cases:
            told[0] = ""
        for column, figure in ((3, "AC@3"), (4, "AC@5")):  # the page has their intervals
            told[column] = f"{score.figures[figure].mean:.2f}"
        table.add_row(*told, end_section=i + 1 < len(found) and found[i + 1].group != score.group)
    return table


def findings_table(found: Sequence[Finding]) -> Table:
    """Each finding with the claims that it is made of."""
    table = Table("finding", "verdict", "figure", "note", title="findings of arXiv 2603.02057", title_justify="left")
    for finding in found:
        table.add_row(f"[bold]{finding.title}[/bold]", f"[bold]{finding.verdict}[/bold]", "", "")
        for i, claim in enumerate(finding.claims):
            last = i + 1 == len(finding.claims)
            told = (_figure(claim), as_it_is(_note(claim)))
            table.add_row(f"  {as_it_is(claim.text)}", claim.verdict, *told, end_section=last)
    return table


def _figure(claim: Claim) -> str:
    return "" if claim.figure is None else f"{short(claim.figure)} {claim.unit}".strip()


def _note(claim: Claim) -> str:
    return claim.note if claim.counts else f"{claim.note} (for information)".strip()
