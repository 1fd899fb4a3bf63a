"""What the logs of a window show against a reference of the same logs: errors that are new, lines that are lost.

Failures of OpenStack remove more events than they add (Cotroneo et al., ESEC/FSE 2019): an ERROR is neither necessary
nor sufficient, a usual INFO line that does not come tells as much. Both are measured alike, as the surprise of a count
under what the reference lets expect: a Poisson tail, with counts shrunk by how much burstier than Poisson the template
is in the reference (quasi-Poisson). Lines of stack traces are left out: the line that announces the trace is enough.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import floor, lgamma, log, log10
from typing import NamedTuple

from llm.reading.headers import read
from llm.reading.severity import implied
from llm.templates import masked
from twin.telemetry.records import LogLine

SERIOUS = frozenset({"ERROR", "CRITICAL"})
_SERVER_ERROR = re.compile(
    r'HTTP/[\d.]{1,3}" 5\d\d\b|status: (?<=\bstatus: )5\d\d\b|5(?<=\b5)\d\d (?=\d{1,9}(?:\.\d{1,9})?ms\b)'
)  # that each alternative begins with a character of its own lets it be looked for fast
"""A request that a server failed to answer, as access lines say it; oslo.log and nginx print them as INFO."""

BIN = 5.0
"""Seconds over which the burstiness of a template is measured."""
BEFORE_SEEN = 0.5
"""Lines that a template is taken to have had in the reference beside those seen: what was never seen is not
impossible."""
LARGEST = 300.0
"""Digits of surprise at most."""
NEGLIGIBLE = 1e-12
"""Terms of a tail below this share of its sum are left out."""


class Said(NamedTuple):
    """One line without what is of the moment: who said what."""

    time: float
    component: str
    level: str
    """A name of `twin.telemetry.records.Level`."""
    template: str
    """The message with its ids, addresses and numbers masked."""
    text: str
    failing: bool
    """Whether it is an error by its level, or the access line of a request that was answered with 5xx."""


def said(lines: Iterable[LogLine]) -> Iterable[Said]:
    """Read rendered lines, header and all. A line's own level is taken before that of its record."""
    for line in lines:
        reading = read(line.text)
        if reading.trace:
            continue
        level = reading.level or line.level or implied(reading.dialect, reading.message)
        yield told(line.time, line.component, level, reading.message, line.text)


def told(time: float, component: str, level: str, message: str, text: str) -> Said:
    """A line whose header has been read; `message` is what follows it."""
    failing = level in SERIOUS or _SERVER_ERROR.search(message, 0, 1024) is not None
    return Said(time, component, level, masked(message), text, failing)


class Heard(NamedTuple):
    """How a component says a template in some time."""

    times: int
    dispersion: float
    """Variance over mean of the counts in bins of `BIN` seconds, at least 1."""
    first: Said
    last: Said


Counts = Mapping[tuple[str, str], Heard]
"""What was heard of each (component, template), in the order of the first lines."""


@dataclass(frozen=True)
class Habits:
    """What is usual: what was heard in a reference of `seconds`."""

    seconds: float
    of: Counts

    def expected(self, component: str, template: str, seconds: float) -> float:
        """Lines that `seconds` let expect of what was seen in the reference."""
        habit = self.of.get((component, template))
        return habit.times * seconds / self.seconds if habit is not None else 0.0


@dataclass(frozen=True, slots=True)
class Departure:
    """A template that a component says more, or less, than is usual."""

    component: str
    template: str
    level: str
    text: str
    """The first such line of the window; of one that is lost, the last of the reference."""
    time: float
    """When that was."""
    seen: int
    expected: float
    surprise: float
    """Decimal digits: -log10 of the probability of a count as far out, were all as usual."""


def habits(lines: Iterable[Said], start: float, end: float) -> Habits:
    """What is usual from `start` to `end`, from lines in the order of time. Raises ValueError where that is no time."""
    if not end > start:
        raise ValueError(f"a reference from {start:g} to {end:g} s has no length")
    return Habits(end - start, heard(lines, start, end))


def heard(lines: Iterable[Said], start: float, end: float) -> Counts:
    """What (start, end] has of each component and template, from lines in the order of time."""
    bins = bins_of(start, end)
    counts: dict[tuple[str, str], Counter[int]] = {}
    first: dict[tuple[str, str], Said] = {}
    last: dict[tuple[str, str], Said] = {}
    for line in lines:
        if start < line.time <= end:
            key = line.component, line.template
            counts.setdefault(key, Counter())[int((line.time - start) / (end - start) * bins)] += 1
            first.setdefault(key, line)
            last[key] = line
    found = {}
    for key, binned in counts.items():
        count, squares = sum(binned.values()), sum(n**2 for n in binned.values())
        found[key] = Heard(count, dispersion(count, squares, bins), first[key], last[key])
    return found


def bins_of(start: float, end: float) -> int:
    """The number of bins of about `BIN` seconds."""
    return max(1, round((end - start) / BIN))


def dispersion(count: int, squares: int, bins: int) -> float:
    """Variance over mean of a count in bins, at least 1, from the sum of the squares of the bins' counts."""
    return max(1.0, squares / count - count / bins)


def new_errors(usual: Habits, lines: Iterable[Said], start: float, end: float) -> list[Departure]:
    """Errors of (start, end] that the reference has not, or has more rarely, by the time of their first line."""
    return risen(usual, (line for line in lines if line.failing), start, end)


def risen(usual: Habits, lines: Iterable[Said], start: float, end: float) -> list[Departure]:
    """Lines of (start, end] that the reference has not, or has more rarely, by the time of their first one."""
    return more(usual, heard(lines, start, end), end - start)


def lost_lines(usual: Habits, lines: Iterable[Said], start: float, end: float, level: str = "INFO") -> list[Departure]:
    """Usual lines of a level, none of them a failure, that (start, end] has fewer of, the most surprising first."""
    return fewer(usual, heard(lines, start, end), end - start, level)


def more(usual: Habits, counts: Counts, seconds: float) -> list[Departure]:
    """What was heard in `seconds` that the reference has not, or has more rarely, by the time of the first line."""
    found = []
    for key, (seen, _, line, _) in counts.items():
        expected = usual.expected(*key, seconds)
        if seen <= expected:
            continue
        burstier = usual.of[key].dispersion if key in usual.of else 1.0
        surprise = at_least(seen / burstier, (expected + BEFORE_SEEN * seconds / usual.seconds) / burstier)
        found.append(Departure(*key, line.level, line.text, line.time, seen, expected, surprise))
    return sorted(found, key=lambda departure: departure.time)


def fewer(usual: Habits, counts: Counts, seconds: float, level: str = "INFO") -> list[Departure]:
    """What is usual at a level, no failure, and was heard less in `seconds`, the most surprising first."""
    found = []
    for key, (_, burstier, _, line) in usual.of.items():
        seen = counts[key].times if key in counts else 0
        expected = usual.expected(*key, seconds)
        if line.level != level or line.failing or seen >= expected:
            continue
        surprise = at_most(seen / burstier, expected / burstier)
        found.append(Departure(*key, line.level, line.text, line.time, seen, expected, surprise))
    return sorted(found, key=lambda departure: -departure.surprise)


def by_component(departures: Iterable[Departure]) -> dict[str, float]:
    """Digits of surprise of each component, summed; components in the order of their first departure."""
    total: dict[str, float] = {}
    for departure in departures:
        total[departure.component] = total.get(departure.component, 0.0) + departure.surprise
    return total


def at_most(count: float, mean: float) -> float:
    """-log10 of the probability that a Poisson variable of `mean` is at most `count` (rounded down)."""
    most, terms, ratio = floor(count), 0.0, 1.0
    for k in range(most, -1, -1):
        terms += ratio
        ratio *= k / mean
        if ratio < NEGLIGIBLE * terms:
            break
    return _digits(_log10_poisson(most, mean) + log10(terms))


def at_least(count: float, mean: float) -> float:
    """-log10 of the probability that a Poisson variable of `mean` is at least `count` (rounded down, at least 1)."""
    least = max(1, floor(count))
    if least <= mean:
        return _digits(log10(max(1e-300, 1.0 - 10.0 ** -at_most(least - 1, mean))))
    terms, ratio, k = 0.0, 1.0, least
    while ratio > NEGLIGIBLE * terms:
        terms += ratio
        k += 1
        ratio *= mean / k
    return _digits(_log10_poisson(least, mean) + log10(terms))


def _log10_poisson(k: int, mean: float) -> float:
    return (k * log(mean) - mean - lgamma(k + 1)) / log(10.0)


def _digits(log10_probability: float) -> float:
    return min(LARGEST, max(0.0, -log10_probability))
