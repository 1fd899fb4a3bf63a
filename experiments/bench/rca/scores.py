"""How good rankings are: AC@k and Avg@k beside chance, with 95 % intervals over what is independent.

AC@k of a case is |top-k and answers| / |answers|, Avg@k the mean of AC@1 to AC@k (RCAEval, WWW 2025). So AC@1 is 1/2 at
most where a case has two root causes. A method that fails scores nothing. Chance is what a random order of the same
candidates scores on average; lift is the score minus chance, as RCAEval has it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from policies.statistics import Interval, clustered_interval

ALL = "all"
"""Every kind of fault."""
UNSEEN = "scenario not in train"
"""The tag of cases whose scenario methods were not tuned on."""
ENOUGH = 5
"""Data sets of other luck from which on they alone are what intervals are over."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A case as the scores see it: what was asked, and what would have been right."""

    name: str
    """Of the case within all the data sets."""
    fault: str
    """The kind of fault."""
    answers: tuple[str, ...]
    candidates: tuple[str, ...]
    scenario: str
    seed: int
    """The world's."""
    realisation: int
    """Which data set of the same suite."""
    tags: tuple[str, ...] = ()
    """Other groups that it belongs to."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group whose line it counts in."""
        return (ALL, self.fault, *self.tags)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one method said of one case."""

    method: str
    case: str
    ranks: tuple[str, ...]
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """One method on the cases of one group: a kind of fault, a tag, or all."""

    method: str
    group: str
    cases: int
    failures: int
    figures: Mapping[str, Interval]
    """AC@1, AC@3, AC@5, Avg@5."""
    chance: Mapping[str, float]
    lift: Mapping[str, Interval]
    seconds: float
    """Mean of a case."""
    slowest: float
    """Seconds of the slowest case."""


def accuracy(ranks: Sequence[str], asked: Asked, k: int) -> float:
    """AC@k of one case. What is no candidate is left out of the ranking, and what is named twice counts once."""
    kept = [name for name in dict.fromkeys(ranks) if name in asked.candidates][:k]
    return sum(answer in kept for answer in asked.answers) / len(asked.answers)


def average(ranks: Sequence[str], asked: Asked, k: int) -> float:
    """Avg@k of one case."""
    return fmean(accuracy(ranks, asked, i) for i in range(1, k + 1))


def chance(asked: Asked, k: int) -> float:
    """AC@k of a random order of the candidates, on average."""
    found = sum(answer in asked.candidates for answer in asked.answers) / len(asked.answers)
    return found * min(k, len(asked.candidates)) / len(asked.candidates)


def average_chance(asked: Asked, k: int) -> float:
    """Avg@k of a random order of the candidates, on average."""
    return fmean(chance(asked, i) for i in range(1, k + 1))


Figure = Callable[[Sequence[str], Asked], float]
FIGURES: dict[str, tuple[Figure, Callable[[Asked], float]]] = {
    "AC@1": (partial(accuracy, k=1), partial(chance, k=1)),
    "AC@3": (partial(accuracy, k=3), partial(chance, k=3)),
    "AC@5": (partial(accuracy, k=5), partial(chance, k=5)),
    "Avg@5": (partial(average, k=5), partial(average_chance, k=5)),
}
"""Name -> the figure of one case, and its chance."""


def value(outcome: Outcome, asked: Asked, figure: str) -> float:
    """A figure of one outcome; a failure is a miss."""
    return 0.0 if outcome.error else FIGURES[figure][0](outcome.ranks, asked)


def interval(values: Sequence[float], asked: Sequence[Asked]) -> Interval:
    """Mean over cases with its 95 % interval.

    What is independent: data sets of other luck where there are enough of them. Else it is the wider of the interval
    over seeds (cases of one seed share their luck) and that over scenarios (cases of one scenario share their fault).
    """
    realisations = [case.realisation for case in asked]
    if len(set(realisations)) >= ENOUGH:
        return clustered_interval(values, realisations)
    groupings: list[Sequence[Hashable]] = [[case.seed for case in asked], [case.scenario for case in asked]]
    split = [clustered_interval(values, clusters) for clusters in groupings if len(set(clusters)) > 1]
    return max(split, key=lambda one: one.high - one.low, default=clustered_interval(values, groupings[0]))


def within(found: Interval, low: float, high: float) -> Interval:
    """The interval without what no mean can be."""
    return Interval(found.mean, max(found.low, low), min(found.high, high), found.count)


def groups(asked: Iterable[Asked]) -> list[str]:
    """All, then each kind of fault, then each tag; a group that is all cases is not told again."""
    cases = list(asked)
    faults, tags = {case.fault for case in cases}, {tag for case in cases for tag in case.tags}
    return [ALL, *(g for g in (*sorted(faults), *sorted(tags)) if not all(g in case.groups for case in cases))]


def scores(outcomes: Iterable[Outcome], asked: Mapping[str, Asked]) -> list[Score]:
    """A line for each method and group, methods in the order of their first outcome."""
    by_method: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_method.setdefault(outcome.method, []).append(outcome)
    return [
        _score(method, group, chosen, [asked[outcome.case] for outcome in chosen])
        for group in groups(asked.values())
        for method, said in by_method.items()
        if (chosen := [outcome for outcome in said if group in asked[outcome.case].groups])
    ]


def _score(method: str, group: str, outcomes: Sequence[Outcome], asked: Sequence[Asked]) -> Score:
    figures, chances, lifts = {}, {}, {}
    for name, (_, expected) in FIGURES.items():
        values = [value(outcome, case, name) for outcome, case in zip(outcomes, asked, strict=True)]
        by_chance = [expected(case) for case in asked]
        above = [reached - guessed for reached, guessed in zip(values, by_chance, strict=True)]
        figures[name] = within(interval(values, asked), 0.0, 1.0)
        chances[name] = fmean(by_chance)
        lifts[name] = within(interval(above, asked), -1.0, 1.0)
    return Score(
        method,
        group,
        len(outcomes),
        sum(bool(outcome.error) for outcome in outcomes),
        figures,
        chances,
        lifts,
        fmean(outcome.seconds for outcome in outcomes),
        max(outcome.seconds for outcome in outcomes),
    )


def difference(
    ours: Iterable[Outcome], theirs: Iterable[Outcome], asked: Mapping[str, Asked], figure: str = "AC@1"
) -> Interval | None:
    """A figure of one method minus that of another, paired by case; None where no case was given to both."""
    others = {outcome.case: outcome for outcome in theirs}
    pairs = [(outcome, others[outcome.case]) for outcome in ours if outcome.case in others]
    if not pairs:
        return None
    cases = [asked[outcome.case] for outcome, _ in pairs]
    values = [
        value(one, case, figure) - value(other, case, figure) for (one, other), case in zip(pairs, cases, strict=True)
    ]
    return within(interval(values, cases), -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Lead:
    """How far the best of our methods is ahead of the best of the published ones on one group of cases."""

    group: str
    ours: str
    theirs: str
    ahead: Interval
    """AC@1 of ours minus theirs, paired by case."""

    def __str__(self) -> str:
        found = self.ahead
        return f"{self.ours} minus {self.theirs}: AC@1 {found.mean:+.2f} [{found.low:.2f}, {found.high:.2f}]"


def leads(outcomes: Iterable[Outcome], asked: Mapping[str, Asked], own: Collection[str]) -> list[Lead]:
    """The best of our methods (`own`) against the best of the others, over all cases and those of scenarios that ours
    were not tuned on. Who is best is decided by AC@1 over all cases, among those that were given all of them."""
    by_method: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_method.setdefault(outcome.method, []).append(outcome)
    reached = {
        method: fmean(value(outcome, asked[outcome.case], "AC@1") for outcome in said)
        for method, said in by_method.items()
        if len(said) == len(asked)
    }
    sides = [{m for m in reached if (m in own) is ours} for ours in (True, False)]
    if not all(sides):
        return []
    ours, theirs = (max(side, key=lambda method: (reached[method], method)) for side in sides)
    found = []
    for group in (ALL, UNSEEN):
        cases = [outcome for outcome in by_method[ours] if group in asked[outcome.case].groups]
        ahead = difference(cases, by_method[theirs], asked)
        if ahead is not None:
            found.append(Lead(group, ours, theirs, ahead))
    return found
