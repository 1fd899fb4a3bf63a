"""A site without faults: servers become ACTIVE as on CloudLab (FACTS section 7), nothing is lost, runs repeat."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from statistics import median

import pytest

from twin.telemetry.features import FEATURES


def _gaps(world):
    """(template before, template after) -> seconds between, over all servers, on the compute hosts."""
    lines = defaultdict(list)
    for record in world.recorder.logs:
        if record.component.startswith("nova-compute") and record.args[2] is not None:
            lines[record.args[2]].append(record)
    gaps = defaultdict(list)
    for records in lines.values():
        for before, after in pairwise(records):
            gaps[before.template.id, after.template.id].append(after.time - before.time)
    return gaps


@pytest.fixture(scope="module")
def in_2017(openstack_world):
    """Without a fault and hardly ever two builds at a time, as where it was measured, in the words of that release."""
    world = openstack_world(
        cluster={"kind": "openstack", "preset": "cloudlab"},
        workload={"arrivals": {"constant": "0.024/s"}, "lifetime": "8s"},
        telemetry={"dialect": "loghub2017"},
    )
    world.run(until=1990)
    return world


@pytest.mark.parametrize(
    ("before", "after", "measured"),
    [
        ("claim.vcpu-unlimited", "claim.ok", 0.038),
        ("claim.ok", "build.image", 0.591),
        ("build.image", "vm.lifecycle", 13.02),
        ("compute.pending-task-of", "vm.lifecycle", 6.57),
        ("build.took-spawn", "build.took", 0.138),
        ("delete.terminating", "delete.destroyed", 0.215),
        ("delete.destroyed", "delete.files", 0.682),
        ("delete.took", "delete.network", 0.473),
    ],
)
def test_stages_of_a_server_last_as_measured(in_2017, before, after, measured):
    assert median(_gaps(in_2017)[before, after]) == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize(
    ("template", "measured"), [("build.took-spawn", 19.72), ("build.took", 20.52), ("delete.took", 1.02)]
)
def test_the_log_says_how_long_it_took(in_2017, template, measured):
    took = [record.args[3] for record in in_2017.recorder.logs if record.template.id == template]
    assert len(took) > 40
    assert median(took) == pytest.approx(measured, rel=0.03)


@pytest.mark.parametrize(
    ("method", "path", "measured"),
    [("POST", "/v2.1/servers", 0.505), ("GET", "/v2.1/servers/", 0.192), ("DELETE", "/v2.1/servers/", 0.264)],
)
def test_the_api_answers_as_fast_as_measured(in_2017, method, path, measured):
    access = [r.args for r in in_2017.recorder.logs if r.template.id == "nova.access"]
    seconds = [a[8] for a in access if a[4] == method and (a[5] == path or (path[-1] == "/" and a[5].startswith(path)))]
    assert median(seconds) == pytest.approx(measured, rel=0.1)


def test_a_healthy_site_meets_its_objectives(healthy):
    assert not any(healthy.slo.violated)


def test_requests_are_conserved(healthy):
    requests = healthy.cluster.workload.requests
    assert requests.sent == requests.answered + requests.failed + requests.timed_out + requests.in_flight
    assert requests.in_flight <= 20
    for name in ("keystone", "nova-api", "placement", "glance-api", "neutron-server"):
        service = healthy.components[name]
        ledger = service.ledger
        assert ledger.received == ledger.refused + ledger.finished + ledger.dropped + service.in_flight
        assert 0 <= service.in_flight <= len(service._handlers)


def test_a_server_leaves_nothing_behind(openstack_world):
    world = openstack_world(rate="0.1/s")
    world.run(until=200)
    world.cluster.workload.stop()
    tables = world.cluster.site.tables
    started = world.cluster.workload.started
    world.run(until=500)
    late = world.cluster.workload.started - started
    assert len(tables.servers) <= late
    assert len(tables.allocations) <= late
    assert sum(len(c.libvirt.domains) for c in world.cluster.site.computes.values()) <= late


def test_two_runs_print_the_same(openstack_world):
    texts = []
    for _ in range(2):
        world = openstack_world(seed=11)
        world.run(until=120)
        texts.append([line.text for line in world.log_lines(0, 120)])
    assert texts[0] == texts[1]
    assert len(texts[0]) > 200


def test_a_fault_later_on_changes_nothing_before(openstack_world, on):
    plain, faulty = openstack_world(), openstack_world(on("mysql-0", "DatabaseChaos", "slow", at="150s", factor=40))
    for world in (plain, faulty):
        world.run(until=150)
    assert plain.log_lines(0, 150) == faulty.log_lines(0, 150)


def test_small_fits_the_second_size_of_the_spaces(healthy):
    assert 16 < len(healthy.components) <= 64


def test_scrapes_carry_the_exporters_names(healthy):
    window = healthy.observe(last=20)
    for component, metric in (
        ("nova-compute@compute-0", "openstack_nova_agent_state"),
        ("rabbitmq-0", "rabbitmq_connections"),
        ("mysql-0", "mysql_global_status_queries"),
        ("nova-api", "haproxy_backend_active_servers"),
    ):
        value = window.metrics[window.topology.index[component], FEATURES.index(metric), -1]
        assert value >= 1.0


def test_spans_of_a_create_reach_from_the_api_to_the_host(healthy):
    traces = defaultdict(set)
    for span in healthy.recorder.spans:
        traces[span.trace].add((span.component.split("@")[0], span.operation))
    whole = {
        ("nova-api", "servers.create"),
        ("nova-conductor", "schedule_and_build_instances"),
        ("nova-scheduler", "select_destinations"),
        ("placement", "claim"),
        ("nova-compute", "build_and_run_instance"),
        ("neutron-server", "ports.create"),
    }
    assert any(whole <= spans for spans in traces.values())
