"""Evidence of a window against a reference: errors that are new, lines that are lost."""

from __future__ import annotations

from math import exp

import pytest

from llm.evidence import at_least, at_most, by_component, habits, lost_lines, new_errors, said
from llm.reading.severity import implied
from twin.telemetry.records import LogLine

ACCESS = '10.0.0.7 - - [01/Jan/2026:00:00:07 +0000] "POST /v1/x HTTP/1.1" {} 24 "-" "curl" "-" 6.8'


def oslo(time: float, component: str, message: str, level: str = "INFO", request: str = "[-] ") -> LogLine:
    return LogLine(time, component, level, f"2026-01-01 00:00:00.000 7 {level} nova.x {request}{message}")


def usual(end: float = 100.0) -> list[LogLine]:
    """nova-api answers every second, nova-compute claims every ten seconds and fails to do one thing every twenty."""
    lines = [oslo(t + 0.5, "nova-api", f"GET /servers/{t} done in {t}.5 s") for t in range(int(end))]
    lines += [oslo(t + 0.5, "nova-compute", f"Claim {t} ok") for t in range(0, int(end), 10)]
    lines += [oslo(t + 0.7, "nova-compute", f"Could not do {t}", "ERROR") for t in range(0, int(end), 20)]
    return sorted(lines)


def test_nothing_departs_where_all_is_as_usual() -> None:
    lines = list(said(usual(160)))
    reference = habits(lines, 0.0, 100.0)
    assert by_component(new_errors(reference, lines, 100.0, 160.0)) == {}
    assert all(lost.surprise < 1.0 for lost in lost_lines(reference, lines, 100.0, 160.0))


def test_a_component_that_falls_silent_loses_its_lines() -> None:
    lines = [line for line in said(usual(160)) if line.component != "nova-api" or line.time < 100]
    lost = lost_lines(habits(lines, 0.0, 100.0), lines, 100.0, 160.0)[0]
    assert (lost.component, lost.seen, lost.expected) == ("nova-api", 0, 60.0)
    assert lost.template == "GET /servers/<num> done in <num> s"
    assert lost.surprise == pytest.approx(60.0 / 2.302585)


def test_errors_are_new_by_template_and_in_the_order_of_their_first_line() -> None:
    broken = [oslo(t, "nova-scheduler", f"No valid host {t}", "ERROR") for t in (120, 121, 122)]
    broken += [oslo(110, "nova-compute", "Build failed", "ERROR")]
    lines = sorted(said(usual(160) + broken))
    found = new_errors(habits(lines, 0.0, 100.0), lines, 100.0, 160.0)
    assert [(d.component, d.time, d.seen) for d in found] == [("nova-compute", 110, 1), ("nova-scheduler", 120, 3)]
    assert found[1].surprise > found[0].surprise


def test_a_usual_error_is_new_where_it_comes_far_more_often() -> None:
    more = [oslo(100.5 + i / 10, "nova-compute", f"Could not do {i}", "ERROR") for i in range(50)]
    lines = sorted(said(usual(160) + more))
    found = new_errors(habits(lines, 0.0, 100.0), lines, 100.0, 160.0)
    assert [d.component for d in found] == ["nova-compute"]
    assert found[0].surprise > 20


def test_a_server_error_in_an_access_log_is_a_failure_and_no_usual_line() -> None:
    lines = [LogLine(float(t), "nginx", "INFO", ACCESS.format(200 if t < 100 else 502)) for t in range(1, 160)]
    reference, read = habits(said(lines), 0.0, 99.0), list(said(lines))
    assert [d.component for d in new_errors(reference, read, 99.0, 159.0)] == ["nginx"]
    assert [d.seen for d in lost_lines(reference, read, 99.0, 159.0)] == [0]


def test_a_stack_trace_counts_once() -> None:
    trace = [oslo(1.0, "nova-compute", text, "ERROR", "") for text in ("Traceback (most recent call last):", "  File")]
    assert [line.template for line in said([oslo(1.0, "nova-compute", "It broke", "ERROR"), *trace])] == ["It broke"]


def test_bursts_are_less_surprising_when_they_are_missed() -> None:
    steady = [oslo(t + 0.5, "a", "x") for t in range(0, 100, 2)]
    bursts = [oslo(float(t) + i / 100, "b", "x") for t in (30, 80) for i in range(1, 26)]
    lines = sorted(said(steady + bursts))
    lost = {d.component: d for d in lost_lines(habits(lines, 0.0, 100.0), lines, 100.0, 120.0)}
    assert lost["a"].expected == lost["b"].expected == 10.0
    assert lost["a"].surprise > 4 > 1 > lost["b"].surprise


def test_a_reference_has_a_length() -> None:
    with pytest.raises(ValueError, match="no length"):
        habits([], 5.0, 5.0)


@pytest.mark.parametrize("mean", [0.3, 4.0, 60.0])
def test_the_tails_are_those_of_poisson(mean: float) -> None:
    shares = [exp(-mean)]
    for k in range(1, 400):
        shares.append(shares[-1] * mean / k)
    for count in (0, 1, 3, 50, 90):
        assert 10 ** -at_most(count, mean) == pytest.approx(sum(shares[: count + 1]))
        if count:
            assert 10 ** -at_least(count, mean) == pytest.approx(sum(shares[count:]), rel=1e-6)


def test_far_tails_do_not_underflow() -> None:
    assert at_most(0, 500.0) == pytest.approx(500 / 2.302585, rel=1e-6)
    assert at_least(10_000, 1.0) == at_most(0, 1e5) == 300.0


@pytest.mark.parametrize(
    ("dialect", "message", "level"),
    [
        ("kernel", "NVRM: Xid (PCI:0000:19:00): 79, pid='<unknown>', GPU has fallen off the bus.", "ERROR"),
        ("kernel", "NVRM: GPU at PCI:0000:19:00: GPU-dd91b96b", "INFO"),
        ("kernel", "device tapc01b5f09-61 entered promiscuous mode", "INFO"),
        ("haproxy", "Server nova_api_back/controller-0 is DOWN, reason: Layer4", "WARNING"),
        ("haproxy", "backend nova_api_back has no server available!", "CRITICAL"),
        ("nginx-access", '"GET / HTTP/1.1" 502', "INFO"),
    ],
)
def test_what_a_line_without_a_level_is(dialect: str, message: str, level: str) -> None:
    assert implied(dialect, message) == level
