"""Rendered lines have the formats of oslo.log, MySQL and RabbitMQ: the same expressions read real files."""

from __future__ import annotations

import lzma
import re
import string
from collections import Counter
from pathlib import Path

import pytest

from llm.reading.headers import read
from llm.templates import mask
from twin.openstack.glance import logs as glance
from twin.openstack.keystone import logs as keystone
from twin.openstack.neutron import logs as neutron
from twin.openstack.neutron.agent import logs as agent
from twin.openstack.nova import logs as nova
from twin.openstack.nova.compute import init_logs as starting
from twin.openstack.nova.compute import logs as compute
from twin.openstack.oslo import logs as oslo
from twin.openstack.placement import logs as placement
from twin.openstack.placement.microversions import asked
from twin.telemetry.lines import render
from twin.telemetry.lines.oslo import SUMMARY, RequestContext
from twin.telemetry.records import Level, LogRecord, LogTemplate

REAL = Path(__file__).parents[4] / "shared" / "data" / "openstack-real"
recorded = pytest.mark.skipif(not REAL.exists(), reason="recorded control plane not at hand")

OSLO = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) [\w.]+ "
    r"(?:\[(?:-|(?:None|req-[0-9a-f-]{36}) req-[0-9a-f-]{36} (?:-|[0-9a-f]{32}) (?:-|[0-9a-f]{32}) - - "
    r"(?:-|default) (?:-|default))\] (?:\[instance: [0-9a-f-]{36}\] )?.*"
    r"|(?:\[instance: [0-9a-f-]{36}\] )?"
    r"(?:Traceback|  |\w+\.|\w+Error|\[SQL|\(Background|\['Traceback|The above|During).*"
    r"|(?:\[instance: [0-9a-f-]{36}\] )?)$",
    re.DOTALL,
)
RABBIT = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00 \[\w+\] <0\.\d+\.0> .*$", re.DOTALL)
MYSQL = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \d+ \[\w+\] \[MY-\d{6}\] \[\w+\] .*$", re.DOTALL)
TRACE = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \d+ ERROR [\w.]+ (?!\[(?:-|None|req-))")
"""A line of a stack trace."""
NOT_THE_TWINS = ("nova.virt.fake", "nova.db.main.api")
"""Loggers of the recorded cloud that a libvirt cloud has not: its fake hypervisor, and a configuration for all."""

SERVICES = [
    *("nova-api", "nova-conductor", "nova-scheduler", "nova-compute-1", "nova-compute-2", "nova-compute-3"),
    *("neutron-server", "neutron-agent-1", "placement", "glance-api", "keystone"),
]


@pytest.fixture(scope="module")
def troubled(openstack_world, on):
    """Records and lines of a cluster that loses its broker and its database for a while."""
    broker = on("rabbitmq-0", "ProcessChaos", "crash", at="40s")
    database = on("mysql-0", "ProcessChaos", "crash", at="90s") | {"name": "database"}
    world = openstack_world(broker, database, telemetry={"level": "DEBUG"})
    world.run(until=200)
    return list(zip(world.recorder.logs, world.log_lines(-1, 200), strict=True))


def _lines(name: str) -> list[str]:
    with lzma.open(REAL / name, "rt") as file:
        return [line.rstrip("\n") for line in file]


def test_every_line_has_the_format_of_its_service(troubled):
    patterns = {"oslo": OSLO, "rabbitmq": RABBIT, "mysql": MYSQL}
    seen = set()
    for record, line in troubled:
        dialect = record.template.dialect
        if dialect in patterns:
            assert patterns[dialect].match(line.text), line.text
        seen.add(dialect)
    assert {"oslo", "rabbitmq", "mysql"} <= seen
    services = {line.component.partition("@")[0] for _, line in troubled}
    assert {"nova-api", "nova-conductor", "placement", "neutron-server", "glance-api", "nova-compute"} <= services


def test_no_line_has_an_order_that_is_another_in_each_process(troubled):
    for record, line in troubled:
        assert not any(isinstance(argument, set | frozenset) for argument in record.args), line.text


def test_every_line_is_read_by_its_header(troubled):
    for record, line in troubled:
        template, reading = record.template, read(line.text)
        assert reading.dialect == template.dialect.removesuffix("-access").removesuffix("-qemu"), line.text
        if reading.dialect == "oslo":
            assert (reading.level, reading.source) == (template.level.value, template.origin), line.text
        else:
            assert reading.level in ("", line.level), line.text


def test_every_statement_is_read_back(statements):
    who = RequestContext("None", "req-" + "b" * 36, "u" * 32, "p" * 32)
    filling = {"f": 1.5, "d": 7, "x": 7}
    for template in statements.values():
        if template.dialect != "oslo":
            continue
        fields = [spec for _, name, spec, _ in string.Formatter().parse(template.text) if name is not None]
        args = [filling.get(spec[-1:], "word") for spec in fields if spec is not None] + ["word"] * 3
        line = render(LogRecord(0.0, "service", template, (1, who, "c" * 36, *args)), 0.0)
        reading = read(line.text)
        expected = template.text.format(*args)
        assert reading[:3] == ("oslo", template.level.value, template.origin), line.text
        assert reading.message == expected[: len(reading.message)]
        assert "%(" not in template.text and "%s" not in template.text, template.id


def test_only_warnings_and_errors_carry_a_summary(statements):
    summarised = [template for template in statements.values() if template.text.endswith(SUMMARY)]
    assert len(summarised) > 100
    assert {template.level for template in summarised} <= {Level.WARNING, Level.ERROR, Level.CRITICAL}


def test_every_template_belongs_to_a_known_logger_once(statements):
    named = Counter((s.dialect, s.level, s.origin, s.text) for s in statements.values())
    twice = {key: n for key, n in named.items() if n > 1 and key[0] == "oslo" and key[3] != "{}"}
    assert len(statements) > 600
    # programs that say the same through the same logger: eventlet's server, the claims and the manager of migrations
    assert len(twice) <= 5, twice


@recorded
@pytest.mark.parametrize("service", ["nova-api", "nova-scheduler", "neutron-server", "placement", "glance-api"])
def test_the_same_expression_reads_a_recorded_control_plane(service):
    records = [line for line in _lines(f"{service}.log.xz") if re.match(r"^\d{4}-\d\d-\d\d \d\d:", line)]
    assert sum(bool(OSLO.match(line)) for line in records) >= 0.99 * len(records)


@recorded
def test_every_record_of_a_recorded_control_plane_is_read():
    for path in sorted(REAL.glob("*.log.xz")):
        begun = [line for line in _lines(path.name) if re.match(r"^\d{4}-\d\d-\d\d ", line)]
        dialect = {"mariadb.log.xz": "mariadb", "rabbitmq.log.xz": "rabbitmq"}.get(path.name, "oslo")
        readings = [read(line) for line in begun]
        assert begun and {reading.dialect for reading in readings} == {dialect}, path.name
        assert all(reading.level for reading in readings)


@recorded
@pytest.mark.parametrize("service", SERVICES)
def test_whatever_a_recorded_service_says_is_a_statement_of_ours(service, printed_by):
    zed = printed_by("zed")
    said = [line for line in _lines(f"{service}.log.xz") if re.match(r"^\d{4}-\d\d-\d\d ", line)]
    readings = [read(line) for line in said if not TRACE.match(line)]
    unknown = [
        reading
        for reading in readings
        if not zed.has(reading.level, reading.source, reading.message) and reading.source not in NOT_THE_TWINS
    ]
    # the recorded hypervisor is a fake, and options that its configuration sets are deprecated over several lines
    assert [r for r in unknown if "fake.FakeDriver" not in r.message and not r.message.startswith("Deprecated")] == []
    assert readings


UUID = "0a35d9c1-6f0e-4c39-8a3f-6a2d2c0f6c11"
LOST = f"oslo_db.exception.DBConnectionError: {oslo.LOST_CONNECTION}"
REFUSED = f"oslo_db.exception.DBConnectionError: {oslo.CANNOT_CONNECT}".replace("controller-0", "127.0.0.1")
SAID = {
    compute.CLAIM_OK: ("compute-1",),
    compute.TOOK_SPAWN: (19.72,),
    compute.TOOK_BUILD: (20.5,),
    compute.TERMINATING: (),
    compute.TOOK_DESTROY: (1.03,),
    compute.TOOK_DEALLOCATE: (0.5,),
    compute.DELETED_ALLOCATIONS: (UUID,),
    compute.SYNC_COUNT: (3, 2),
    compute.VM_NOT_FOUND: (),
    starting.DELETION_RESTARTED: (),
    starting.INIT_STUCK: (),
    nova.STARTING: ("compute",),
    nova.NOVA_ACCESS: ("10.0.0.1", "POST", "/v2.1/servers", 202, 733, 0.6686139),
    nova.NOVA_UNEXPECTED: (REFUSED,),
    nova.NOVA_THROWN: (nova.UNEXPECTED_API_ERROR,),
    nova.NOT_HEARD_FROM: ("compute-1", "compute-1", 7168, 20480, 0, 2),
    nova.INSTANCES_RECREATED: ("compute-2",),
    neutron.NEUTRON_ACCESS: ("10.0.0.1", "POST", "/v2.0/ports", 201, 1000, 0.4),
    neutron.NO_MORE_DHCP_AGENTS: (),
    neutron.DHCP_UNSCHEDULABLE: (UUID,),
    neutron.NETWORK_RESCHEDULING_EXCEPTION: (REFUSED,),
    agent.SG_MEMBER_UPDATED: ([UUID],),
    placement.PLACEMENT_ACCESS: ("10.0.0.1", "PUT", f"/allocations/{UUID}", 204, 0, "1.36"),
    glance.GLANCE_ACCESS: ("10.0.0.1", "21/Nov/2026 00:00:01", "GET", f"/v2/images/{UUID}", 200, 1117, 0.1),
    keystone.KEYSTONE_PASSWORD: (),
    keystone.POLICY_DEPRECATED: (),
    oslo.REPORT_RECOVERED: (),
    oslo.DATABASE_LOST: (LOST,),
    oslo.RPC_CLIENT_DEPRECATED: (),
    oslo.AUTH_NO_SERVICE_ROLES: (),
}
"""Statements that the recorded services reached, with such fields as the twin gives them."""


@recorded
def test_what_the_services_say_reads_word_for_word_as_recorded():
    heard = {
        (reading.level, reading.source, mask(reading.message).text)
        for path in REAL.glob("*.log.xz")
        for reading in map(read, _lines(path.name))
    }
    for template, args in SAID.items():
        reading = read(render(LogRecord(0.0, "service", template, (1, None, None, *args)), 0.0).text)
        assert (reading.level, reading.source, mask(reading.message).text) in heard, reading


@recorded
def test_requests_to_placement_have_the_recorded_microversions():
    requests = re.compile(r'"(\w+) (/\S*)" status: \d+ len: \S+ microversion: ([\d.]+)$')
    found = [requests.search(line) for line in _lines("placement.log.xz")]
    assert len([match for match in found if match]) > 1000
    for match in filter(None, found):
        assert asked(match[1], match[2]) == match[3], match[0]


def test_midnight_prints_its_milliseconds():
    template = LogTemplate("t", "oslo", Level.INFO, "nova.service", "Starting {} node")
    record = LogRecord(0.0, "nova-api", template, (7, None, None, "api"))
    line = "2026-01-01 00:00:00.000 7 INFO nova.service [-] Starting api node"
    assert render(record, 1767225600.0).text == line
