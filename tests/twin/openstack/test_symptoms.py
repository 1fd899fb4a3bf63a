"""What faults look like on a real control plane: the symptom is elsewhere, comes late, or is no ERROR at all."""

from __future__ import annotations

from collections import Counter
from statistics import median

import pytest


def errors(world, start=120.0):
    """Records of ERROR and above by component, lines of traces included."""
    return Counter(
        record.component
        for record in world.recorder.logs_between(start, world.now)
        if record.template.level.value in ("ERROR", "CRITICAL")
    )


def all_of(on, kind, count, name, **fields):
    """The same fault on several servers of a kind."""
    return [{**on(f"{name}-{i}", kind, "stop", **fields), "name": f"fault-{i}"} for i in range(count)]


def test_a_killed_conductor_is_silent_while_every_compute_turns_down(openstack_world, on):
    world = openstack_world(on("nova-conductor", "ServiceChaos", "stop", signal="SIGKILL"), rate="0.1/s")
    site = world.cluster.site
    computes = [compute.name for compute in site.computes.values() if compute.up]
    world.run(until=160)
    assert all(site.heard_from(name) for name in computes)
    world.run(until=185)
    assert not any(site.heard_from(name) for name in computes)
    assert all(world.components[name].up for name in computes)
    assert not [r for r in world.recorder.logs_between(120, 185) if r.component == "nova-conductor"]


@pytest.mark.parametrize("at", [120, 124, 127])
def test_a_killed_compute_still_looks_up_for_most_of_a_minute(openstack_world, on, at):
    fault = on("nova-compute@compute-0", "ServiceChaos", "stop", at=f"{at}s", signal="SIGKILL")
    world = openstack_world(fault, rate="0.05/s")
    world.run(until=at + 47)
    assert world.cluster.site.heard_from("nova-compute@compute-0")
    world.run(until=at + 62)
    assert not world.cluster.site.heard_from("nova-compute@compute-0")


def test_a_stopped_database_floods_the_logs_and_a_slow_one_prints_nothing(openstack_world, on):
    stopped = openstack_world(*all_of(on, "ServiceChaos", 3, "mysql", duration="60s"), rate="0.1/s")
    stopped.run(until=180)
    found = errors(stopped)
    assert sum(found.values()) > 2000
    assert {"neutron-server", "nova-api", "keystone", "nova-conductor"} <= set(found)
    slow = openstack_world(on("mysql-0", "DatabaseChaos", "slow", factor=40), rate="0.1/s")
    slow.run(until=180)
    assert errors(slow) == {}
    times = [record.args[8] for record in slow.recorder.logs if record.template.id == "nova.access"]
    before = [r.args[8] for r in slow.recorder.logs_between(0, 120) if r.template.id == "nova.access"]
    assert median(times[len(before) :]) > 4 * median(before)


def test_a_broker_outage_loses_nothing_that_was_confirmed_and_only_delays(openstack_world, on):
    faults = all_of(on, "ServiceChaos", 3, "rabbitmq", signal="SIGKILL", duration="50s")
    world = openstack_world(*faults, rate="0.1/s")
    world.run(until=420)
    broker, tables = world.cluster.site.broker, world.cluster.site.tables
    assert broker.lost == broker.expired == 0
    assert broker.delivered == broker.published
    assert {server.status for server in tables.servers.values() if server.created < 360.0} == {"ACTIVE"}
    assert world.cluster.workload.requests.failed == 0


def test_a_broker_in_pieces_loses_heartbeats_and_then_no_host_is_valid(openstack_world, on):
    faults = [
        {**on(f"rabbitmq-{i}", "BrokerChaos", "partition", duration=f"{170 + 10 * i}s"), "name": f"fault-{i}"}
        for i in (0, 1)
    ]
    world = openstack_world(*faults, rate="0.2/s")
    site = world.cluster.site
    world.run(until=280)
    templates = {record.template.id for record in world.recorder.logs_between(120, 280)}
    assert {"rabbitmq.minority", "amqp.unreachable", "report.lost"} <= templates
    assert not any(site.heard_from(f"nova-compute@compute-{i}") for i in (0, 1))
    assert all(world.components[f"nova-compute@compute-{i}"].up for i in (0, 1))
    world.run(until=420)
    assert all(site.heard_from(f"nova-compute@compute-{i}") for i in (0, 1))
    causes = [
        str(r.args) for r in world.recorder.logs_between(300, 420) if r.template.id == "conductor.schedule-failed"
    ]
    assert any("No valid host was found" in cause for cause in causes)
