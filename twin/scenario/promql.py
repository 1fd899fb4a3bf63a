"""The part of PromQL that alert rules here are written in.

    expression = comparison { "or" comparison }
    comparison = value ( "==" | "!=" | ">" | "<" | ">=" | "<=" ) number
    value      = term [ "/" term ] | "abs" "(" value ")"
    term       = selector | "irate" "(" selector "[" range "]" ")"
    selector   = metric name [ "{" label ( "=" | "!=" | "=~" | "!~" ) string, … "}" ]

Parentheses may stand around any of them. What is read means what it means in Prometheus 3.
Grammar: https://prometheus.io/docs/prometheus/latest/querying/basics/ and operators/.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

Operator: TypeAlias = Literal["==", "!=", ">", "<", ">=", "<="]
OPERATORS: tuple[Operator, ...] = ("==", "!=", ">", "<", ">=", "<=")


class QueryError(ValueError):
    """An expression that is not understood, and from which character on (the first is 1)."""

    def __init__(self, message: str, character: int) -> None:
        super().__init__(f"{message}, at character {character} of the expression")


@dataclass(frozen=True)
class Matcher:
    """What a label must be. A label that a series does not have is empty; a pattern must match all of it."""

    label: str
    operator: Literal["=", "!=", "=~", "!~"]
    value: str

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.value, re.DOTALL)

    def __call__(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels is meant."""
        value = labels.get(self.label, "")
        same = value == self.value if self.operator in ("=", "!=") else self._pattern.fullmatch(value) is not None
        return same == (self.operator in ("=", "=~"))


@dataclass(frozen=True)
class Selector:
    """All series of a metric whose labels match."""

    metric: str
    matchers: tuple[Matcher, ...] = ()

    def __call__(self, labels: Mapping[str, str]) -> bool:
        """Whether a series is selected, its name being the label `__name__`."""
        return labels["__name__"] == self.metric and all(matcher(labels) for matcher in self.matchers)


@dataclass(frozen=True)
class Irate:
    """Increase a second between the last two samples of the last `seconds`."""

    of: Selector
    seconds: float


Term: TypeAlias = Selector | Irate


@dataclass(frozen=True)
class Ratio:
    """One by the other, of series whose labels are the same but for the name."""

    numerator: Term
    denominator: Term


@dataclass(frozen=True)
class Absolute:
    """The value without its sign."""

    of: Term | Ratio


Value: TypeAlias = Term | Ratio | Absolute


@dataclass(frozen=True)
class Comparison:
    """The series whose value compares with the number."""

    value: Value
    operator: Operator
    number: float


Expression: TypeAlias = tuple[Comparison, ...]
"""Comparisons, joined by `or`."""


def parse(text: str) -> Expression:
    """The comparisons of an expression. Raises QueryError for everything else that PromQL has."""
    parser = _Parser(tuple(_tokens(text)))
    found = parser.alternatives()
    if parser.token.kind != "end":
        raise parser.puzzled()
    if not isinstance(found, tuple):
        raise QueryError("the expression compares nothing: expected a number to compare with, such as > 0", len(text))
    return found


def terms(expression: Expression) -> Iterator[Term]:
    """Everything in an expression that reads series."""
    for comparison in expression:
        value = comparison.value.of if isinstance(comparison.value, Absolute) else comparison.value
        yield from (value.numerator, value.denominator) if isinstance(value, Ratio) else (value,)


def selector_of(term: Term) -> Selector:
    """The series that a term reads."""
    return term.of if isinstance(term, Irate) else term


_UNITS = {"y": 365 * 86400.0, "w": 7 * 86400.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3}
_DURATION = re.compile("".join(rf"(?:(\d+){unit})?" for unit in _UNITS))


def duration(text: str) -> float:
    """Seconds of a Prometheus duration, such as `1h30m`. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if text == "0":
        return 0.0
    if not text or found is None:
        raise ValueError(f"expected a duration such as 30s or 1h30m, got {text!r}")
    return sum(int(number) * size for number, size in zip(found.groups(), _UNITS.values(), strict=True) if number)


# --- reading ---------------------------------------------------------------------------------------------------------


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    | (?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)
    | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    | (?P<range>\[[^\]]*\])
    | (?P<sign>==|!=|>=|<=|=~|!~|[-+*/%^@<>={}(),])""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_PYTHONS_OWN = re.compile(r"\\[1-9]|\(\?(?:P=|<?[=!]|[>(#])|[*+?}]\+")
"""Syntax of regular expressions that Go's do not have."""


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise QueryError(f"{text[at]!r} is not understood", at + 1)
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found[0], at + 1)
        at = found.end()
    yield _Token("end", "", len(text) + 1)


class _Parser:
    """One method a rule of the grammar; each leaves the first token that it did not take."""

    def __init__(self, tokens: tuple[_Token, ...]) -> None:
        self._tokens = tokens
        self._next = 0

    @property
    def token(self) -> _Token:
        return self._tokens[self._next]

    def alternatives(self) -> Value | Expression:
        found = self._comparison()
        while self.token.text == "or":
            if not isinstance(found, tuple):
                raise QueryError("'or' joins comparisons only", self.token.at)
            at = self._take().at
            other = self._comparison()
            if not isinstance(other, tuple):
                raise QueryError("'or' joins comparisons only", at)
            found = (*found, *other)
        return found

    def puzzled(self, expected: str = "") -> QueryError:
        token = self.token
        said = f"{token.text!r} is not understood here" if token.text else "the expression ends too soon"
        return QueryError(f"{said}{f': expected {expected}' if expected else ''}", token.at)

    def _comparison(self) -> Value | Expression:
        value = self._ratio()
        operator = next((known for known in OPERATORS if known == self.token.text), None)
        if operator is None:
            return value
        if isinstance(value, tuple):
            raise QueryError("what has been compared is compared again", self.token.at)
        self._take()
        return (Comparison(value, operator, self._number()),)

    def _ratio(self) -> Value | Expression:
        left = self._primary()
        if self.token.text != "/":
            return left
        at = self._take().at
        right = self._primary()
        if not isinstance(left, Selector | Irate) or not isinstance(right, Selector | Irate):
            raise QueryError("'/' is understood between two metrics, or irates of them, only", at)
        return Ratio(left, right)

    def _primary(self) -> Value | Expression:
        token = self.token
        if token.text == "(":
            self._take()
            inner = self.alternatives()
            self._expect(")")
            return inner
        if token.kind != "name":
            raise self.puzzled("a metric name, irate(…) or abs(…)")
        if self._tokens[self._next + 1].text != "(":
            return self._selector()
        if token.text == "abs":
            self._take()
            self._take()
            at = self.token.at
            value = self.alternatives()
            if not isinstance(value, Selector | Irate | Ratio):
                raise QueryError("abs takes a metric, an irate or a ratio of two", at)
            self._expect(")")
            return Absolute(value)
        if token.text == "irate":
            self._take()
            self._take()
            selector = self._selector()
            seconds = self._range()
            self._expect(")")
            return Irate(selector, seconds)
        raise QueryError(f"the function {token.text} is not understood: there are irate and abs", token.at)

    def _selector(self) -> Selector:
        if self.token.kind != "name":
            raise self.puzzled("a metric name")
        metric = self._take().text
        if self.token.text != "{":
            return Selector(metric)
        self._take()
        matchers = []
        while self.token.text != "}":
            matchers.append(self._matcher())
            if self.token.text == ",":
                self._take()
            elif self.token.text != "}":
                raise self.puzzled("',' or '}'")
        self._take()
        return Selector(metric, tuple(matchers))

    def _matcher(self) -> Matcher:
        if self.token.kind != "name":
            raise self.puzzled("a label")
        label = self._take().text
        operator = next((known for known in ("=", "!=", "=~", "!~") if known == self.token.text), None)
        if operator is None:
            raise self.puzzled("=, !=, =~ or !~")
        self._take()
        if self.token.kind != "string":
            raise self.puzzled("a text in quotes")
        token = self._take()
        value = _unquoted(token)
        if operator in ("=~", "!~"):
            _check_pattern(value, token.at)
        return Matcher(label, operator, value)

    def _range(self) -> float:
        if self.token.kind != "range":
            raise self.puzzled("a range such as [1m]")
        token = self._take()
        try:
            seconds = duration(token.text[1:-1].strip())
        except ValueError as error:
            raise QueryError(str(error), token.at) from None
        if not seconds:
            raise QueryError("a range must be longer than nothing", token.at)
        return seconds

    def _number(self) -> float:
        sign = 1.0
        if self.token.text in ("-", "+"):
            sign = -1.0 if self._take().text == "-" else 1.0
        if self.token.kind == "number":
            return sign * float(self._take().text)
        if self.token.text.lower() == "inf":
            self._take()
            return sign * math.inf
        raise self.puzzled("a number")

    def _expect(self, sign: str) -> None:
        if self.token.text != sign:
            raise self.puzzled(f"'{sign}'")
        self._take()

    def _take(self) -> _Token:
        token = self.token
        self._next += 1
        return token


def _unquoted(token: _Token) -> str:
    inside = token.text[1:-1]
    if token.text.startswith("`"):
        return inside

    def escaped(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPES:
            raise QueryError(f"the escape {found[0]} is not understood", token.at)
        return _ESCAPES[found[1]]

    return re.sub(r"\\(.)", escaped, inside)


def _check_pattern(pattern: str, at: int) -> None:
    if _PYTHONS_OWN.search(pattern):
        raise QueryError(f"Prometheus does not understand the pattern {pattern!r}", at)
    try:
        re.compile(pattern)
    except re.error as error:
        raise QueryError(f"not a regular expression: {pattern!r} ({error})", at) from None
