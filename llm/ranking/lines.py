"""What a case's logs alone say: whose errors came first, whose usual lines do not come.

What counts as an error that is new, and as a line that is lost, is `llm.evidence`'s to say: the lines since the
injection against those before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from llm.evidence import (
    SERIOUS,
    Departure,
    Habits,
    Said,
    by_component,
    habits,
    lost_lines,
    new_errors,
    risen,
    said,
)
from llm.ranking.case import Case, Line
from llm.ranking.order import ranked
from twin.telemetry.records import LogLine

_VARIABLE = re.compile(r"\b(?=[0-9a-f])(?!\d{1,3}(?![\w.:/-]|,\d))[0-9a-f]*\d[\w.:/-]*(?:,\d[\w.:/-]*)*", re.ASCII)
"""Times, ids and numbers; not numbers of up to three digits that stand alone, for they may be codes."""
_BETWEEN = "\0"
"""What parts lines while they are looked at together, which is much faster than one by one."""
ALARMING = SERIOUS | {"WARNING"}
"""Levels of lines that tell by becoming more frequent; of others, only new ones do."""
LOOKED_AT = 1200
"""Characters of a line that tell it from others: a little more than templates are mined from."""


def first_error(case: Case) -> list[str]:
    """Services in the order of their first error since the injection that is new; then the others."""
    lines = read_lines(case)
    first: dict[str, float] = {}
    for departure in new_errors(usual_lines(case, lines), lines, *since_injection(case)):
        first.setdefault(departure.component, departure.time)
    return ranked(case, {service: 1.0 / (1.0 + place) for place, service in enumerate(first)})


def lost_info(case: Case) -> list[str]:
    """Services by how surprising it is that their usual INFO lines have become fewer."""
    lines = read_lines(case)
    return ranked(case, by_component(lost_lines(usual_lines(case, lines), lines, *since_injection(case))))


def said_more_and_less(case: Case) -> tuple[list[Departure], list[Departure]]:
    """What services say that they never said, or as a warning or an error more often than usual; and their usual lines
    that are lost."""
    lines = read_lines(case)
    usual, since = usual_lines(case, lines), since_injection(case)
    more = [one for one in risen(usual, lines, *since) if one.level in ALARMING or not one.expected]
    return more, lost_lines(usual, lines, *since)


def usual_lines(case: Case, lines: Iterable[Said]) -> Habits:
    """What was usual before the injection."""
    start = min(case.times[0], case.logs[0].time if case.logs else case.times[0])
    return habits(lines, float(start) - 1e-3, case.inject_time)


def since_injection(case: Case) -> tuple[float, float]:
    """From the injection to the last row of metrics, Unix seconds."""
    return case.inject_time, float(case.times[-1])


def read_lines(case: Case) -> list[Said]:
    """The log lines of a case, read. Lines that differ in times, ids and numbers only are read once."""
    known: dict[str, Said | None] = {}
    lines = []
    for line, shape in zip(case.logs, _shapes(case.logs), strict=True):
        if shape not in known:
            known[shape] = _read(line)
        like = known[shape]
        if like is not None:
            lines.append(Said(line.time, line.service, like.level, like.template, line.text, like.failing))
    return lines


def _shapes(lines: Sequence[Line]) -> list[str]:
    """The lines without times, ids and numbers."""
    together = _BETWEEN.join([line.text[:LOOKED_AT].replace(_BETWEEN, " ") for line in lines])
    return _VARIABLE.sub("#", together).split(_BETWEEN) if lines else []


def _read(line: Line) -> Said | None:
    """The line as `llm.evidence` reads it; None for one of a stack trace."""
    return next(iter(said([LogLine(line.time, line.service, "", line.text)])), None)
