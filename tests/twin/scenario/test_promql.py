"""The part of PromQL that alert rules are written in: what is read, and what is refused, saying where."""

from __future__ import annotations

import math
import re

import pytest

from twin.scenario.promql import (
    Absolute,
    Comparison,
    Irate,
    Matcher,
    QueryError,
    Ratio,
    Selector,
    duration,
    parse,
    selector_of,
    terms,
)

A, B = Selector("a"), Selector("b")
MATCHERS = (Matcher("x", "=", "1"), Matcher("y", "!=", "\n"), Matcher("z", "=~", "p|q.*"))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("up == 0", (Comparison(Selector("up"), "==", 0.0),)),
        ("ray_vllm:waiting > 8", (Comparison(Selector("ray_vllm:waiting"), ">", 8.0),)),
        ("((a) >= -1.5e3)", (Comparison(A, ">=", -1500.0),)),
        ("a != +Inf", (Comparison(A, "!=", math.inf),)),
        ("irate(a[1m30s]) < .5", (Comparison(Irate(A, 90.0), "<", 0.5),)),
        ("irate(a[1m]) / irate(b[1m]) > 2", (Comparison(Ratio(Irate(A, 60.0), Irate(B, 60.0)), ">", 2.0),)),
        ("abs((a / b)) <= 1 # a share", (Comparison(Absolute(Ratio(A, B)), "<=", 1.0),)),
        (
            "(a > 1) or (b > 2 or a < 0)",
            (Comparison(A, ">", 1.0), Comparison(B, ">", 2.0), Comparison(A, "<", 0.0)),
        ),
        (
            """a{x="1", y!='\\n', z=~`p|q.*`,} > 0""",
            (
                Comparison(
                    Selector("a", (Matcher("x", "=", "1"), Matcher("y", "!=", "\n"), Matcher("z", "=~", "p|q.*"))),
                    ">",
                    0.0,
                ),
            ),
        ),
    ],
)
def test_what_an_expression_means(text: str, read: tuple[Comparison, ...]) -> None:
    assert parse(text) == read


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the expression ends too soon: expected a metric name, irate(…) or abs(…), at character 1"),
        ("a", "the expression compares nothing"),
        ("a > b", "'b' is not understood here: expected a number, at character 5"),
        ("a > 1 > 0", "'>' is not understood here, at character 7"),
        ("(a > 1) > 0", "what has been compared is compared again, at character 9"),
        ("a or b > 1", "'or' joins comparisons only"),
        ("rate(a[1m]) > 1", "the function rate is not understood: there are irate and abs, at character 1"),
        ("irate(a) > 1", "expected a range such as [1m]"),
        ("irate(a[1q]) > 1", "expected a duration such as 30s or 1h30m, got '1q'"),
        ("irate(a[0s]) > 1", "a range must be longer than nothing"),
        ("a + b > 1", "'+' is not understood here"),
        ("abs(a) / b > 1", "'/' is understood between two metrics"),
        ('a{b="c" > 1', "expected ',' or '}'"),
        ('a{b="\\q"} > 1', "the escape \\q is not understood"),
        ('a{b=~"("} > 1', "not a regular expression: '('"),
        ('a{b=~"(?=c)"} > 1', "Prometheus does not understand the pattern '(?=c)'"),
        ("a > 1 ; b", "';' is not understood, at character 7"),
    ],
)
def test_what_is_not_understood_is_said_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(QueryError, match=re.escape(complaint)):
        parse(text)


def test_a_label_that_is_missing_is_empty_and_a_pattern_matches_all_of_a_value() -> None:
    (found,) = terms(parse('a{b="", c=~"x|y", d!~"z", e!="1"} > 0'))
    selected = selector_of(found)
    assert selected({"__name__": "a", "c": "y"})
    assert not selected({"__name__": "a", "c": "yy"})
    assert not selected({"__name__": "a", "c": "y", "d": "z"})
    assert not selected({"__name__": "a", "c": "y", "b": "there"})
    assert not selected({"__name__": "a", "c": "y", "e": "1"})
    assert not selected({"__name__": "b", "c": "y"})


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("90s", 90), ("1h30m", 5400), ("5ms", 0.005), ("1w", 604800)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m5", "5m1h", "1.5h", "-1s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        duration(text)
