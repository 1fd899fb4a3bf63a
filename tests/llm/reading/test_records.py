"""Records: headers read, and what belongs to them."""

from __future__ import annotations

import time
from pathlib import PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm.reading.headers import HEADERS
from llm.reading.records import LogEntry, attributed, entries, request_ids
from llm.reading.report import SAMPLES, SHAPES, FileReport
from llm.reading.stamps import Clock

UUID = "5bf39d40-16a3-4bb4-8a5f-8ee1a1b2c3d4"
OSLO = "2026-11-21 10:02:11.123 4242 {} nova.compute.manager [None req-{} u p - - d d] [instance: {}] {}"


def read(*lines: str, own: str = "x", name: str = "x") -> tuple[list[LogEntry], FileReport]:
    report = FileReport("x.log")
    return attributed(list(entries(lines, PurePath("x.log"), own, Clock(2026), report)), name), report


def test_a_record_says_level_logger_request_and_instance() -> None:
    (entry,), _ = read(OSLO.format("ERROR", UUID, UUID, "Instance failed to spawn"))
    assert (entry.level, entry.logger, entry.pid) == ("ERROR", "nova.compute.manager", "4242")
    assert (entry.request, entry.instance) == (f"req-{UUID}", UUID)
    assert (entry.message, entry.dialect, entry.number, entry.trace) == ("Instance failed to spawn", "oslo", 1, False)
    assert entry.time == pytest.approx(1795255331.123)


@pytest.mark.parametrize(
    ("context", "own", "caller"),
    [
        ("-", "", ""),
        ("None req-1 u p - - d d", "req-1", ""),
        ("req-g req-1 u p - - d d", "req-1", "req-g"),
        ("req-1 u p - - -", "req-1", ""),
        ("req-1 greq-g usr u prj p", "req-1", "req-g"),
        ("req-1", "req-1", ""),
        ("None req-1 - - - - - -", "req-1", ""),
    ],
)
def test_request_ids_of_every_release(context: str, own: str, caller: str) -> None:
    assert request_ids(context) == (own, caller)


def test_a_stack_trace_without_headers_belongs_to_the_record_before() -> None:
    trace = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "oslo_db.exception.DBError: gone"]
    found, report = read(OSLO.format("ERROR", 1, UUID, "It broke"), *trace, "", OSLO.format("INFO", 2, UUID, "next"))
    assert [entry.message for entry in found] == ["\n".join(["It broke", *trace]), "next"]
    assert (report.lines, report.headed, report.continued, report.blank, report.unknown) == (6, 2, 3, 1, 0)
    assert report.share == 1.0


def test_lines_of_no_known_format_are_counted_and_kept() -> None:
    found, report = read("(APIServer pid=7) INFO 11-21 10:02:11 [core.py:1] ready", "Loading shards: 33% done", "@@ 7")
    assert [(entry.dialect, entry.message) for entry in found[1:]] == [("", "Loading shards: 33% done"), ("", "@@ 7")]
    assert found[1].time == found[0].time
    assert (report.unknown, report.share) == (2, 1 / 3)
    assert report.shapes == {"a a: 0% a": 1, "@@ 0": 1}
    assert report.samples == ["Loading shards: <num>% done", "@@ <num>"]


def test_a_program_that_always_prints_a_header_goes_on_in_lines_without_one() -> None:
    found, report = read(OSLO.format("WARNING", 1, UUID, "Deprecated:"), "only noauth2 is for testing")
    assert [entry.message for entry in found] == ["Deprecated:\nonly noauth2 is for testing"]
    assert report.unknown == 1  # it belongs there, but nothing in it says so


def test_shapes_and_samples_are_bounded() -> None:
    _, report = read(*(f"{i:b}".replace("0", "#").replace("1", "+") for i in range(1, 2 * SHAPES)))
    assert len(report.shapes) == SHAPES + 1
    assert len(report.samples) == SAMPLES
    assert sum(report.shapes.values()) == report.unknown == 2 * SHAPES - 1


def test_lines_without_a_time_have_their_predecessors() -> None:
    found, report = read(
        "INFO nova.x [-] before any time",
        OSLO.format("INFO", 1, UUID, "dated"),
        "INFO nova.x [-] after",
    )
    assert [entry.time for entry in found] == [None, found[1].time, found[1].time]
    assert report.undated == 1


def test_levels_that_a_format_does_not_print_follow_from_the_message() -> None:
    found, _ = read(
        "Nov 21 10:02:11 node-1 kernel: [ 12.345678] NVRM: Xid (PCI:0000:19:00): 79, GPU has fallen", own=""
    )
    assert [(entry.level, entry.component) for entry in found] == [("ERROR", "node-1")]


def test_what_a_collector_put_around_a_line_is_taken_off() -> None:
    inner = "INFO 11-21 10:02:11 [core.py:1] ready"
    for around in (
        f"2026-11-21T10:02:11.5Z stdout F {inner}",
        f"2026-11-21T10:02:11.5Z {inner}",
        f"vllm-1  | {inner}",
    ):
        (entry,), _ = read(around, own="")
        assert (entry.dialect, entry.message, entry.level) == ("vllm", "ready", "INFO")


def test_a_line_that_a_runtime_parted_is_put_together() -> None:
    cri = "2026-11-21T10:02:11.5Z stdout "
    found, report = read(cri + "P INFO 11-21 10:02:11 [core.py:1] rea", cri + "F dy")
    assert [entry.message for entry in found] == ["ready"]
    assert report.lines == 1


def test_journals_name_the_program() -> None:
    journal = "Nov 21 10:02:11 host-1 devstack@n-cpu.service[77]: "
    found, report = read(
        journal + "INFO nova.compute.manager [None req-1 demo demo] VM Started",
        "Nov 21 10:02:12 host-1 sshd[5]: Accepted publickey",
        own="",
    )
    assert [(entry.component, entry.dialect, entry.pid) for entry in found] == [
        ("nova-compute@host-1", "oslo", "77"),
        ("sshd@host-1", "syslog", "5"),
    ]
    assert found[1].time == pytest.approx((found[0].time or 0) + 1)
    assert report.unknown == 0


def test_a_file_name_before_the_line_names_the_service() -> None:
    line = "nova-compute.log.1.2017-05-16_13:55:31 2017-05-16 00:00:00.008 25 INFO nova.virt.x [-] up"
    (entry,), _ = read(line, own="")
    assert (entry.component, entry.logger) == ("nova-compute", "nova.virt.x")


def test_processes_of_a_file_of_many_are_told_by_their_loggers() -> None:
    def line(pid: int, logger: str) -> str:
        return f"2026-11-21 10:02:11.123 {pid} INFO {logger} [-] x"

    found, _ = read(
        line(1, "nova.compute.claims"), line(1, "os_vif"), line(2, "glance.api.v2"), own="", name="messages"
    )
    assert [entry.component for entry in found] == ["nova-compute", "nova-compute", "glance-api"]
    found, _ = read(line(1, "nova.compute.claims"), line(1, "os_vif"), own="", name="all-of-host-7")
    assert {entry.component for entry in found} == {"all-of-host-7"}


START = st.sampled_from(
    [
        "",
        "Nov 21 10:02:11 h kernel: ",
        "2026-11-21 10:02:11.123 7 INFO nova [",
        "INFO 2026-11-21 10:02:11,123 a ",
        "I1121 ",
    ]
)


@settings(deadline=None)
@given(st.lists(st.tuples(START, st.text(max_size=120)).map("".join), max_size=30))
def test_arbitrary_lines_are_all_accounted_for(lines: list[str]) -> None:
    found, report = read(*lines)
    assert report.lines == report.blank + report.headed + report.continued + report.unknown == len(lines)
    assert len(found) >= report.headed


HOSTILE = [
    "a" * 60,
    "1.",
    "[",
    "a.",
    "(",
    "Aa",
    " ",
    "-",
    "A_",
    "| ",
    "] ",
    "req-1 ",
    "2026-11-21 ",
    "[instance: ",
    "x=1 ",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_lines_take_linear_time(piece: str) -> None:
    starts = ["", "INFO 2026-11-21 10:02:11,123 controller ", "2026-05-16 00:00:00.008 25 INFO nova [", "(", "1-1"]
    took = []
    for size in (1_000, 8_000):
        began = time.process_time()
        for start in starts:
            read(*[start + piece * (size // len(piece))] * 20)
        took.append(time.process_time() - began)
    assert took[1] < 0.5 + 30 * took[0]
    assert all(header.groupindex["message"] for header in HEADERS.values())
