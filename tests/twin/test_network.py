"""The network between components: what conditions do to messages, and what TCP hides of it."""

from __future__ import annotations

import math

import pytest

from twin.mechanics.conditions import Condition, Traffic
from twin.mechanics.layers import Layer
from twin.scenario import ScenarioError
from twin.world import World

QUIET = {"arrivals": {"constant": "1/h"}, "prompt": 512, "output": 128}


@pytest.fixture
def world(inference_scenario):
    return World(inference_scenario(workload=QUIET, horizon="4000s"), seed=1)


def impose(world, name, parameter, value, direction="to", peers=(), layer=Layer.CONTAINER):
    condition = Condition(layer, parameter, value, "test", Traffic(direction, frozenset(peers)))
    world.components[name].impose(condition)
    return condition


class Sender:
    """Sends numbered messages and notes when each arrived."""

    def __init__(self, world, source, target):
        self.world, self.ends = world, (world.components[source], world.components[target])
        self.arrived = []

    def send(self, number, **how):
        self.world.network.deliver(*self.ends, lambda: self.arrived.append((number, self.world.now)), **how)


def test_a_healthy_path_delivers_at_once(world):
    sender = Sender(world, "nginx-proxy", "ray-head")
    sender.send(1)
    assert sender.arrived == [(1, 0.0)]


def test_delays_of_pod_and_node_add_up(world):
    impose(world, "ray-replicas-1", "latency", 1.0)
    impose(world, "node-1", "latency", 0.5, layer=Layer.NETWORK)
    out, back = Sender(world, "ray-replicas-1", "nginx-proxy"), Sender(world, "nginx-proxy", "ray-replicas-1")
    out.send(1)
    back.send(1)
    world.run(10)
    assert out.arrived == [(1, 1.5)]
    assert back.arrived == [(1, 0.0)]  # only what leaves is delayed
    network, ends = world.network, out.ends
    assert network.round_trip(*ends) == network.round_trip(*reversed(ends)) == 1.5


def test_within_a_machine_its_interface_does_not_matter(world):
    impose(world, "node-head", "blocked", 1.0, "both", layer=Layer.NETWORK)
    inside, outside = Sender(world, "nginx-proxy", "ray-head"), Sender(world, "nginx-proxy", "ray-replicas-1")
    inside.send(1)
    outside.send(1)
    world.run(5)
    assert inside.arrived == [(1, 0.0)] and outside.arrived == []


def test_jitter_keeps_the_order_of_a_pair_and_stays_within_its_range(world):
    impose(world, "ray-replicas-1", "latency", 1.0)
    impose(world, "ray-replicas-1", "jitter", 0.9)
    sender = Sender(world, "ray-replicas-1", "nginx-proxy")
    for number in range(200):
        world.run(number * 0.01)
        sender.send(number)
    world.run(20)
    assert [number for number, _ in sender.arrived] == list(range(200))
    waits = [time - number * 0.01 for number, time in sender.arrived]
    assert min(waits) >= 0.1 and max(waits) <= 1.9 + 1e-9
    assert len(set(waits)) > 2


def test_a_later_message_waits_for_an_earlier_one_after_the_delay_is_gone(world):
    delay = impose(world, "ray-replicas-1", "latency", 1.0)
    sender = Sender(world, "ray-replicas-1", "nginx-proxy")
    sender.send(1)
    world.run(0.5)
    world.components["ray-replicas-1"].lift(delay)
    sender.send(2)
    world.run(3)
    assert sender.arrived == [(1, 1.0), (2, 1.0)]


def test_a_keyed_draw_does_not_depend_on_other_messages(inference_scenario):
    def arrival(others):
        world = World(inference_scenario(workload=QUIET), seed=5)
        impose(world, "ray-replicas-1", "latency", 1.0)
        impose(world, "ray-replicas-1", "jitter", 0.5)
        for other in range(others):
            Sender(world, "ray-replicas-1", "node-0").send(other)
        sender = Sender(world, "ray-replicas-1", "nginx-proxy")
        sender.send(7, key=(7, "end"))
        world.run(10)
        return sender.arrived

    assert arrival(0) == arrival(30)


def test_loss_costs_retransmission_timeouts_and_never_a_message(world):
    impose(world, "ray-replicas-1", "loss", 0.3)
    sender = Sender(world, "ray-replicas-1", "nginx-proxy")
    for number in range(200):
        world.run(number * 8.0 + 8)
        sender.send(number)
    world.run(1900)
    waits = [time - number * 8.0 - 8 for number, time in sender.arrived]
    assert len(waits) == 200
    late = [wait for wait in waits if wait > 0]
    assert len(late) / 200 == pytest.approx(0.3, abs=0.08)
    assert min(late) == pytest.approx(0.2002)  # Linux' least time-out above the round trip
    assert any(wait == pytest.approx(0.6006) for wait in late)  # the second one is twice as long
    assert world.network.retransmitted["node-1"] >= len(late)


def test_corruption_acts_as_loss(world):
    impose(world, "ray-replicas-1", "corruption", 1.0)
    sender = Sender(world, "ray-replicas-1", "nginx-proxy")
    sender.send(1)
    world.run(60)
    assert sender.arrived == [] and not world.network.reachable(*sender.ends)


def test_a_partition_holds_messages_until_it_heals(world):
    cut = impose(world, "ray-replicas-1", "blocked", 1.0, "both")
    out, back = Sender(world, "ray-replicas-1", "nginx-proxy"), Sender(world, "nginx-proxy", "ray-replicas-1")
    for number in range(3):
        out.send(number)
        back.send(number)
    world.run(30)
    assert out.arrived == back.arrived == []
    assert not world.network.reachable(*out.ends)
    world.components["ray-replicas-1"].lift(cut)
    assert world.network.reachable(*out.ends)
    world.run(120)
    for sender in (out, back):
        assert [number for number, _ in sender.arrived] == [0, 1, 2]
        assert all(30 < time < 60 for _, time in sender.arrived)  # at the next retransmission, doubled so far


def test_a_connection_is_given_up_after_tcp_retries2(world):
    cut = impose(world, "ray-replicas-1", "blocked", 1.0)
    sender = Sender(world, "ray-replicas-1", "nginx-proxy")
    sender.send(1)
    world.run(1000)
    world.components["ray-replicas-1"].lift(cut)
    world.run(1200)
    assert sender.arrived == []
    sender.send(2)
    assert sender.arrived == [(2, 1200.0)]


def test_a_partition_can_be_of_one_direction_and_one_peer(world):
    impose(world, "ray-replicas-1", "blocked", 1.0, "from", ["ray-head"])
    replica, head, other = (world.components[n] for n in ("ray-replicas-1", "ray-head", "ray-replicas-0"))
    path = world.network.path
    assert path(head, replica).blocked
    assert not path(replica, head).blocked and not path(other, replica).blocked
    assert not world.network.reachable(replica, head)  # a connection needs both directions
    assert world.network.reachable(replica, other)


def test_bandwidth_and_round_trips_bound_a_bulk_transfer(world):
    ends = world.components["ray-replicas-1"], world.components["ray-head"]
    seconds = world.network.transfer_seconds
    assert seconds(*ends, 12.5e9) == pytest.approx(10.0)  # a 10 Gbit/s link
    slow = impose(world, "ray-replicas-1", "bandwidth", 1e6)
    assert seconds(*ends, 1e8) == pytest.approx(100.0)
    ends[0].lift(slow)
    impose(world, "ray-replicas-1", "latency", 1.0)
    assert seconds(*ends, 60 * 2**20) == pytest.approx(11.0)  # a window of 6 MiB a round trip, and the first one
    impose(world, "ray-replicas-1", "blocked", 1.0)
    assert math.isinf(seconds(*ends, 1.0))


def test_a_token_bucket_lets_pass_one_message_after_the_other(world):
    impose(world, "ray-replicas-1", "bandwidth", 1000.0)
    first, second = Sender(world, "ray-replicas-1", "nginx-proxy"), Sender(world, "ray-replicas-1", "node-0")
    first.send(1, size=500.0)
    second.send(1, size=1500.0)  # another connection, the same bucket
    world.run(10)
    assert first.arrived == [(1, 0.5)] and second.arrived == [(1, 2.0)]


def test_a_stream_uses_the_bucket_from_its_first_byte_on(world):
    impose(world, "ray-replicas-1", "bandwidth", 1000.0)
    sender = Sender(world, "ray-replicas-1", "nginx-proxy")
    world.run(5)
    sender.send(1, size=3000.0, since=1.0)  # slower than the bucket: no wait
    assert sender.arrived == [(1, 5.0)]
    sender.send(2, size=9000.0, since=1.0)
    world.run(20)
    assert sender.arrived[1] == (2, 13.0)


def test_names_resolve_unless_dns_fails_or_is_cut_off(world):
    replica, head = world.components["ray-replicas-1"], world.components["ray-head"]
    assert world.network.resolves(replica)
    impose(world, "ray-replicas-1", "dns_failure", 1.0)
    assert not world.network.resolves(replica) and world.network.resolves(head)
    impose(world, "node-0", "blocked", 1.0, "both", layer=Layer.NETWORK)
    assert not world.network.resolves(world.components["ray-replicas-0"])


@pytest.mark.parametrize(("parameter", "value", "seen"), [("latency", 4.0, True), ("latency", 11.0, False)])
def test_a_scrape_that_is_late_is_absent(world, parameter, value, seen):
    impose(world, "ray-replicas-1", parameter, value)
    assert world.components["ray-replicas-1"].reachable is seen
    assert world.components["gpu-1"].reachable  # its exporter is not in the pod's network namespace


def test_everything_on_a_cut_off_node_is_absent_and_nothing_else(world):
    impose(world, "node-1", "blocked", 1.0, layer=Layer.NETWORK)
    absent = {c.name for c in world.components.values() if not c.reachable and c.up}
    assert absent == {"node-1", "gpu-1", "ray-replicas-1"}


def test_a_new_pod_is_clean_and_a_restarted_process_is_not(world):
    impose(world, "ray-replicas-1", "latency", 1.0)
    replica, head = world.components["ray-replicas-1"], world.components["ray-head"]
    replica.renew(frozenset({Layer.PROCESS}), "restart")
    assert world.network.round_trip(replica, head) == 1.0
    replica.renew(frozenset({Layer.CONTAINER}), "recreate")
    assert world.network.round_trip(replica, head) == 0.0


# --- NetworkChaos -----------------------------------------------------------------------------------------------


def imposed(scenario, name="ray-replicas-1"):
    world = World(scenario, seed=1)
    world.run(61)
    return {c.parameter: (c.value, c.traffic) for c in world.components[name].conditions}


def test_chaos_meshs_strings_become_quantities(inference_scenario, fault):
    delay = {"latency": "1000ms", "correlation": "0.25", "jitter": "100ms"}
    found = imposed(inference_scenario(fault("NetworkChaos", "delay", direction="to", delay=delay), workload=QUIET))
    assert {name: value for name, (value, _) in found.items()} == {"latency": 1.0, "jitter": 0.1, "correlation": 0.0025}
    several = fault("NetworkChaos", "netem", loss={"loss": "25"}, delay={"latency": "90ms"})
    assert imposed(inference_scenario(several, workload=QUIET))["loss"][0] == 0.25
    bandwidth = {"rate": "1mbps", "limit": 20971520, "buffer": 10000}
    shaped = imposed(inference_scenario(fault("NetworkChaos", "bandwidth", bandwidth=bandwidth), workload=QUIET))
    assert shaped["bandwidth"][0] == 2**20


def test_a_target_names_the_other_end(inference_scenario, fault):
    target = {"mode": "all", "selector": {"namespaces": ["ray"], "labelSelectors": {"app": "ray-head"}}}
    cut = fault("NetworkChaos", "partition", direction="both", target=target)
    assert imposed(inference_scenario(cut, workload=QUIET)) == {
        "blocked": (1.0, Traffic("both", frozenset({"ray-head"})))
    }


@pytest.mark.parametrize(
    ("action", "fields", "message"),
    [
        ("delay", {}, "missing key 'delay'"),
        ("delay", {"delay": {"latency": "1x"}}, "expected a duration such as 60s"),
        ("delay", {"delay": {"latency": "-1s"}}, "0 or more"),
        ("delay", {"delay": {"latency": "1s"}, "direction": "from"}, "needs a target"),
        ("delay", {"delay": {"latency": "1s"}, "externalTargets": ["1.1.1.1"]}, "'externalTargets' is not supported"),
        ("delay", {"delay": {"latency": "1s", "reorder": {}}}, "unknown key 'reorder'"),
        ("loss", {"loss": {"loss": "140"}}, "a percentage"),
        ("bandwidth", {"bandwidth": {"rate": "1mbit", "limit": 1, "buffer": 1}}, "bytes a second"),
        ("netem", {}, "expected delay, loss"),
        ("partition", {"target": {"selector": {"pods": {"ray": ["nobody"]}}}}, "no component 'nobody'"),
        ("partition", {"target": {"selector": {}}}, "matches nothing"),
    ],
)
def test_what_network_chaos_cannot_mean_is_refused(inference_scenario, fault, action, fields, message):
    with pytest.raises(ScenarioError, match=message) as raised:
        World(inference_scenario(fault("NetworkChaos", action, **fields)))
    assert raised.value.path[:3] == ("spec", "faults", 0)
