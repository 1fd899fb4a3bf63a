"""Alert rules as array functions over what exporters show, looked at after each scrape as `twin.telemetry.alarms` does.

A rule is compiled once into *tests*: a comparison on a column of a kind (or the ratio of two), true for each of its
components. An alarm is one rule on one component, and lasts while any test of it has held for the rule's time. What an
exporter did not say matches nothing; only an irate goes on while its range still holds two samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from twin.fast.scraping import COLUMNS, NEVER, Block
from twin.scenario.alert_rules import AlertRule, alert_rules
from twin.scenario.promql import Absolute, Comparison, Irate, Operator, Ratio, Term, selector_of, terms
from twin.spaces import SEVERITIES
from twin.telemetry.alarms import UP, Watched, watched

if TYPE_CHECKING:
    from twin.world import World

ANSWERS: Final = -1
"""The column of `up`: whether an exporter answers."""

_COMPARE: Final[Mapping[Operator, Callable[[Array, NDArray[np.float32]], Array]]] = {
    ">": jnp.greater,
    "<": jnp.less,
    ">=": jnp.greater_equal,
    "<=": jnp.less_equal,
    "==": jnp.equal,
    "!=": jnp.not_equal,
}


@dataclass(frozen=True, slots=True)
class Side:
    """A column of a kind times a factor."""

    column: int
    factor: float


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison that a rule makes on a kind."""

    rule: str
    severity: int
    """Position in `SEVERITIES`."""
    value: Side
    divisor: Side | None
    absolute: bool
    operator: Operator
    number: float
    seconds: float
    """Of an irate's range; 0 where values are read as they are."""
    hold: float


@dataclass(frozen=True)
class Rules:
    """All tests of a twin's alert rules, by kind."""

    tests: Mapping[str, tuple[Test, ...]]
    unseen: tuple[str, ...]
    """Rules with a series that no component of the cluster shows in the arrays: they do not fire."""

    @property
    def number(self) -> dict[str, int]:
        """How many tests there are, by kind."""
        return {kind: len(found) for kind, found in self.tests.items()}


def compiled(
    worlds: Sequence[World], seen: Mapping[str, frozenset[str]]
) -> tuple[Rules, list[dict[str, NDArray[np.bool_]]]]:
    """The rules of all these worlds, and for each world which components [R, A] of a kind each test is about.

    `seen`: by kind, the features that the arrays compute. Worlds with other rules than the first's have none of those
    of the first: a scenario may bring its own."""
    found: dict[str, dict[Test, None]] = {}
    about: list[dict[tuple[str, Test], list[int]]] = []
    rules: dict[str, None] = {}
    tested: set[str] = set()
    for world in worlds:
        here: dict[tuple[str, Test], list[int]] = {}
        for rule in alert_rules(world.spec):
            rules[rule.name] = None
            for kind, row, test in _tests(world, rule, seen):
                tested.add(rule.name)
                found.setdefault(kind, {})[test] = None
                here.setdefault((kind, test), []).append(row)
        about.append(here)
    tests = {kind: tuple(each) for kind, each in found.items()}
    masks = []
    for world, here in zip(worlds, about, strict=True):
        kinds = [component.kind for component in world.components.values()]
        mask = {kind: np.zeros((kinds.count(kind), len(each)), np.bool_) for kind, each in tests.items()}
        for (kind, test), members in here.items():
            mask[kind][members, tests[kind].index(test)] = True
        masks.append(mask)
    return Rules(tests, tuple(name for name in rules if name not in tested)), masks


def _tests(world: World, rule: AlertRule, seen: Mapping[str, frozenset[str]]) -> list[tuple[str, int, Test]]:
    """(kind, row, test) of a rule on each component of a world."""
    if rule.interval > world.spec.telemetry.scrape:
        return []
    metrics = {selector_of(term).metric for term in terms(rule.expression)}
    series = list(watched(world, metrics))
    names = [name for names in world.exposition.names for name in names]
    rows = _rows(world)
    found = []
    for comparison in rule.expression:
        value, absolute = comparison.value, isinstance(comparison.value, Absolute)
        value = value.of if isinstance(value, Absolute) else value
        over = value.denominator if isinstance(value, Ratio) else None
        above = value.numerator if isinstance(value, Ratio) else value
        for instance, kind, labels, name, factor in _selected(above, series, names):
            divisor = None
            if over is not None:
                below = {(i, frozenset(other.items())): (n, f) for i, _, other, n, f in _selected(over, series, names)}
                known = below.get((instance, frozenset(labels.items())))
                if known is None:
                    continue
                divisor = _side(kind, *known, seen)
            side = _side(kind, name, factor, seen)
            if kind not in seen or side is None or (over is not None and divisor is None):
                continue
            test = _test(rule, comparison, side, divisor, absolute, above)
            found.append((kind, rows[instance], test))
    return found


def _test(
    rule: AlertRule, comparison: Comparison, side: Side, divisor: Side | None, absolute: bool, term: Term
) -> Test:
    seconds = term.seconds if isinstance(term, Irate) else 0.0
    return Test(
        rule.name, SEVERITIES.index(rule.severity), side, divisor, absolute, comparison.operator, comparison.number,
        seconds, rule.hold,
    )  # fmt: skip


def _selected(
    term: Term, series: Sequence[Watched], names: Sequence[str]
) -> list[tuple[str, str, dict[str, str], str, float]]:
    """(component, kind, labels, series, factor) of what a term reads."""
    selector, found = selector_of(term), []
    for one in series:
        position, factor, labels = one
        if selector(labels):
            name = UP if labels["__name__"] == UP else names[position]
            rest = {label: text for label, text in labels.items() if label != "__name__"}
            found.append((labels["instance"], labels["job"], rest, name, factor))
    return found


def _side(kind: str, name: str, factor: float, seen: Mapping[str, frozenset[str]]) -> Side | None:
    if name == UP:
        return Side(ANSWERS, 1.0)
    return Side(COLUMNS[kind].index(name), factor) if name in seen.get(kind, ()) else None


def _rows(world: World) -> dict[str, int]:
    """Each component's number among those of its kind."""
    counts: dict[str, int] = {}
    rows = {}
    for component in world.components.values():
        rows[component.name] = counts.get(component.kind, 0)
        counts[component.kind] = rows[component.name] + 1
    return rows


# --- while it lives --------------------------------------------------------------------------------------------------


def held(
    rules: Rules,
    about: Mapping[str, Array],
    blocks: Mapping[str, Block],
    rated: Mapping[str, Array],
    answered: Mapping[str, Array],
    since: Mapping[str, Array],
    now: Array,
    scrape: float,
) -> dict[str, Array]:
    """Since when each test has held [R, A], by kind, after a scrape at second `now`.

    `rated` [R]: who answered the scrape before too, so that counters have a rate."""
    found = dict(since)
    for kind, tests in rules.tests.items():
        if tests:
            holds = _hold(tests, blocks[kind], rated[kind], answered[kind], since[kind], now, scrape) & about[kind]
            found[kind] = jnp.where(holds, jnp.minimum(since[kind], now), jnp.inf)
    return found


def _hold(
    tests: Sequence[Test], shown: Block, rated: Array, answered: Array, since: Array, now: Array, scrape: float
) -> Array:
    """[R, A]"""
    here = (answered >= now)[:, None]
    value, there = _read(shown, here, answered, [test.value for test in tests])
    if any(test.divisor is not None for test in tests):
        ratio = np.array([test.divisor is not None for test in tests])
        below, also = _read(shown, here, answered, [test.divisor or test.value for test in tests])
        # Nothing divided by nothing is no number, and compares with none.
        value = jnp.where(ratio, value / below, value)
        there = there & also & ~(ratio & (below == 0.0) & (value != value))
    value = jnp.where(np.array([test.absolute for test in tests]), jnp.abs(value), value)
    number = np.array([test.number for test in tests], np.float32)
    holds = jnp.zeros(value.shape, bool)
    for operator in dict.fromkeys(test.operator for test in tests):
        holds = holds | (_COMPARE[operator](value, number) & np.array([test.operator == operator for test in tests]))
    holds = holds & there
    seconds = np.array([test.seconds for test in tests], np.float32)
    # The last two samples stay the last two until they leave the range.
    goes_on = ~here & ((answered[:, None] - scrape) > now - seconds) & jnp.isfinite(since)
    return jnp.where(seconds > 0.0, jnp.where(here, holds & rated[:, None], goes_on), holds)


def _read(shown: Block, here: Array, answered: Array, sides: Sequence[Side]) -> tuple[Array, Array]:
    """[R, A] values of columns, and whether they are there."""
    columns = np.array([max(side.column, 0) for side in sides])
    answers = np.array([side.column == ANSWERS for side in sides])
    factors = np.array([side.factor for side in sides], np.float32)
    value = jnp.where(answers, here.astype(jnp.float32), factors * shown.values[:, columns])
    # Who has never answered is not known to anybody: hardware in stock, a program not yet installed.
    return value, jnp.where(answers, (answered > NEVER)[:, None], shown.present[:, columns])


def firing(rules: Rules, since: Mapping[str, Array], now: Array) -> dict[str, Array]:
    """[R, 2] alarms that fire on each component, by severity; by kind."""
    found = {}
    for kind, tests in rules.tests.items():
        holds = now - since[kind] >= jnp.array([test.hold for test in tests])
        # An alarm is a rule on a component, however many of its tests hold.
        severities = {test.rule: test.severity for test in tests}
        of_rule = np.array([[test.rule == rule for rule in severities] for test in tests], np.float32)
        alarms = jnp.minimum(holds.astype(jnp.float32) @ of_rule, 1.0)
        found[kind] = alarms @ np.eye(len(SEVERITIES), dtype=np.float32)[list(severities.values())]
    return found
