"""Actions, faults and supervisors that meet: nothing of an older process or order reaches a newer one."""

from __future__ import annotations

from collections import Counter

from twin.actions import Action
from twin.process import State
from twin.world import World

REPLICA = "ray-replicas-1"


def order(world, time, category, target, parameter="immediate"):
    world.run(time)
    return world.apply(Action(category, target, parameter))


def test_a_start_up_ends_with_its_process(inference_scenario):
    world = World(inference_scenario(), seed=1)
    order(world, 60, "restart", REPLICA)
    order(world, 70, "restart", REPLICA)  # while weights load
    world.run(200)
    counted = Counter(r.template.id for r in world.recorder.logs if r.component == REPLICA)
    assert counted["vllm.init"] == 2  # both came to the engine's first line
    assert counted["vllm.weights"] == counted["vllm.init_took"] == 1  # only the second got further


def test_what_is_occupied_cannot_be_taken_down_from_below(inference_scenario):
    world = World(inference_scenario(), seed=1)
    assert order(world, 60, "migrate", REPLICA, "gentle").legal
    world.run(60.5)
    for node in ("node-1", "node-3"):  # where it leaves, and where it goes
        assert not world.legal("reboot", world.components[node])
    world.run(200)
    assert world.components[REPLICA].state is State.RUNNING
    assert world.legal("reboot", world.components["node-3"])


def test_no_engine_comes_up_on_a_gpu_that_was_lost_meanwhile(inference_scenario, fault):
    world = World(inference_scenario(fault("GPUChaos", "fallOffBus", at="70s")), seed=1)
    order(world, 60, "restart", REPLICA)
    for second in range(61, 200):
        world.run(second)
        assert second < 71 or world.components[REPLICA].state is not State.RUNNING


def test_a_node_looks_at_its_memory_once_a_second(inference_scenario, fault):
    stress = {"memory": {"workers": 1, "size": "1000GB", "growth": "1000GB", "oomScoreAdj": 1000}}
    node = {"selector": {"nodes": ["node-1"]}, "stressors": stress}
    first = fault("StressChaos", at="60s", duration="10.5s", **node)
    second = fault("StressChaos", at="70.8s", duration="20.5s", **node) | {"name": "second"}
    kills = []
    for faults in ((first, second), (second,)):
        world = World(inference_scenario(*faults), seed=1)
        world.run(70.9)
        before = world.components["node-1"].oom_kills
        world.run(100)
        kills.append(world.components["node-1"].oom_kills - before)
    assert abs(kills[0] - kills[1]) <= 1 and kills[1] > 0


def test_masks_do_not_tell_that_a_service_died_before_a_scrape_could(inference_scenario, fault):
    world = World(
        inference_scenario(fault("ProcessChaos", "crash", at="61s", selector={"components": ["ray-head"]})), 1
    )
    world.run(61.5)
    head = world.components["ray-head"]
    assert not head.up and world.legal("scale-out", head)
    ticket = world.apply(Action("scale-out", "ray-head"))
    world.run(68)
    assert ticket.legal and ticket.finished is not None
    assert world.components["ray-replicas-3"].state is State.ABSENT  # nobody was there to hear it
    assert not world.in_flight


def test_an_unknown_parameter_is_illegal(inference_scenario):
    world = World(inference_scenario(), seed=1)
    assert not order(world, 60, "restart", REPLICA, "soon").legal
    assert not world.in_flight


def test_a_window_does_not_change_with_what_is_ordered_after_it(inference_scenario):
    world = World(inference_scenario(), seed=1)
    world.run(60)
    window = world.observe(60)
    counted = window.count_lines(50)
    order(world, 60, "restart", REPLICA)
    world.run(70)
    assert window.count_lines(50) == counted
    assert len(window.logs) == sum(window.count_lines(0).values())
    assert not any("Shutting down" in line.text for line in window.logs)
