"""Findings: decided by the whole interval, undecided where something is missing, the best chosen on other data sets."""

from __future__ import annotations

import pytest

from experiments.bench.rca.findings import (
    ENTRANCES,
    GPU,
    KINDS,
    METRIC,
    MULTI_SOURCE,
    TRACE,
    Evidence,
    above,
    at_least,
    best,
    findings,
    near,
)
from experiments.bench.rca.published import ABSENT
from experiments.bench.rca.scores import Asked, Outcome

SETS = 6
CANDIDATES = ("nginx-proxy", "ray-head", "r0", "r1", "r2", "model-store")


def evidence(right: dict[str, float], otherwise: str = "nginx-proxy", sets: int = SETS) -> Evidence:
    """Methods that are right in such a share of the cases, and else name another service."""
    asked = {
        f"{k}/{fault}/{i}": Asked(f"{k}/{fault}/{i}", fault, ("r0",), CANDIDATES, "s", i, k)
        for k in range(sets)
        for fault in KINDS
        for i in range(10)
    }
    outcomes = [
        Outcome(method, name, ("r0",) if case.seed < 10 * share else (otherwise,), 0.0, "")
        for method, share in right.items()
        for name, case in asked.items()
    ]
    return Evidence.of(asked, outcomes)


ALL_RUN = {**dict.fromkeys(METRIC, 0.3), **dict.fromkeys(TRACE, 0.0), **dict.fromkeys(MULTI_SOURCE, 0.9)}


def test_a_verdict_takes_the_whole_interval_and_enough_data_sets() -> None:
    steady = dict.fromkeys(range(5), 0.8)
    assert at_least(steady, 0.7) == "holds"
    assert at_least(steady, 0.9) == "fails"
    assert at_least(dict.fromkeys(range(4), 0.8), 0.7) == "undecided"
    wide = dict(enumerate((0.1, 0.9, 0.2, 0.8, 0.5)))
    assert above(wide, 0.4) == "undecided"
    assert near(steady, 1.0) == "holds" and near(steady, 0.5) == "fails"
    assert at_least({}, 0.5) == "undecided"


def test_the_best_is_chosen_on_the_other_data_sets() -> None:
    found = evidence({"baro": 0.5, "rcd": 0.6}, sets=3)
    lucky = {name: Outcome("baro", name, ("r0",), 0.0, "") for name in found.asked if name.startswith("0/")}
    lucky_once = Evidence(found.asked, {**found.by_method, "baro": {**found.by_method["baro"], **lucky}})
    assert best(lucky_once, ("baro", "rcd"))[0] == "rcd"


def test_findings_of_a_study_like_the_study_hold() -> None:
    modern = dict.fromkeys(("nsigma", "circa", "baro", "rcd"), 0.8)
    paper, serving = evidence({**ALL_RUN, **modern}), evidence({**ALL_RUN, **dict.fromkeys(METRIC, 1.0)})
    shifts = {name: (0.1, 0.3) for name, case in paper.asked.items() if case.fault == GPU}
    multi, modern_found, trace, gpu, guideline = findings({"paper": paper, "serving": serving}, shifts)
    assert (multi.verdict, modern_found.verdict, trace.verdict) == ("holds", "holds", "holds")
    assert gpu.verdict == "fails"  # seen in 80 % of the cases, far above chance
    assert [claim.verdict for claim in gpu.claims] == ["holds", "holds", "fails"]
    assert guideline.claims[0].verdict == "holds"


def test_what_was_not_run_decides_nothing() -> None:
    partial = evidence({"microrank": 0.0})
    found = findings({"paper": partial}, {})
    assert [finding.verdict for finding in found] == ["undecided"] * 5
    assert "not run: tracerca" in {claim.note for claim in found[2].claims}
    assert findings({}, {}) == []


def test_who_cannot_be_had_is_named_and_does_without() -> None:
    had = {method: share for method, share in ALL_RUN.items() if method not in ABSENT}
    multi = findings({"paper": evidence(had)}, {})[0]
    assert multi.claims[0].verdict == "holds"
    assert all(method in multi.claims[0].note for method in ABSENT)


def test_a_slow_method_counts_with_a_part_of_every_scenario() -> None:
    whole = evidence(ALL_RUN)
    first = {name: outcome for name, outcome in whole.by_method["causalrca"].items() if whole.asked[name].seed == 0}
    some = Evidence(whole.asked, {**whole.by_method, "causalrca": first})
    assert some.missing(["causalrca"]) == []
    assert f"causalrca on {len(first)} of {len(whole.asked)}" in findings({"paper": some}, {})[0].claims[0].note
    gap = {name: outcome for name, outcome in first.items() if not name.startswith("0/")}
    assert Evidence(whole.asked, {**whole.by_method, "causalrca": gap}).missing(["causalrca"]) == ["causalrca"]


@pytest.mark.parametrize(("otherwise", "verdict"), [(ENTRANCES[1], "holds"), ("model-store", "fails")])
def test_whom_trace_methods_blame(otherwise: str, verdict: str) -> None:
    found = findings({"paper": evidence(ALL_RUN, otherwise)}, {})[2]
    assert {claim.verdict for claim in found.claims if "names" in claim.text} == {verdict}
