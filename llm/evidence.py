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
from llm.templates import mask
from twin.telemetry.records import LogLine

SERIOUS = frozenset({"ERROR", "CRITICAL"})
_SERVER_ERROR = re.compile(r'HTTP/[\d.]{1,3}" 5\d\d\b|\bstatus: 5\d\d\b|\b5\d\d (?=\d{1,9}(?:\.\d{1,9})?ms\b)')
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
    return Said(time, component, level, mask(message).text, text, failing)


@dataclass(frozen=True, slots=True)
class Habit:
    """How often a component says a template in the reference."""

    count: int
    dispersion: float
    """Variance over mean of the counts in bins of `BIN` seconds, at least 1."""
    level: str
    failing: bool
    text: str
    """The last such line."""
    time: float
    """When that was."""


@dataclass(frozen=True)
class Habits:
    """What is usual: each (component, template) of a reference of `seconds`."""

    seconds: float
    of: Mapping[tuple[str, str], Habit]

    def expected(self, component: str, template: str, seconds: float) -> float:
        """Lines that `seconds` let expect of what was seen in the reference."""
        habit = self.of.get((component, template))
        return habit.count * seconds / self.seconds if habit is not None else 0.0


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
    bins = max(1, round((end - start) / BIN))
    counts: dict[tuple[str, str], Counter[int]] = {}
    last: dict[tuple[str, str], Said] = {}
    for line in lines:
        if start < line.time <= end:
            key = line.component, line.template
            counts.setdefault(key, Counter())[int((line.time - start) / (end - start) * bins)] += 1
            last[key] = line
    return Habits(
        end - start,
        {
            key: Habit(sum(n.values()), _dispersion(n, bins), line.level, line.failing, line.text, line.time)
            for (key, n), line in zip(counts.items(), last.values(), strict=True)
        },
    )


def _dispersion(counts: Counter[int], bins: int) -> float:
    mean = sum(counts.values()) / bins
    squares = sum((n - mean) ** 2 for n in counts.values()) + (bins - len(counts)) * mean**2
    return max(1.0, squares / bins / mean)


def new_errors(usual: Habits, lines: Iterable[Said], start: float, end: float) -> list[Departure]:
    """Errors of (start, end] that the reference has not, or has more rarely, by the time of their first line."""
    return risen(usual, (line for line in lines if line.failing), start, end)


def risen(usual: Habits, lines: Iterable[Said], start: float, end: float) -> list[Departure]:
    """Lines of (start, end] that the reference has not, or has more rarely, by the time of their first one."""
    first: dict[tuple[str, str], Said] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for line in lines:
        if start < line.time <= end:
            key = line.component, line.template
            first.setdefault(key, line)
            seen[key] += 1
    found = []
    for key, line in first.items():
        habit = usual.of.get(key)
        share = (end - start) / usual.seconds
        expected = usual.expected(*key, end - start)
        if seen[key] <= expected:
            continue
        dispersion = habit.dispersion if habit is not None else 1.0
        surprise = at_least(seen[key] / dispersion, (expected + BEFORE_SEEN * share) / dispersion)
        found.append(Departure(*key, line.level, line.text, line.time, seen[key], expected, surprise))
    return sorted(found, key=lambda departure: departure.time)


def lost_lines(usual: Habits, lines: Iterable[Said], start: float, end: float, level: str = "INFO") -> list[Departure]:
    """Usual lines of a level, none of them a failure, that (start, end] has fewer of, the most surprising first."""
    seen = Counter((line.component, line.template) for line in lines if start < line.time <= end)
    found = []
    for key, habit in usual.of.items():
        expected = usual.expected(*key, end - start)
        if habit.level != level or habit.failing or seen[key] >= expected:
            continue
        surprise = at_most(seen[key] / habit.dispersion, expected / habit.dispersion)
        found.append(Departure(*key, habit.level, habit.text, habit.time, seen[key], expected, surprise))
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
