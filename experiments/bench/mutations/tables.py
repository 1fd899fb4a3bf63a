"""A campaign as Rich tables, each figure beside the study's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table

from experiments.bench.mutations import figures
from experiments.bench.mutations.record import Record
from experiments.bench.mutations.shares import Share


def show(records: Sequence[Record], console: Console) -> None:
    """Print shares by kind of mutation and by project, delays, and what is wrong with the bars."""
    console.print(_shares(records))
    console.print(_projects(records))
    console.print(_delays(records))
    console.print(_services(records), markup=False, highlight=False)
    for row in figures.rows(records):
        if row.holds is not None:
            verdict = "holds" if row.holds else "MISSED"
            console.print(f"{row.row}: {row.value:.3g} (bar {row.bar}): {verdict}; {row.anchor}", highlight=False)


def _shares(records: Sequence[Record]) -> Table:
    names = [Column(name, no_wrap=True) for name, _, __ in figures.MEASURES]
    title = "shares with their 95 % intervals; below each, the study's (911 tests)"
    table = Table(Column("mutation", no_wrap=True), "n", *names, title=title, title_justify="left")
    for kind, those in figures.by_operator(records).items():
        cells = []
        for _, measure, field in figures.MEASURES:
            reference = figures.study(kind, field)
            cells.append(f"{measure(those)}" + ("" if reference is None else f"\n{reference:.2f}".replace("0.", ".")))
        table.add_row(kind or "all", str(len(those)), *cells, end_section=True)
    return table


def _projects(records: Sequence[Record]) -> Table:
    table = Table("project", "n", *(name for name, _, __ in figures.MEASURES), title="by project", title_justify="left")
    whole = figures.by_operator(records)[""]
    for project in ("nova", "cinder", "neutron"):
        those = [record for record in whole if record.project == project]
        table.add_row(project, str(len(those)), *(str(measure(those)) for _, measure, __ in figures.MEASURES))
    return table


def _delays(records: Sequence[Record]) -> Table:
    title = "seconds after the mutation, of the failures: p25 / p50 / p75 / p90, and the study's"
    table = Table("what", "mutation", "n", "here", "study", title=title, title_justify="left")
    for kind, those in figures.by_operator(records).items():
        failures = [record for record in those if record.failed and record.error_after is not None]
        here = figures.delays(those, lambda record: record.error_after)
        reference = figures.STUDY_ERROR_AFTER.get(kind)
        table.add_row("first ERROR line", kind or "all", str(len(failures)), _seconds(here), _seconds(reference))
    whole = figures.by_operator(records)[""]
    told = [record for record in whole if record.api_error_after is not None]
    api = figures.delays(told, lambda record: record.api_error_after)
    table.add_row(
        "client sees an API error", "all", str(len(told)), _seconds(api), _seconds(figures.STUDY_API_ERROR_AFTER)
    )
    silent = [record for record in whole if record.silent]
    check = figures.delays(silent, lambda record: record.check_after)
    table.add_row(
        "client's check fails", "silent", str(len(silent)), _seconds(check), _seconds(figures.STUDY_CHECK_AFTER)
    )
    return table


def _services(records: Sequence[Record]) -> str:
    failures = [record for record in figures.by_operator(records)[""] if record.failed]
    counts = Counter(min(len(record.errors), 3) for record in failures)
    parts = []
    for number, name in enumerate(("no service", "one", "two", "three or more")):
        share, reference = Share(counts[number], len(failures)), figures.STUDY_SERVICES_WITH_ERROR[number]
        parts.append(f"{name} {share} (study {reference:.2f})")
    return "ERROR lines of a failure in " + ", ".join(parts)


def _seconds(values: Sequence[float] | None) -> str:
    return " / ".join("-" if math.isnan(value) else f"{value:.1f}" for value in values) if values else ""
