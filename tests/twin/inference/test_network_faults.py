"""What trouble on the network does to requests: late answers or errors, and none is lost from the books."""

from __future__ import annotations

import pytest

from twin.actions import Action
from twin.mechanics.network import LEAST_RETRANSMISSION_TIMEOUT
from twin.scenario import Scenario
from twin.world import World


def conserved(world):
    gateway = world.cluster.gateway
    return gateway.accepted == gateway.answered + gateway.in_flight


def durations(world, start, end):
    """Seconds of each request that arrived in that time, by the replica that served it."""
    served = {s.trace: s.component for s in world.recorder.spans if s.operation == "llm_request"}
    found: dict[str, list[float]] = {}
    for span in world.recorder.spans:
        if span.component == "nginx-proxy" and start < span.start < end and span.trace in served:
            found.setdefault(served[span.trace], []).append(span.duration)
    return found


def mean(values):
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("direction", "target"),
    [("both", None), ("to", None), ("from", None), ("both", {"selector": {"components": ["ray-head"]}})],
)
def test_requests_are_conserved_through_a_partition_and_its_end(inference_scenario, fault, direction, target):
    fields = {"direction": direction} | ({"target": target} if target else {})
    world = World(inference_scenario(fault("NetworkChaos", "partition", duration="70s", **fields)), seed=2)
    before = 0
    for time in range(5, 300, 5):
        world.run(time)
        assert conserved(world)
        if time == 60:
            before = world.cluster.gateway.accepted
    gateway = world.cluster.gateway
    assert gateway.accepted > before + 700
    assert gateway.in_flight < 60  # what was held is through
    statuses = [s.status for s in world.recorder.spans if s.component == "nginx-proxy" and s.start > 220]
    assert statuses and set(statuses) == {200}


def test_a_cut_off_replica_gets_no_more_requests_once_serve_notices(inference_scenario, fault):
    world = World(inference_scenario(fault("NetworkChaos", "partition", direction="both")), seed=2)
    world.run(200)
    during = durations(world, 150, 190)
    assert set(during) == {"ray-replicas-0", "ray-replicas-2"}


def test_loss_makes_answers_late_and_loses_none(inference_scenario, fault):
    healthy = World(inference_scenario(), seed=2)
    lossy = World(inference_scenario(fault("NetworkChaos", "loss", loss={"loss": "40"})), seed=2)
    for world in (healthy, lossy):
        world.run(200)
        assert conserved(world)
        assert all(s.status == 200 for s in world.recorder.spans if s.component == "nginx-proxy")
    usual, late = (mean(durations(w, 70, 180)["ray-replicas-1"]) for w in (healthy, lossy))
    assert late > usual + 0.5 * LEAST_RETRANSMISSION_TIMEOUT


def test_a_narrow_link_holds_back_long_answers(inference_scenario, fault):
    narrow = fault("NetworkChaos", "bandwidth", bandwidth={"rate": "20kbps", "limit": 100000, "buffer": 10000})
    healthy, narrowed = World(inference_scenario(), seed=2), World(inference_scenario(narrow), seed=2)
    for world in (healthy, narrowed):
        world.run(200)
    usual, late = (mean(durations(w, 70, 140)["ray-replicas-1"]) for w in (healthy, narrowed))
    assert late > usual + 1.0  # 1.3 answers a second of 24 KB each are more than 20 KiB/s
    assert mean(durations(narrowed, 70, 140)["ray-replicas-0"]) < usual + 1.0


def test_another_fault_elsewhere_changes_no_draw_of_a_delay(inference_scenario, fault):
    delay = fault("NetworkChaos", "delay", delay={"latency": "500ms", "jitter": "300ms"})
    skew = fault("TimeChaos", timeOffset="5m", selector={"nodes": ["node-0"]}) | {"name": "other"}
    alone, together = World(inference_scenario(delay), seed=4), World(inference_scenario(delay, skew), seed=4)
    for world in (alone, together):
        world.run(120)
    assert durations(alone, 60, 110) == durations(together, 60, 110)


def test_nginx_does_not_come_back_while_names_do_not_resolve():
    world = World(Scenario.load("dns-failure"), seed=1)
    world.run(115)
    gateway = world.cluster.gateway
    assert gateway.up  # its connections are open
    world.run(300)
    assert not gateway.up and gateway.deaths > 2
    assert world.apply(Action("recreate", "nginx-proxy", "immediate")).legal
    world.run(330)
    assert gateway.up
