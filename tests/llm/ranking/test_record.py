"""A case's lines: their shapes are those of the regular expression, and what is heard is what `llm.evidence` hears."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.evidence import Said, heard, said
from llm.ranking.case import Line
from llm.ranking.record import TOGETHER, read_record
from llm.ranking.shapes import LOOKED_AT, shapes
from twin.telemetry.records import LogLine

VARIABLE = re.compile(
    r"\b (?! \d{1,3} (?! [\w.:/-] | ,\d )) [0-9a-f]* \d [\w.:/-]* (?: ,\d [\w.:/-]* )*", re.VERBOSE | re.ASCII
)
"""As the module's docstring has it."""


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("2026-01-01 00:00:00.339 66106 INFO took 0.240 s", "# # # INFO took # s"),
        ("[req-e6b1e754-96ca-46e9-9084-dec95a5d3c6a] GET /v1 502 1,024 x", "[req-#] GET /v1 502 # x"),
        ("Xid (PCI:0000:05:00): 79, a1 b, deadbeef", "Xid (PCI:#): 79, # b, deadbeef"),
        ("tap85a8cde6-a9 on compute-1 at 10.0.0.7:80/x", "tap85a8cde6-# on compute-1 at #"),
        ("", ""),
    ],
)
def test_times_ids_and_numbers_are_hidden_and_codes_are_not(text: str, shape: str) -> None:
    assert shapes([text]) == [shape.encode()]


@given(st.lists(st.text(st.sampled_from("abfgzAFZ_0159 .:/-,;@[`{\xe9\u0661\n\ud800")), max_size=6))
def test_shapes_are_those_of_the_expression(texts: list[str]) -> None:
    plain = [text.replace("\n", " ").replace("\ud800", "?") for text in texts]
    assert shapes(texts) == [VARIABLE.sub("#", text).encode() for text in plain]


def test_the_end_of_a_long_line_does_not_matter() -> None:
    assert len(set(shapes([f"{'x' * LOOKED_AT}{end}" for end in ("", "y", " z" * 10**6)]))) == 1


MESSAGES = ("INFO 01-01 00:00:0{} [x.py:1] Took {} s", "ERROR 01-01 00:00:00 [x.py:1] status: 50{}", "free text {}")


@given(
    st.lists(st.tuples(st.floats(0.0, 60.0), st.sampled_from("ab"), st.sampled_from(MESSAGES), st.integers(0, 9))),
    st.booleans(),
)
def test_what_is_heard_of_columns_is_what_is_heard_of_lines(
    spoken: list[tuple[float, str, str, int]], failing: bool
) -> None:
    lines = sorted(Line(time, service, message.format(n, n)) for time, service, message, n in spoken)
    found = read_record(lines).heard(10.0, 50.0, failing)
    each = [one for one in read(lines) if one.failing >= failing]
    assert list(found.items()) == list(heard(each, 10.0, 50.0).items())


def test_lines_by_the_thousand_are_all_heard_and_stack_traces_are_not() -> None:
    trace = "2026-01-01 00:00:00.000 7 ERROR nova.x Traceback (most recent call last):"
    lines = [Line(float(i), "a", trace if i % 5 == 0 else f"done in {i}.5 s") for i in range(2 * TOGETHER + 1)]
    (key, one), *others = read_record(lines).heard(-1.0, len(lines)).items()
    assert (key, one.times, others) == (("a", "done in <num> s"), 1600, [])
    assert (one.first.text, one.last.time) == ("done in 1.5 s", 2 * TOGETHER - 1)


def read(lines: list[Line]) -> list[Said]:
    return list(said(LogLine(line.time, line.service, "", line.text) for line in lines))
