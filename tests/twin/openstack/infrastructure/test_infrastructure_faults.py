"""Faults of the infrastructure: whom they hit, what they say of a wrong scenario, and what cures them."""

from __future__ import annotations

import pytest

from twin import Action
from twin.scenario.errors import ScenarioError


@pytest.mark.parametrize(
    ("kind", "action", "target", "fields", "message"),
    [
        ("DatabaseChaos", "slow", "rabbitmq-0", {"factor": 2}, "it hits a database server"),
        ("DatabaseChaos", "deadlocks", "mysql-0", {"share": 1.5}, "share"),
        ("DatabaseChaos", "deadlocks", "mysql-0", {"hold": "0s"}, "expected a duration above 0"),
        ("DatabaseChaos", "connectionExhaustion", "mysql-0", {"share": 0}, "share"),
        ("DatabaseChaos", "deadlock", "mysql-0", {}, "deadlocks"),
        ("BrokerChaos", "partition", "mysql-0", {}, "it hits a node of the message broker"),
        (
            "BrokerChaos",
            "partition",
            "rabbitmq-0",
            {"peers": ["rabbitmq-4"]},
            "no other node .* 'rabbitmq-4'",
        ),
        (
            "BrokerChaos",
            "partition",
            "rabbitmq-0",
            {"peers": ["rabbitmq-0"]},
            "no other node .* 'rabbitmq-0'",
        ),
        ("BrokerChaos", "memoryAlarm", "rabbitmq-0", {"growth": 0}, "growth"),
        ("BalancerChaos", "flap", "rabbitmq-0", {}, "it hits a service behind the load balancer"),
        ("BalancerChaos", "flap", "placement", {"layer": "os"}, "layer"),
    ],
)
def test_a_wrong_fault_says_what_is_wrong(rig, fault, kind, action, target, fields, message):
    with pytest.raises(ScenarioError, match=message.replace("[", r"\[")):
        rig(fault(kind, action, target, 10, **fields))


def test_a_broker_of_one_cannot_be_partitioned(rig, fault):
    with pytest.raises(ScenarioError, match="three controllers"):
        rig(fault("BrokerChaos", "partition", "rabbitmq-0", 10), controllers=1)


@pytest.mark.parametrize(
    ("kind", "action", "target", "fields"),
    [
        ("DatabaseChaos", "slow", "mysql-0", {"factor": 20}),
        ("DatabaseChaos", "connectionExhaustion", "mysql-0", {}),
        ("DatabaseChaos", "deadlocks", "mysql-0", {}),
        ("BrokerChaos", "memoryAlarm", "rabbitmq-0", {"growth": "5GB"}),
        ("BalancerChaos", "flap", "placement", {}),
    ],
)
def test_a_restart_cures_what_sits_in_the_process(rig, fault, kind, action, target, fields):
    r = rig(fault(kind, action, target, 10, **fields))
    r.run(40)
    assert r.world.truth.active
    ticket = r.world.apply(Action("restart", target, "immediate"))
    r.run(100)
    assert ticket.relieved
    assert not r.world.truth.active
    assert r.world.components[target].up
    assert not [alarm for node in r.site.broker.nodes for alarm in node.alarms]


def test_a_partition_is_cured_by_a_reboot_and_not_by_a_restart(rig, fault):
    r = rig(fault("BrokerChaos", "partition", "rabbitmq-1", 10, peers=["rabbitmq-0"]))
    r.run(20)
    assert not r.world.apply(Action("restart", "rabbitmq-1", "immediate")).relieved
    r.run(60)
    assert r.world.truth.active
    r.world.apply(Action("reboot", "controller-1", "immediate"))
    r.run(400)
    assert not r.world.truth.active
    assert all(node.serving for node in r.site.broker.nodes)
    assert all(server.ready for server in r.site.database.servers)


def test_a_partition_cuts_brokers_and_nobody_else(rig, fault):
    r = rig(fault("BrokerChaos", "partition", "rabbitmq-1", 10))
    r.run(20)
    network, brokers, servers = r.world.network, r.site.broker.nodes, r.site.database.servers
    assert not network.reachable(brokers[0], brokers[1])
    assert network.reachable(brokers[0], brokers[2])
    assert network.reachable(servers[0], servers[1])
    assert network.reachable(r.callers[0], brokers[1])


def test_a_machine_without_power_takes_its_members_along_and_brings_them_back(rig, fault):
    r = rig(fault("NodeChaos", "powerLoss", "controller-1", 50, duration=60))
    outcomes = []
    r.every(0.5, 40.0, 100.0, lambda i: r.cast(i, caller=i % 6))
    r.every(0.5, 60.0, 100.0, lambda _: r.transaction(outcomes))
    r.run(100)
    assert len(r.site.database.view) == 2
    assert not any(error for _, _, error in outcomes)
    r.run(600)
    assert len(r.site.database.view) == 3
    assert all(node.serving for node in r.site.broker.nodes)
    assert sorted(number for _, number in r.worker.done) == list(range(120))


def test_two_runs_print_the_same(rig, crash, fault):
    texts = []
    for _ in range(2):
        r = rig(crash("rabbitmq-0", 20), crash("mysql-0", 30), fault("BalancerChaos", "flap", "placement", 40))
        outcomes = []
        r.every(0.2, 10.0, 90.0, lambda i, r=r: r.cast(i, caller=i % 6))
        r.every(0.3, 10.0, 90.0, lambda _, r=r: r.ping(outcomes))  # noqa: B023
        r.run(120)
        texts.append([line.text for line in r.world.log_lines(0, 120)])
    assert texts[0] == texts[1]
    assert len(texts[0]) > 300
