"""Rendered lines have the formats of oslo.log, MySQL and RabbitMQ: the same expressions read real files."""

from __future__ import annotations

import importlib
import lzma
import pkgutil
import re
from pathlib import Path

import pytest

from twin import openstack
from twin.telemetry.records import Level, LogRecord, LogTemplate

REAL = Path(__file__).parents[4] / "shared" / "data" / "openstack-real"

OSLO = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) [\w.]+ "
    r"(?:\[(?:-|(?:None|req-[0-9a-f-]{36}) req-[0-9a-f-]{36} (?:-|[0-9a-f]{32}) (?:-|[0-9a-f]{32}) - - "
    r"(?:-|default) (?:-|default))\] (?:\[instance: [0-9a-f-]{36}\] )?.*"
    r"|(?:Traceback|  |\w+\.|\w+Error|\[SQL|\(Background|The above|During).*|)$"
)
RABBIT = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00 \[\w+\] <0\.\d+\.0> .*$")
MYSQL = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \d+ \[\w+\] \[MY-\d{6}\] \[\w+\] .*$")


def test_every_line_has_the_format_of_its_service(openstack_world, on):
    broker = on("rabbitmq", "ProcessChaos", "crash", at="40s")
    database = on("mysql", "ProcessChaos", "crash", at="90s") | {"name": "database"}
    world = openstack_world(broker, database)
    world.run(until=200)
    patterns = {"rabbitmq": RABBIT, "mysql": MYSQL}
    seen = set()
    for line in world.log_lines(0, 200):
        assert patterns.get(line.component, OSLO).match(line.text), line.text
        seen.add(line.component)
    assert {"rabbitmq", "mysql", "nova-api", "nova-conductor", "placement", "neutron-server", "glance-api"} <= seen


@pytest.mark.skipif(not REAL.exists(), reason="recorded control plane not at hand")
@pytest.mark.parametrize("service", ["nova-api", "nova-scheduler", "neutron-server", "placement", "glance-api"])
def test_the_same_expression_reads_a_recorded_control_plane(service):
    with lzma.open(REAL / f"{service}.log.xz", "rt") as file:
        lines = [line.rstrip("\n") for line in file]
    records = [line for line in lines if re.match(r"^\d{4}-\d\d-\d\d \d\d:", line)]
    assert sum(bool(OSLO.match(line)) for line in records) >= 0.99 * len(records)


def _catalogues():
    names = [module.name for module in pkgutil.walk_packages(openstack.__path__, "twin.openstack.")]
    return [importlib.import_module(name) for name in names if name.endswith(".logs")]


def _statements():
    return [value for module in _catalogues() for value in vars(module).values() if isinstance(value, LogTemplate)]


def test_every_template_belongs_to_a_known_logger_once():
    templates = _statements()
    assert len(_catalogues()) >= 9
    assert len({template.id for template in templates}) == len(templates)


def test_midnight_prints_its_milliseconds():
    from twin.telemetry.lines import oslo

    template = LogTemplate("t", "oslo", Level.INFO, "nova.service", "Starting {} node")
    record = LogRecord(0.0, "nova-api", template, (7, None, None, "api"))
    assert oslo.line(record, 1767225600.0) == "2026-01-01 00:00:00.000 7 INFO nova.service [-] Starting api node"
