"""Scores and findings as tables: on the terminal, and as a page of HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

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
    """A mean and its interval."""
    return "-" if found is None else f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def scores_table(title: str, found: Sequence[Score]) -> Table:
    """Groups one after the other."""
    table = Table(*HEAD, title=title, title_justify="left")
    table.columns[1].no_wrap = True
    for i, score in enumerate(found):
        told = list(cells(score))
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


STYLE = (
    "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{padding:.25em .7em;border-bottom:1px solid #ddd;text-align:left}"
)


def page(
    title: str, about: Mapping[str, str], found: Mapping[str, Sequence[Score]], tested: Sequence[Finding] = ()
) -> str:
    """A page with findings, if any, and the scores under their headings; everything in it is escaped."""
    facts = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in about.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1><table>{facts}</table>{''.join(map(_finding, tested))}"
        f"<p>Means over cases with 95 % intervals; chance is AC@1 of a random order of the same candidates, lift the"
        f" score minus chance.</p>{''.join(_scores(heading, lines) for heading, lines in found.items())}</html>\n"
    )


def _finding(finding: Finding) -> str:
    lines = ((claim.text, claim.verdict, _figure(claim), _note(claim)) for claim in finding.claims)
    return f"<h2>{escape(finding.title)}: {finding.verdict}</h2>{_table(('claim', 'verdict', 'figure', 'note'), lines)}"


def _scores(heading: str, found: Sequence[Score]) -> str:
    return f"<h2>{escape(heading)}</h2>{_table(HEAD, map(cells, found))}"


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    def row(cells: Iterable[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>\n"

    return f"<table>{row(head, 'th')}{''.join(row(line, 'td') for line in lines)}</table>"
