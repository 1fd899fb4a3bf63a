"""Dialects: the same cluster prints what Zed prints, or what the release behind Loghub's logs printed."""

from __future__ import annotations

import csv
import gzip
import re
import string
from collections import Counter
from pathlib import Path

import pytest

from llm.reading.headers import read
from twin.openstack.dialects import SPOKEN
from twin.openstack.nova import logs as nova
from twin.openstack.nova.compute import logs as compute
from twin.openstack.nova.virt import logs as virt
from twin.openstack.oslo import logs as messaging
from twin.telemetry.dialects import DEFAULT, MODELS
from twin.telemetry.lines import oslo, render
from twin.telemetry.lines.oslo import RequestContext
from twin.telemetry.records import Level, LogRecord, LogTemplate

LOGHUB = Path(__file__).parents[4] / "shared" / "data" / "openstack"
LINE_2017 = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ [A-Z]{4,8} [\w.-]+ "
    r"(?:\[(?:-|req-[0-9a-f-]{36} \S+ \S+ - - -)\] )?(?:\[instance: [0-9a-f-]{36}\] )?.*$",
    re.DOTALL,
)
CLAIM_TESTS = ("Attempting claim: ", "Total memory: ", "memory limit: ", "Total vcpu: ")


def fields(template: LogTemplate) -> int:
    """How many message args a template's text takes."""
    numbers, anonymous = [0], 0
    for _, name, _, _ in string.Formatter().parse(template.text):
        if name is None or name == "instance":
            continue
        anonymous += not name
        numbers.append(int(name) + 1 if name else anonymous)
    return max(numbers)


@pytest.fixture(scope="module")
def logged(openstack_world):
    """Five minutes of the same cluster in a dialect, at a level: records and rendered lines."""
    done = {}

    def run(dialect: str, level: str = "INFO"):
        if (dialect, level) not in done:
            world = openstack_world(telemetry={"dialect": dialect, "level": level})
            world.run(until=300)
            done[dialect, level] = (list(world.recorder.logs), world.log_lines(-1, 300))
        return done[dialect, level]

    return run


def test_zed_is_the_default_and_every_dialect_says_what_it_models():
    assert DEFAULT["openstack"] == "zed"
    assert set(SPOKEN) <= set(MODELS)


@pytest.mark.parametrize("dialect", sorted(SPOKEN))
def test_a_dialect_speaks_only_of_statements_that_there_are(dialect, statements):
    for id, spoken in SPOKEN[dialect].items():
        assert id in statements
        if spoken is not None:
            assert spoken.id == id
            # what a statement is given must do for all releases; the image cache gives one what only old ones print
            assert fields(spoken) <= fields(statements[id]) + (id == virt.IMAGE_IN_USE.id)


def test_lines_of_2017_have_neither_global_request_nor_summary_and_name_the_project():
    who = RequestContext("req-" + "a" * 36, "req-" + "b" * 36, "u" * 32, "p" * 32)
    access = (7, who, None, "10.0.0.1", "GET", "/v2.1/servers/detail", 200, 1893, 0.25)
    old = render(LogRecord(0.008, "nova-api", nova.NOVA_ACCESS, access), 0.0, "loghub2017")
    assert old.text == (
        f"1970-01-01 00:00:00.008 7 INFO nova.osapi_compute.wsgi.server [{who.request} {who.user} {who.project} - - -] "
        f'10.0.0.1 "GET /v2/{who.project}/servers/detail HTTP/1.1" status: 200 len: 1893 time: 0.2500000'
    )
    failed = LogRecord(
        0.0, "nova-compute", compute.SPAWN_FAILED, (7, None, "c" * 36, "nova.exception.Broken: it broke")
    )
    assert render(failed, 0.0, "zed").text.endswith("] Instance failed to spawn: nova.exception.Broken: it broke")
    assert render(failed, 0.0, "loghub2017").text.endswith("] Instance failed to spawn")


def test_no_summary_is_printed_where_the_exception_is_of_a_kind_that_is_left_out():
    record = LogRecord(0.0, "nova-compute", compute.NO_MORE_FIXED_IPS, (7, None, "c" * 36, ""))
    assert oslo.line(record, 0.0).endswith("] No more fixed IP to be allocated")


def test_claims_are_tested_aloud_only_in_2017(logged):
    zed = [line.text for line in logged("zed")[1]]
    old = [line.text for line in logged("loghub2017")[1]]
    for statement in CLAIM_TESTS:
        assert not any(statement in text for text in zed)
        assert any(statement in text for text in old)
    assert any(text.endswith("Claim successful on node compute-0") for text in zed)
    assert any(text.endswith("] Claim successful") for text in old)
    assert not any("Claim successful on" in text for text in old)
    assert any("nova.compute.resource_tracker" in text and " INFO " in text for text in old)
    assert not any("Final resource view" in text for text in zed)


def test_every_line_of_2017_has_the_format_of_its_year(logged):
    oslo_lines = [
        line.text
        for record, line in zip(*logged("loghub2017"), strict=True)
        if record.template.dialect == "oslo" and "\n" not in line.text
    ]
    assert len(oslo_lines) > 500
    for text in oslo_lines:
        assert LINE_2017.match(text), text
        assert "/v2.1/" not in text


def test_the_dialect_changes_what_is_printed_and_nothing_else(logged):
    def requests(dialect):
        return [record.time for record in logged(dialect)[0] if record.template.id == nova.NOVA_ACCESS.id]

    assert requests("zed") == requests("loghub2017")


def test_whoever_reaches_a_host_through_its_cell_is_told_twice_that_this_is_deprecated(logged):
    requests = [r.args[4] for r in logged("zed")[0] if r.template is nova.NOVA_ACCESS]
    told = Counter(r.component for r in logged("zed")[0] if r.template is messaging.RPC_CLIENT_DEPRECATED)
    claims = [r for r in logged("zed")[0] if r.template is compute.CLAIM_OK]
    assert told["nova-conductor"] in (2 * len(claims), 2 * len(claims) + 2)  # one may be under way
    assert told["nova-api"] >= 2 * requests.count("DELETE") > 0
    assert set(told) == {"nova-conductor", "nova-api"}
    assert not any("RPCClient" in line.text for line in logged("loghub2017")[1])


def test_debug_is_recorded_only_where_it_is_asked_for(logged):
    def levels(level):
        return Counter(record.template.level for record in logged("zed", level)[0])

    quiet, chatty = levels("INFO"), levels("DEBUG")
    assert quiet[Level.DEBUG] == 0 < chatty[Level.DEBUG]
    assert quiet[Level.INFO] == chatty[Level.INFO]


@pytest.mark.skipif(not LOGHUB.exists(), reason="Loghub's OpenStack logs not at hand")
def test_all_of_loghubs_templates_are_statements_of_2017(printed_by):
    with gzip.open(LOGHUB / "loghub_OpenStack_2k.log_structured.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    printed = printed_by("loghub2017")
    found = Counter()
    for row in rows:
        message = re.sub(r"^\[instance: \S+\] ", "", row["Content"])
        found[row["EventId"]] += printed.has(row["Level"], row["Component"], message)
    assert len(found) == 43
    assert sum(found.values()) == len(rows)
    assert min(found.values()) > 0


@pytest.mark.skipif(not LOGHUB.exists(), reason="a devstack's log not at hand")
@pytest.mark.parametrize(
    "name", ["devstack_nova_dhcpoff.log.gz", "devstack_nova_sample_part1.log.gz", "loghub_OpenStack_2k.log.gz"]
)
def test_old_logs_are_read_line_by_line(name):
    with gzip.open(LOGHUB / name, "rt") as file:
        readings = [read(line.rstrip("\n")) for line in file if line.strip()]
    assert all(reading.dialect == "oslo" and reading.level and reading.source for reading in readings)
