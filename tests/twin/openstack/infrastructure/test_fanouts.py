"""Fan-outs: one message, a transient queue for each process that listens, on the node that it was connected to."""

from __future__ import annotations

from collections import Counter

import pytest

from twin.mechanics import rabbitmq as limits
from twin.mechanics.conditions import Condition, Traffic
from twin.mechanics.layers import Layer


def heard(service):
    return [number for _, number in service.done]


def conserved(r):
    broker = r.site.broker
    left = sum(len(queue) for queue in broker.queues.values()) + broker.fanouts.waiting
    assert left == broker.waiting
    assert (
        broker.published + broker.duplicates == left + broker.delivered + broker.expired + broker.purged + broker.lost
    )


def test_everybody_who_listens_hears_it_once(rig):
    r = rig()
    r.every(1.0, 1.0, 11.0, r.fan_out)
    r.run(20)
    assert all(Counter(heard(service)) == Counter(range(10)) for service in (r.worker, *r.callers))
    assert r.site.broker.delivered == 10 * (1 + len(r.callers))
    conserved(r)


def test_an_alarm_holds_fan_outs_back_like_everything_that_is_published(rig, fault):
    r = rig(fault("BrokerChaos", "memoryAlarm", "rabbitmq-1", 50, duration=60, growth="5GB"))
    r.at(60.0, lambda: r.fan_out(1))
    r.run(105)
    assert not heard(r.worker)
    r.run(130)
    assert heard(r.worker) == [1]
    conserved(r)


def test_a_queue_keeps_what_comes_while_its_consumer_is_cut_off(rig):
    r = rig()
    r.run(1)
    node = r.site.broker.host_of(r.worker).node.name
    host = r.worker.node
    cut = Condition(Layer.NETWORK, "blocked", 1.0, "cut", Traffic("both", frozenset({node})))
    r.at(50.0, lambda: host.impose(cut))
    r.at(60.0, lambda: r.fan_out(1))
    r.run(55.0 + limits.HEARTBEAT)
    assert not heard(r.worker) and r.site.broker.waiting == 1
    r.at(150.0, lambda: host.lift(cut))
    r.run(220)
    assert heard(r.worker) == [1]
    conserved(r)


def test_a_node_takes_its_transient_queues_along(rig, crash):
    r = rig()
    r.run(1)
    node = r.site.broker.host_of(r.worker)
    other = next(i for i, caller in enumerate(r.callers) if r.site.broker.host_of(caller) is not node)
    node.impose(Condition(Layer.CONTAINER, "killed", 1.0, "test"))
    r.fan_out(1, caller=other)  # before the worker has found another node
    r.run(60)
    r.fan_out(2, caller=other)
    r.run(61)
    assert heard(r.worker) == [2]
    conserved(r)


@pytest.mark.parametrize("seconds", [100.0, limits.TRANSIENT_TTL + 100.0])
def test_the_queue_of_a_dead_process_fills_until_it_has_been_unused_for_long(rig, seconds):
    r = rig()
    r.run(1)
    r.worker.stop("killed")
    r.at(10.0, lambda: r.fan_out(1))
    r.at(20.0, r.worker.start)
    r.run(1 + seconds)
    assert not heard(r.worker)  # the new process has declared a queue of its own
    broker = r.site.broker
    assert (broker.waiting, broker.expired) == ((1, 0) if seconds < limits.TRANSIENT_TTL else (0, 1))
    assert sum(node.sample()[0] for node in broker.nodes) == broker.waiting
    conserved(r)
