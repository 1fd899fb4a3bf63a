"""RabbitMQ: nothing confirmed is lost with a node; a minority pauses; an alarm blocks publishers; silence lasts."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin import Action
from twin.mechanics import rabbitmq as limits
from twin.mechanics.conditions import Condition, Traffic
from twin.mechanics.layers import Layer
from twin.openstack.oslo.exceptions import MessagingTimeout


def _numbers(worker):
    return Counter(number for _, number in worker.done)


def _conserved(r):
    broker = r.site.broker
    left = sum(len(queue) for queue in broker.queues.values()) + broker.fanouts.waiting
    assert left == broker.waiting
    gone = broker.delivered + broker.expired + broker.purged + broker.lost
    assert broker.published + broker.duplicates == left + gone


def test_clients_are_spread_over_the_nodes(rig):
    r = rig(callers=30)
    r.run(1)
    assert {node.name for node in r.site.broker.nodes if len(node.connections) >= 4} == {
        "rabbitmq-0",
        "rabbitmq-1",
        "rabbitmq-2",
    }


@pytest.mark.parametrize("node", [0, 1, 2])
def test_nothing_is_lost_when_a_node_dies(rig, crash, node):
    r = rig(crash(f"rabbitmq-{node}", 50, "container"))
    r.every(0.02, 45.0, 60.0, lambda i: r.cast(i, caller=i % 6))
    r.run(90)
    assert _numbers(r.worker) == Counter(range(750))
    assert r.published == 750
    _conserved(r)


def test_the_leader_s_death_delays_by_an_election_and_a_reconnection(rig, crash):
    r = rig()
    r.run(1)
    leader = r.site.broker.queues["work"].leader
    r = rig(crash(leader.name, 50, "container"))
    r.at(50.001, lambda: r.cast(1))
    r.run(80)
    (took,) = (time - 50 for time, _ in r.worker.done)
    assert limits.ELECTION[0] < took < 5.0
    assert r.site.broker.queues["work"].leader is not leader
    assert r.lines("rabbitmq.elected")


def test_calls_survive_a_node_s_death_late(rig, crash):
    r = rig(crash("rabbitmq-0", 50, "container"))
    outcomes = []
    r.every(0.1, 49.0, 52.0, lambda i: r.call(i, outcomes, caller=i % 6))
    r.run(120)
    assert sorted(outcome for _, outcome in outcomes) == list(range(30))


def test_clients_of_a_dead_node_go_on_to_the_next(rig, crash):
    r = rig(crash("rabbitmq-0", 50, "container"), callers=12)
    r.run(49)
    before = set(r.site.broker.nodes[0].connections)
    assert before
    r.run(60)
    moved = {line.component for line in r.lines("amqp.reconnected")}
    assert moved == before
    assert all(line.args[4] in ("controller-1", "controller-2") for line in r.lines("amqp.reconnected"))
    assert all(line.args[4] == "controller-0" for line in r.lines("amqp.unreachable"))


def test_a_client_and_its_node_name_the_same_port(rig, crash):
    r = rig(crash("rabbitmq-0", 50, "container"), callers=12)
    r.run(60)
    named = {(line.component, line.args[5]) for line in r.lines("amqp.reconnected")}
    seen = {connection.port for node in r.site.broker.nodes for connection in node.connections.values()}
    assert named
    assert {port for _, port in named} <= seen
    assert {port for _, port in named} <= {line.args[4] for line in r.lines("rabbitmq.accept")}


def test_a_port_is_its_client_s_however_many_connect_beside_it(rig, crash):
    def ports(callers):
        r = rig(crash("rabbitmq-0", 50, "container"), callers=callers)
        r.run(60)
        assert any(line.component in {caller.name for caller in r.callers[:6]} for line in r.lines("amqp.reconnected"))
        connections = [c for node in r.site.broker.nodes for c in node.connections.values()]
        return {c.client.name: (c.port, c.uuid) for c in connections if c.client in r.callers[:6]}

    assert ports(6) == ports(12)


def test_one_of_three_pauses_and_serves_again_with_its_majority(rig, crash):
    r = rig(crash("rabbitmq-1", 50, "container"), crash("rabbitmq-2", 50, "container"))
    r.at(55.0, lambda: r.cast(1))
    r.run(60)
    alone = r.site.broker.nodes[0]
    assert alone.up
    assert alone.paused
    assert not r.site.broker.up
    assert r.lines("rabbitmq.minority", "rabbitmq-0")
    assert len(r.lines("rabbitmq.forced", "rabbitmq-0")) >= 1
    assert any("(320) CONNECTION_FORCED" in line.args[5] for line in r.lines("amqp.unreachable"))
    assert not r.worker.done
    r.world.apply(Action("recreate", "rabbitmq-1", "immediate"))
    r.run(120)
    assert not alone.paused
    assert [number for _, number in r.worker.done] == [1]


def test_a_partition_is_noticed_by_the_net_tick_and_pauses_the_minority(rig, fault):
    r = rig(fault("BrokerChaos", "partition", "rabbitmq-2", 50, duration=200))
    minority = r.site.broker.nodes[2]
    r.every(0.5, 40.0, 200.0, lambda i: r.cast(i, caller=i % 6))
    r.run(80)
    assert not minority.paused
    r.run(130)
    assert minority.paused
    noticed = r.lines("rabbitmq.minority", "rabbitmq-2")[0].time
    assert 0.75 * limits.NET_TICK <= noticed - 50 <= 1.25 * limits.NET_TICK
    r.run(300)
    assert not minority.paused
    assert _numbers(r.worker) == Counter(range(320))
    _conserved(r)


def test_what_else_happens_to_a_node_does_not_put_its_tick_off(rig, fault):
    def noticed(*others):
        r = rig(fault("BrokerChaos", "partition", "rabbitmq-2", 50, duration=200), *others)
        r.run(130)
        return r.lines("rabbitmq.minority", "rabbitmq-2")[0].time

    assert noticed({**fault("BrokerChaos", "memoryAlarm", "rabbitmq-0", 70), "name": "other"}) == noticed()


def test_of_two_that_do_not_hear_each_other_one_pauses(rig, fault):
    r = rig(fault("BrokerChaos", "partition", "rabbitmq-1", 50, duration=200, peers=["rabbitmq-0"]))
    r.every(0.5, 40.0, 200.0, lambda i: r.cast(i, caller=i % 6))
    r.run(140)
    assert sum(node.paused for node in r.site.broker.nodes) == 1
    assert not r.site.broker.nodes[2].paused
    assert len(r.lines("rabbitmq.partial")) == 1
    r.run(300)
    assert not any(node.paused for node in r.site.broker.nodes)
    assert _numbers(r.worker) == Counter(range(320))
    _conserved(r)


def test_a_memory_alarm_blocks_publishers_and_not_consumers(rig, fault):
    r = rig(fault("BrokerChaos", "memoryAlarm", "rabbitmq-1", 50, duration=100, growth="5GB"))
    r.worker.job_seconds = 15.0
    outcomes = []
    r.run(52)
    for number in range(2000):  # more than the consumer can take up
        r.cast(number)
    r.run(70)
    assert r.site.broker.waiting
    r.call(-1, outcomes)
    r.cast(-2)
    done = len(r.worker.done)
    r.run(148)
    assert len(r.worker.done) > done
    assert {line.component for line in r.lines("rabbitmq.alarm")} == {f"rabbitmq-{i}" for i in range(3)}
    assert [line.args[3] for line in r.lines("oslo.amqp-blocked", "caller-0")] == ["low on memory"]
    assert isinstance(outcomes[0][1], MessagingTimeout)
    assert -1 not in _numbers(r.worker)
    r.run(300)
    assert r.lines("oslo.amqp-unblocked", "caller-0")
    assert {-1, -2} <= set(_numbers(r.worker))  # late, past the time at which the caller gave up
    _conserved(r)


def test_a_full_disk_on_one_node_blocks_all(rig, fault):
    r = rig(fault("NodeChaos", "diskFull", "controller-2", 50, duration=60))
    r.at(60.0, lambda: r.cast(1))
    r.run(100)
    assert not r.worker.done
    assert {line.component for line in r.lines("rabbitmq.alarm")} == {"rabbitmq-0", "rabbitmq-1"}
    r.run(130)
    assert len(r.worker.done) == 1


def test_a_silent_connection_is_given_up_after_the_heartbeats(rig):
    r = rig()
    r.run(1)
    node = r.site.broker.host_of(r.callers[0]).node.name
    host = r.callers[0].node
    r.at(50.0, lambda: host.impose(Condition(Layer.NETWORK, "blocked", 1.0, "cut", Traffic("both", frozenset({node})))))
    r.at(55.0, lambda: r.cast(1))
    r.run(105)
    assert not r.worker.done
    assert r.callers[0].connected
    r.run(140)
    noticed = r.lines("amqp.unreachable", "caller-0")[0].time - 50
    assert limits.HEARTBEAT <= noticed <= limits.HEARTBEAT + limits.CLIENT_CHECK + limits.WATCH
    assert r.lines("rabbitmq.missed")
    assert [number for _, number in r.worker.done] == [1]


def test_what_was_taken_up_over_a_cut_connection_is_done_again(rig):
    r = rig()
    r.worker.job_seconds = 30.0
    r.run(1)
    for number in range(300):
        r.cast(number)
    r.run(10)
    host, node = r.worker.node, r.site.broker.host_of(r.worker).node.name
    host.impose(Condition(Layer.NETWORK, "blocked", 1.0, "cut", Traffic("both", frozenset({node}))))
    r.run(300)
    counts = _numbers(r.worker)
    assert set(counts) == set(range(300))
    assert max(counts.values()) == 2
    assert sum(counts.values()) == 300 + r.site.broker.duplicates
    _conserved(r)


def test_messages_wait_for_a_consumer_and_not_for_ever(rig, crash):
    r = rig(crash("worker", 10, "container"))
    r.at(20.0, lambda: r.cast(1))
    r.at(500.0, lambda: r.cast(2))
    r.run(650)
    broker = r.site.broker
    assert [m.arguments["number"] for m in broker.queues["work"]] == [1, 2]
    assert sum(node.sample()[0] for node in broker.nodes) == 2
    r.world.apply(Action("recreate", "worker", "immediate"))
    r.run(750)
    assert [number for _, number in r.worker.done] == [2]
    assert broker.expired == 1
    _conserved(r)


def test_a_call_that_nobody_takes_up_expires_with_its_time_out_and_a_cast_does_not(rig, crash):
    r = rig(crash("worker", 10, "container"))
    outcomes = []
    r.at(20.0, lambda: r.cast(1))
    r.at(21.0, lambda: r.call(2, outcomes))
    r.at(22.0, lambda: r.call(3, outcomes, timeout=200.0))
    r.run(100)
    assert len(r.site.broker.queues["work"]) == 3  # only the head of a queue expires, and a cast is before it
    assert isinstance(outcomes[0][1], MessagingTimeout)
    r.world.apply(Action("recreate", "worker", "immediate"))
    r.run(190)
    assert sorted(number for _, number in r.worker.done) == [1, 3]
    assert r.site.broker.expired == 1 and outcomes[1][1] == 3
    _conserved(r)


def test_a_call_that_was_taken_up_in_time_is_carried_out_late(rig):
    r = rig()
    r.worker.job_seconds = 50.0
    outcomes = []
    r.run(1)
    for number in range(700):  # it has threads for a part of them; the others wait in its memory
        r.call(number, outcomes)
    r.run(400)
    assert sum(isinstance(outcome, MessagingTimeout) for _, outcome in outcomes) > 100
    assert _numbers(r.worker) == Counter(range(700))
    assert not r.site.broker.expired
    assert r.lines("amqp.late", "caller-0")


def test_a_purged_queue_is_empty(rig, crash):
    r = rig(crash("worker", 10, "container"))
    r.every(1.0, 20.0, 30.0, r.cast)
    r.run(40)
    assert r.site.broker.purge("work") == 10
    assert r.site.broker.purge("work") == 0
    _conserved(r)


def test_a_broker_of_one_loses_its_classic_queues(rig, crash):
    r = rig(crash("worker", 10, "container"), crash("rabbitmq-0", 30), controllers=1)
    r.at(20.0, lambda: r.cast(1))
    r.run(60)
    assert r.site.broker.up
    assert r.site.broker.lost == 1
    assert not r.site.broker.waiting
    _conserved(r)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deaths=st.lists(
        st.tuples(st.sampled_from([0, 1, 2]), st.floats(5.0, 80.0), st.sampled_from(["process", "container"])),
        max_size=3,
        unique_by=lambda death: death[0],
    ),
    gap=st.sampled_from([0.05, 0.3]),
)
def test_messages_are_conserved_whatever_dies(rig, crash, deaths, gap):
    r = rig(*(crash(f"rabbitmq-{node}", at, layer) for node, at, layer in deaths))
    r.every(gap, 1.0, 90.0, lambda i: r.cast(i, caller=i % 6))
    r.run(95)
    _conserved(r)
    for name in {f"rabbitmq-{node}" for node, _, layer in deaths if layer == "container"}:
        r.world.apply(Action("recreate", name, "immediate"))
    r.run(500)
    assert _numbers(r.worker) == Counter(range(int(89.0 / gap)))
    _conserved(r)


def test_a_dead_machine_is_noticed_by_its_clients_only_after_the_heartbeats(rig, fault):
    r = rig(fault("NodeChaos", "powerLoss", "controller-1", 50, duration=400), callers=12)
    r.run(49)
    before = set(r.site.broker.nodes[1].connections)
    assert before
    r.run(50 + limits.HEARTBEAT - 1)
    assert not r.lines("amqp.unreachable")
    r.every(0.5, 50 + limits.HEARTBEAT, 130.0, lambda i: r.cast(i, caller=i % 12))
    r.run(180)
    assert {line.component for line in r.lines("amqp.unreachable")} == before
    assert all(line.args[5] == "Too many heartbeats missed" for line in r.lines("amqp.unreachable"))
    assert _numbers(r.worker) == Counter(range(40))
    r.run(900)
    assert all(node.serving for node in r.site.broker.nodes)
    _conserved(r)
