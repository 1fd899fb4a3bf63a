"""What a case's logs alone say: whose errors came first, whose usual lines do not come.

What counts as an error that is new, and as a line that is lost, is `llm.evidence`'s to say: the lines since the
injection against those before it.
"""

from __future__ import annotations

from llm.evidence import SERIOUS, Departure, Habits, by_component, fewer, more
from llm.ranking.case import Case
from llm.ranking.order import ranked
from llm.ranking.record import Record, read_record

ALARMING = SERIOUS | {"WARNING"}
"""Levels of lines that tell by becoming more frequent; of others, only new ones do."""


def first_error(case: Case) -> list[str]:
    """Services in the order of their first error since the injection that is new; then the others."""
    record = read_record(case.logs)
    start, end = since_injection(case)
    first: dict[str, float] = {}
    for departure in more(usual_lines(case, record), record.heard(start, end, failing=True), end - start):
        first.setdefault(departure.component, departure.time)
    return ranked(case, {service: 1.0 / (1.0 + place) for place, service in enumerate(first)})


def lost_info(case: Case) -> list[str]:
    """Services by how surprising it is that their usual INFO lines have become fewer."""
    return ranked(case, by_component(said_more_and_less(case)[1]))


def said_more_and_less(case: Case) -> tuple[list[Departure], list[Departure]]:
    """What services say that they never said, or as a warning or an error more often than usual; and their usual lines
    that are lost."""
    record = read_record(case.logs)
    start, end = since_injection(case)
    usual, since = usual_lines(case, record), record.heard(start, end)
    risen = [one for one in more(usual, since, end - start) if one.level in ALARMING or not one.expected]
    return risen, fewer(usual, since, end - start)


def usual_lines(case: Case, record: Record) -> Habits:
    """What was usual before the injection."""
    start = min(case.times[0], case.logs[0].time if case.logs else case.times[0]) - 1e-3
    return Habits(case.inject_time - start, record.heard(start, case.inject_time))


def since_injection(case: Case) -> tuple[float, float]:
    """From the injection to the last row of metrics, Unix seconds."""
    return case.inject_time, float(case.times[-1])
