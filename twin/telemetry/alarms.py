"""Alert rules, evaluated after each scrape on what it found, as Prometheus would evaluate them at that moment.

The rules are in a file that Prometheus reads too (`twin.scenario.alert_rules`). A series is seen with the labels that
Prometheus would store: its own, `instance` (component) and `job` (kind); `up` says whether an exporter answers. What a
scrape did not find is absent at once, and matches nothing; an irate goes on for as long as its range holds two samples.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.scenario.alert_rules import AlertRule
from twin.scenario.promql import Absolute, Comparison, Irate, Operator, Ratio, Term, selector_of, terms
from twin.telemetry.dialects import exported
from twin.telemetry.exporters import shown
from twin.telemetry.exposition import parted, unescaped
from twin.telemetry.families import target_labels
from twin.telemetry.features import PROFILES
from twin.telemetry.records import Alarm

if TYPE_CHECKING:
    from twin.world import World

UP = "up"


class Watched(NamedTuple):
    """A series that a rule may read: where it is in a scrape, the factor for its value, and its labels.

    `labels` has `__name__`, `instance` and `job`. The position of `up` is that of the exporter, among exporters.
    """

    position: int
    factor: float
    labels: Mapping[str, str]


def metrics_in(rules: Sequence[AlertRule]) -> frozenset[str]:
    """The names of all metrics that rules read."""
    return frozenset(selector_of(term).metric for rule in rules for term in terms(rule.expression))


def watched(world: World, metrics: Collection[str]) -> Iterator[Watched]:
    """The series of these names, but for those that the scenario's telemetry profile leaves out."""
    left_out = frozenset(PROFILES[world.spec.telemetry.profile])
    layout, exporters = world.exposition, 0
    for component, names, offset in zip(world.components.values(), layout.names, layout.offsets, strict=True):
        if not names:
            continue
        target = target_labels(component.name, component.kind)
        if UP in metrics:
            yield Watched(exporters, 1.0, {"__name__": UP, **target})
        exporters += 1
        for position, name in enumerate(names, offset):
            bare = exported(world.dialect, name)
            if bare is None or bare[0].partition("{")[0] not in metrics or name in left_out:
                continue
            printed, factor = shown(world.dialect, component, name) or bare
            metric, own = parted(printed)
            labels = {label: unescaped(value) for label, value in own.items()}
            yield Watched(position, factor, {"__name__": metric, **target, **labels})


class Watch:
    """Evaluates rules after each scrape and records what begins and stops to fire.

    An alert is one rule on one series; an alarm is one rule on one component, and lasts while any alert of it fires.
    `exporters` are the positions at which the series of each exporter begin.
    """

    def __init__(self, rules: Sequence[AlertRule], series: Sequence[Watched], exporters: Sequence[int]) -> None:
        self._rules = rules
        self._exporters = np.array(exporters, np.intp)
        self._up = np.full(len(exporters), np.nan)
        self._readings = _Readings(series)
        # By component, then by rule: the order in which alarms of one moment are recorded.
        order = {name: i for i, name in enumerate(dict.fromkeys(one.labels["instance"] for one in series))}
        found = [
            (order[labels["instance"]], r, labels, test)
            for r, rule in enumerate(rules)
            for comparison in rule.expression
            for labels, test in self._readings.tests(comparison)
        ]
        found.sort(key=lambda one: one[:2])
        alerts: dict[tuple[int, frozenset[tuple[str, str]]], int] = {}
        for _, r, labels, _ in found:
            alerts.setdefault((r, frozenset(labels.items())), len(alerts))
        self._alerts = [(r, dict(labels)["instance"]) for r, labels in alerts]
        """The rule and the component of each alert."""
        self._tests = _Tests(
            [(test, alerts[r, frozenset(labels.items())]) for _, r, labels, test in found], self._readings
        )
        self._intervals = [rules[r].interval for r, _ in self._alerts]
        self._looked: dict[float, float] = dict.fromkeys(self._intervals, -np.inf)
        self._since: dict[int, float] = {}
        """Since when each alert that holds has held."""
        self._firing: dict[tuple[int, str], tuple[int, set[int]]] = {}
        """By rule and component: the number of the alarm, and the alerts of it that fire."""

    @classmethod
    def of(cls, world: World, rules: Sequence[AlertRule]) -> Watch:
        """A watch over what a world's exporters show."""
        layout = world.exposition
        exporters = [offset for names, offset in zip(layout.names, layout.offsets, strict=True) if names]
        return cls(rules, list(watched(world, metrics_in(rules))), exporters)

    @property
    def idle(self) -> tuple[str, ...]:
        """Rules for which there is no series."""
        used = {r for r, _ in self._alerts}
        return tuple(rule.name for r, rule in enumerate(self._rules) if r not in used)

    def evaluate(self, now: float, series: NDArray[np.float64], alarms: list[Alarm]) -> None:
        """Look at a scrape of all series at second `now`; add to and resolve in `alarms` what changes."""
        self._notice_exporters(series)
        self._readings.take(now, series, self._up)
        due = {interval for interval, looked in self._looked.items() if now - looked >= interval - 1e-6}
        self._looked.update(dict.fromkeys(due, now))
        holding = [alert for alert in self._tests.holding() if self._intervals[alert] in due]
        held = set(holding)
        for alert in holding:
            rule, component = self._rules[self._alerts[alert][0]], self._alerts[alert][1]
            if now - self._since.setdefault(alert, now) >= rule.hold:
                if self._alerts[alert] not in self._firing:
                    self._firing[self._alerts[alert]] = (len(alarms), set())
                    alarms.append(Alarm(now, component, rule.name, rule.severity, None))
                self._firing[self._alerts[alert]][1].add(alert)
        # After what fires: an alarm goes on where one alert of it ends as another begins.
        for alert in [a for a in self._since if a not in held and self._intervals[a] in due]:
            del self._since[alert]
            self._resolve(alert, now, alarms)

    def _notice_exporters(self, series: NDArray[np.float64]) -> None:
        if len(self._exporters):
            answers = np.logical_or.reduceat(~np.isnan(series), self._exporters)
            # Who has never answered is not known to anybody: hardware in stock, a program not yet installed.
            self._up = np.where(answers, 1.0, self._up * 0.0)

    def _resolve(self, alert: int, now: float, alarms: list[Alarm]) -> None:
        number, firing = self._firing.get(self._alerts[alert], (0, set()))
        firing.discard(alert)
        if self._alerts[alert] in self._firing and not firing:
            del self._firing[self._alerts[alert]]
            alarms[number] = alarms[number]._replace(resolved=now)


class _Test(NamedTuple):
    """A comparison on one reading, or on one by another. Readings by their numbers."""

    reading: int
    divisor: int | None
    absolute: bool
    operator: Operator
    number: float


class _Readings:
    """The values that expressions take from series: each a series as it is, or its irate over some range."""

    def __init__(self, series: Sequence[Watched]) -> None:
        self._series = series
        self._numbers: dict[tuple[int, float], int] = {}
        """(series, range or 0) -> number."""
        self.values: NDArray[np.float64] = np.empty(0)
        self._tracked: NDArray[np.intp] | None = None

    def tests(self, comparison: Comparison) -> Iterator[tuple[Mapping[str, str], _Test]]:
        """The tests that a comparison makes, with the labels of each result."""
        value, absolute = comparison.value, isinstance(comparison.value, Absolute)
        value = value.of if isinstance(value, Absolute) else value
        if not isinstance(value, Ratio):
            for labels, reading in self._read(value):
                yield labels, _Test(reading, None, absolute, comparison.operator, comparison.number)
            return
        divisors = {frozenset(labels.items()): reading for labels, reading in self._read(value.denominator)}
        for labels, reading in self._read(value.numerator):
            divisor = divisors.get(frozenset(labels.items()))
            if divisor is not None:
                yield labels, _Test(reading, divisor, absolute, comparison.operator, comparison.number)

    def _read(self, term: Term) -> Iterator[tuple[Mapping[str, str], int]]:
        selector, seconds = selector_of(term), term.seconds if isinstance(term, Irate) else 0.0
        for i, one in enumerate(self._series):
            if selector(one.labels):
                labels = {label: text for label, text in one.labels.items() if label != "__name__"}
                yield labels, self._numbers.setdefault((i, seconds), len(self._numbers))

    def _begin(self) -> None:
        """Lay out the arrays, once all tests are known."""
        keys = list(self._numbers)
        ups = np.array([self._series[i].labels["__name__"] == UP for i, _ in keys], np.bool_)
        positions = np.array([self._series[i].position for i, _ in keys], np.intp)
        self._ups, self._others = ups.nonzero()[0], (~ups).nonzero()[0]
        self._up_positions, self._positions = positions[self._ups], positions[self._others]
        self._factors = np.array([self._series[i].factor for i, _ in keys])[self._others]
        ranges = np.array([round(seconds * 1000) for _, seconds in keys], np.int64)
        self._tracked = (ranges > 0).nonzero()[0]
        self._ranges = ranges[self._tracked]
        size = len(self._tracked)
        self._last, self._before = np.full(size, np.nan), np.full(size, np.nan)
        self._last_at, self._before_at = np.full(size, -(2**62)), np.full(size, -(2**62))
        self.values = np.empty(len(keys))

    def take(self, now: float, series: NDArray[np.float64], up: NDArray[np.float64]) -> None:
        """Read a scrape; NaN where there is nothing. Times are in milliseconds, as Prometheus has them."""
        if self._tracked is None:
            self._begin()
        self.values[self._ups] = up[self._up_positions]
        self.values[self._others] = series[self._positions] * self._factors
        if not len(self._ranges):
            return
        found = self.values[self._tracked]
        there, at = ~np.isnan(found), round(now * 1000)
        self._before = np.where(there, self._last, self._before)
        self._before_at = np.where(there, self._last_at, self._before_at)
        self._last = np.where(there, found, self._last)
        self._last_at = np.where(there, at, self._last_at)
        # A counter that fell began again at 0.
        increase = np.where(self._last < self._before, self._last, self._last - self._before)
        elapsed = (self._last_at - self._before_at) / 1000.0
        self.values[self._tracked] = np.where(self._before_at > at - self._ranges, increase / elapsed, np.nan)


_COMPARE: dict[Operator, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]] = {
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


class _Tests:
    """All tests of all rules, made at once; each belongs to an alert."""

    def __init__(self, tests: Sequence[tuple[_Test, int]], readings: _Readings) -> None:
        self._readings = readings
        self._alerts = np.array([alert for _, alert in tests], np.intp)
        self._reading = np.array([test.reading for test, _ in tests], np.intp)
        ratios = [(i, test.divisor) for i, (test, _) in enumerate(tests) if test.divisor is not None]
        self._ratios = np.array([i for i, _ in ratios], np.intp)
        self._divisors = np.array([divisor for _, divisor in ratios], np.intp)
        self._absolute = np.array([i for i, (test, _) in enumerate(tests) if test.absolute], np.intp)
        numbers = np.array([test.number for test, _ in tests])
        self._operators = []
        for operator, compare in _COMPARE.items():
            which = np.array([i for i, (test, _) in enumerate(tests) if test.operator == operator], np.intp)
            if len(which):
                self._operators.append((compare, which, numbers[which]))

    def holding(self) -> list[int]:
        """The alerts that hold now, in their order."""
        values = self._readings.values[self._reading]
        there = ~np.isnan(values)
        if len(self._ratios):
            divisors = self._readings.values[self._divisors]
            there[self._ratios] &= ~np.isnan(divisors)
            with np.errstate(divide="ignore", invalid="ignore"):
                values[self._ratios] /= divisors
        values[self._absolute] = np.abs(values[self._absolute])
        held = np.zeros(len(values), np.bool_)
        for compare, which, numbers in self._operators:
            held[which] = compare(values[which], numbers)
        return sorted(set(self._alerts[held & there].tolist()))
