"""The page of scores and findings: grouped, the best marked, nothing of it but text."""

from __future__ import annotations

import re

from experiments.bench.rca.findings import Claim, Finding
from experiments.bench.rca.page import grouped, render
from experiments.bench.rca.scores import Asked, Outcome, Score, scores
from policies.statistics import Interval

CANDIDATES = ("a", "b", "c", "d")
EVIL = "<script>x('y')</script>"


def scored(**first: str) -> list[Score]:
    """Two methods on a CPU and a network fault of `a`; `first` says whom a method names first, by method."""
    faults = ("cpu", "network")
    asked = {fault: Asked(fault, fault, ("a",), CANDIDATES, fault, 1, 0) for fault in faults}
    outcomes = [Outcome(method, fault, (name,), 0.01) for method, name in first.items() for fault in faults]
    return scores(outcomes, asked)


def test_lines_stand_in_groups_and_the_best_of_each_is_marked() -> None:
    groups = grouped(scored(good="a", poor="b"))
    assert list(groups) == ["all kinds of fault", "cpu", "network"]
    good, poor = groups["cpu"]
    assert (good.score.method, poor.score.method) == ("good", "poor")
    assert good.best == {"AC@1", "AC@3", "AC@5", "Avg@5", "lift"} and not poor.best
    assert not grouped(scored(alone="a"))["cpu"][0].best


def test_a_page_is_whole_and_says_what_was_left_out() -> None:
    page = render("rca bench x", {"split": "train"}, {"x": scored(good="a", poor="b")}, broken={"a_cpu/2": "no data"})
    assert len(re.findall("<tbody>", page)) == 3
    assert '<td class="n best">1.00 <span class="i">' in page
    assert "Cases that cannot be read" in page and "<code>no data</code>" in page
    assert "http" not in page.replace("http-equiv", "") and "<h2>Findings</h2>" not in page


def test_findings_come_with_their_verdicts_and_intervals() -> None:
    claims = (
        Claim("profile `serving` helps", "holds", Interval(0.5, 0.25, 0.75, 6), "points"),
        Claim("twice", "undecided", Interval(-0.001, float("-inf"), float("inf"), 1), counts=False),
    )
    page = render("findings", {}, {"profile paper": scored(good="a")}, [Finding("It works", claims)])
    assert '<th>It works</th><th class="verdict holds">holds</th>' in page
    assert "profile <code>serving</code> helps" in page
    assert '0.50 <span class="i">[0.25, 0.75]</span> points' in page
    assert '0.00 <span class="i">[no interval]</span>' in page and "(for information)" in page


def test_everything_is_escaped() -> None:
    asked = {
        EVIL: Asked(EVIL, EVIL, ("a",), CANDIDATES, "s", 1, 0),
        "b": Asked("b", "b", ("a",), CANDIDATES, "t", 2, 0),
    }
    found = scores([Outcome(EVIL, name, ("a",), 0.0) for name in asked], asked)
    finding = Finding(f"`{EVIL}`", (Claim(f"`{EVIL}`", "fails", None, EVIL, EVIL),))
    page = render(EVIL, {EVIL: EVIL}, {EVIL: found, "other": found}, [finding], {EVIL: EVIL})
    assert "<script" not in page and page.count("&lt;script&gt;") > 10
