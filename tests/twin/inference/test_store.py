"""The model store: downloads share its bandwidth exactly, fail as downloads fail, and are kept on disk."""

from __future__ import annotations

import pytest

from twin.actions import Action
from twin.inference.store import IMAGE
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.mechanics.serving import CLIENT_BANDWIDTH, FETCH_BACKOFF, STORE_BANDWIDTH
from twin.process import State
from twin.world import World

IDLE = {"arrivals": {"poisson": "0.0001/s"}, "prompt": 512, "output": 128}
SECOND = CLIENT_BANDWIDTH
"""Bytes that one client alone gets in a second."""


@pytest.fixture
def world(inference_scenario):
    return World(inference_scenario(workload=IDLE), seed=1)


@pytest.fixture
def store(world):
    return world.cluster.store


def download(world, size, at=0.0, client="ray-replicas-0"):
    """Start a download at a time; returns where its end will be noted: [whether it worked, when]."""
    end = []

    def run():
        yield world.clock.timeout(at)
        worked = yield from world.cluster.store.fetch(world.components[client], size)
        end.extend([worked, world.now])

    world.clock.process(run())
    return end


def impose(component, parameter, value=1.0, layer=Layer.PROCESS):
    condition = Condition(layer, parameter, value, "test")
    component.impose(condition)
    return condition


def test_one_download_is_limited_by_its_client(world):
    end = download(world, 10 * SECOND)
    world.run(20.0)
    assert end == [True, pytest.approx(10.0)]


def test_many_downloads_share_the_stores_bandwidth(world):
    ends = [download(world, 10 * SECOND) for _ in range(5)]
    world.run(60.0)
    assert [end[1] for end in ends] == [pytest.approx(50.0 * SECOND / STORE_BANDWIDTH)] * 5


def test_who_comes_later_gets_an_equal_share_from_then_on(world, store):
    impose(store, "store_rate", 2 * SECOND / STORE_BANDWIDTH / 2, Layer.NETWORK)  # 1 client's worth in all
    first, second = download(world, 10 * SECOND), download(world, 10 * SECOND, at=4.0)
    world.run(40.0)
    assert first == [True, pytest.approx(16.0)]  # 4 s alone, 12 s of half the rate
    assert second == [True, pytest.approx(20.0)]


def test_work_is_conserved_and_counted(world, store):
    ends = [download(world, size * SECOND, at) for size, at in ((3, 0.0), (7, 1.5), (1, 2.0), (12, 2.2))]
    world.run(60.0)
    assert all(end[0] for end in ends)
    assert store.sample()[:4] == (4, 0, 0, pytest.approx(23 * SECOND))


def test_a_slow_store_slows_a_download_from_that_moment(world, store):
    end = download(world, 10 * SECOND)
    world.run(5.0)
    condition = impose(store, "store_rate", 0.1, Layer.NETWORK)
    world.run(10.0)
    store.lift(condition)
    world.run(40.0)
    slow = 0.1 * STORE_BANDWIDTH / SECOND * 5.0
    assert end == [True, pytest.approx(15.0 - slow)]


def test_a_store_that_refuses_is_tried_six_times(world, store):
    impose(store, "store_refuses")
    end = download(world, SECOND)
    world.run(60.0)
    assert end == [False, sum(FETCH_BACKOFF)]
    lines = [line.text for line in world.log_lines(-1.0, 60.0) if line.component == "ray-replicas-0"]
    assert sum("Connection refused" in line for line in lines) == 6
    assert sum("Retrying in" in line for line in lines) == 5
    assert "couldn't find them in the cached files" in lines[-1]


def test_a_store_that_is_back_in_time_is_found_by_a_retry(world, store):
    condition = impose(store, "store_refuses")
    end = download(world, SECOND)
    world.run(5.0)
    store.lift(condition)
    world.run(20.0)
    assert end == [True, pytest.approx(8.0)]  # attempts at 0, 1, 3 and 7 s


def test_downloads_break_off_with_the_store_and_start_over(world, store):
    end = download(world, 10 * SECOND)
    world.run(5.0)
    store.die("crash")
    world.run(60.0)
    assert end[0]
    assert end[1] > 15.0
    assert store.transfers.active == 0


def test_a_missing_object_is_not_asked_for_again(world, store):
    impose(store, "objects_missing", layer=Layer.DATA)
    end = download(world, SECOND)
    world.run(60.0)
    assert end == [False, 0.0]


def test_a_store_out_of_reach_costs_every_attempt_its_time_out(world):
    impose(world.components["node-0"], "blocked", layer=Layer.NETWORK)
    end = download(world, SECOND)
    world.run(120.0)
    assert end == [False, sum(FETCH_BACKOFF) + 6 * 10.0]


def test_a_download_whose_client_is_gone_leaves_the_bandwidth_to_others(world, store):
    replica = world.components["ray-replicas-3"]
    replica.start()
    world.run(5.0)
    assert store.transfers.active == 1
    replica.stop("test")
    world.run(40.0)
    assert store.transfers.active == 0


def test_what_a_node_has_is_not_downloaded_again(world, store):
    replica = world.components["ray-replicas-0"]
    assert store.has(replica.node, replica.model.name)
    replica.stop("test")
    replica.start()
    world.run(120.0)
    assert replica.state is State.RUNNING
    assert store.requests == 0


def test_a_node_that_never_ran_it_downloads_image_and_weights(world, store):
    replica = world.components["ray-replicas-3"]
    replica.start()
    world.run(120.0)
    assert replica.state is State.RUNNING
    assert store.requests == 2
    assert store.has(replica.node, IMAGE)
    assert store.transfers.sent > replica.model.weight_bytes
    store.forget(replica.node)
    assert not store.has(replica.node, IMAGE)


def test_without_the_store_a_new_node_cannot_start_but_an_old_one_can(inference_scenario, fault):
    gone = fault("StoreChaos", "unavailable", at="5s", selector={"components": ["model-store"]})
    world = World(inference_scenario(gone, workload=IDLE), seed=1)
    world.run(10.0)
    old, new = world.components["ray-replicas-0"], world.components["ray-replicas-3"]
    old.stop("test")
    old.start()
    new.start()
    world.run(200.0)
    assert old.state is State.RUNNING
    assert new.state is not State.RUNNING
    assert new.deaths > 1


def test_a_machine_that_takes_anothers_place_has_an_empty_disk(inference_scenario):
    world = World(inference_scenario(workload=IDLE, horizon="600s"), seed=1)
    world.run(5.0)
    assert world.apply(Action("replace", "node-1", "immediate")).legal
    world.run(400.0)
    assert world.components["ray-replicas-1"].state is State.RUNNING
    assert world.cluster.store.requests == 2  # image and weights
