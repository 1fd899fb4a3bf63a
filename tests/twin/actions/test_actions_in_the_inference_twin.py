"""Every recovery action, end to end: how long it takes, what it renews and occupies, and that no request is lost."""

from __future__ import annotations

import pytest

from twin.actions import CATEGORIES, PARAMETERS, Action, refusal
from twin.mechanics.conditions import Condition
from twin.mechanics.durations import DURATIONS, EXCLUDED_FOR, SHED_FOR
from twin.mechanics.layers import RESETS, Layer
from twin.process import State
from twin.world import World

ORDERED_AT = 30.0
PLACES = {"replica": "ray-replicas-1", "gpu": "gpu-1", "node": "node-1"}
TARGETS = {
    "restart": "ray-replicas-1",
    "recreate": "ray-replicas-1",
    "restore-power-limit": "gpu-1",
    "reset-gpu": "gpu-1",
    "reboot": "node-1",
    "power-cycle": "node-1",
    "replace": "node-1",
    "cordon": "node-1",
    "uncordon": "node-1",
    "drain": "node-1",
    "migrate": "ray-replicas-1",
    "scale-out": "ray-head",
    "scale-in": "ray-replicas-1",
    "shed-load": "nginx-proxy",
    "route-around": "ray-replicas-1",
    "limit-kv": "ray-replicas-1",
    "rollback-config": "ray-replicas-1",
    "fail-over-head": "ray-head",
}
VOLATILE = {"gpu:context", "gpu:settings", "gpu:gpu", "gpu:firmware"}
PROCESS, CONTAINER, CONTEXT = {"replica:process"}, {"replica:process", "replica:container"}, {"gpu:context"}
BOOT = {"node:os", "replica:process", "gpu:bus", *VOLATILE}
RENEWED = {
    "restart": PROCESS | CONTEXT,
    "recreate": CONTAINER | CONTEXT,
    "restore-power-limit": {"gpu:settings"},
    "reset-gpu": PROCESS | VOLATILE,
    "reboot": BOOT,
    "power-cycle": BOOT | {"gpu:power"},
    "replace": BOOT | CONTAINER | {"gpu:power", "gpu:board"},
    "cordon": set(),
    "uncordon": set(),
    "drain": CONTAINER | CONTEXT,
    "migrate": CONTAINER | CONTEXT,
    "scale-out": set(),
    "scale-in": CONTAINER | CONTEXT,
    "shed-load": set(),
    "route-around": set(),
    "limit-kv": CONTAINER | CONTEXT,
    "rollback-config": CONTAINER | CONTEXT | {"replica:configuration"},
    "fail-over-head": set(),
}
"""Layers of a replica, its GPU and its node (those that tell the depths apart) that each action renews."""
ELSEWHERE = set(CATEGORIES[CATEGORIES.index("evacuate") :])
"""Those of OpenStack's operators, which this cluster does not know."""
LAYERS = {
    "replica": (Layer.PROCESS, Layer.CONTAINER, Layer.CONFIGURATION),
    "gpu": (Layer.CONTEXT, Layer.SETTINGS, Layer.GPU, Layer.FIRMWARE, Layer.BUS, Layer.POWER, Layer.BOARD),
    "node": (Layer.OS,),
}


def world_at(scenario, time=ORDERED_AT, **changes):
    world = World(scenario(**changes), seed=1)
    world.run(time)
    return world


def order(world, category, target=None, parameter="immediate"):
    """Order an action that must be legal; return its ticket."""
    ticket = world.apply(Action(category, target or TARGETS[category], parameter))
    assert ticket.legal, ticket.refusal
    return ticket


def prepared(world, category):
    """What must have happened for the action to be legal."""
    if category == "uncordon":
        order(world, "cordon")
        world.run(world.now + 2.0)


def lines(world, component):
    return [line.text for line in world.log_lines(0.0, world.now) if line.component == component]


def test_there_are_at_least_fourteen_actions_besides_waiting_and_all_are_tested_here():
    assert CATEGORIES[0] == "noop"
    assert set(TARGETS) == set(RENEWED) == set(CATEGORIES) - {"noop", *ELSEWHERE}
    assert tuple(RESETS) == CATEGORIES
    assert len(TARGETS) >= 14


@pytest.mark.parametrize("category", list(TARGETS))
def test_an_action_takes_its_time_and_occupies_its_target_meanwhile(inference_scenario, category):
    world = world_at(inference_scenario)
    prepared(world, category)
    began = world.now
    ticket = order(world, category)
    target = world.components[ticket.action.target]
    assert target.name in world.in_flight
    assert not world.legal(category, target)
    world.run(began + 400.0)
    moving = DURATIONS["migrate"] if category == "drain" else 0.0
    assert ticket.finished == pytest.approx(began + DURATIONS[category] + moving)
    assert target.name not in world.in_flight


@pytest.mark.parametrize("category", list(TARGETS))
def test_an_action_renews_its_layers_and_no_others(inference_scenario, category):
    world = world_at(inference_scenario, workload={"arrivals": {"constant": "0.1/s"}, "prompt": 16, "output": 4})
    prepared(world, category)
    marks = {}
    for place, layers in LAYERS.items():
        component = world.components[PLACES[place]]
        for layer in layers:
            condition = Condition(layer, "service_time", 1.0, "mark")
            component.impose(condition)
            marks[f"{place}:{layer}"] = (component, condition)
    order(world, category)
    world.run(world.now + 330.0)
    gone = {name for name, (component, condition) in marks.items() if condition not in component.conditions}
    assert gone == RENEWED[category]


@pytest.mark.parametrize("category", list(TARGETS))
@pytest.mark.parametrize("parameter", PARAMETERS)
def test_no_request_is_lost_from_sight_through_an_action(inference_scenario, category, parameter):
    world = world_at(inference_scenario)
    prepared(world, category)
    gateway = world.cluster.gateway
    order(world, category, parameter=parameter)
    for _ in range(16):
        world.run(world.now + 7.0)
        assert gateway.accepted == gateway.answered + gateway.in_flight
        assert sum(r.ongoing for r in world.cluster.router.replicas) <= gateway.in_flight
    assert gateway.answered > 100


def test_the_same_orders_give_the_same_world(inference_scenario):
    def lived():
        world = world_at(inference_scenario)
        for category in ("shed-load", "route-around", "drain", "fail-over-head"):
            order(world, category)
            world.run(world.now + 40.0)
        return world

    one, two = lived(), lived()
    assert one.observe(200) == two.observe(200)
    assert [t.finished for t in one.tickets] == [t.finished for t in two.tickets]


# --- places ---------------------------------------------------------------------------------------------------------


def test_a_cordoned_spare_takes_nothing_until_it_is_uncordoned(inference_scenario):
    world = world_at(inference_scenario)
    order(world, "cordon", "node-3")
    world.run(world.now + 2.0)
    for category in ("migrate", "scale-out", "replace", "drain"):
        assert refusal(world, category, world.components[TARGETS[category]]) == "no spare node"
    assert refusal(world, "cordon", world.components["node-3"]) == "it is cordoned already"
    order(world, "uncordon", "node-3")
    world.run(world.now + 2.0)
    for category in ("migrate", "scale-out", "replace", "drain"):
        assert world.legal(category, world.components[TARGETS[category]])


def test_a_pod_on_a_cordoned_node_cannot_be_recreated_there(inference_scenario):
    world = world_at(inference_scenario)
    order(world, "cordon", "node-1")
    world.run(world.now + 2.0)
    assert "cordoned" in refusal(world, "recreate", world.components["ray-replicas-1"])
    assert world.legal("restart", world.components["ray-replicas-1"])


def test_a_drained_node_is_empty_and_takes_nothing_back(inference_scenario, fault):
    world = world_at(inference_scenario)
    bad = Condition(Layer.BOARD, "service_time", 1.0, "mark")
    world.components["gpu-1"].impose(bad)
    ticket = order(world, "drain", parameter="gentle")
    world.run(world.now + 120.0)
    replica = world.components["ray-replicas-1"]
    assert (replica.state, replica.gpu.name) == (State.RUNNING, "gpu-3")
    assert bad in ticket.relieved  # it is out of the reach of what stays with the card
    assert refusal(world, "scale-out", world.components["ray-head"]) == "no spare node"  # the old place is cordoned
    assert not any("failed (engine dead)" in line for line in lines(world, "ray-replicas-1"))


def test_the_node_of_the_control_plane_cannot_be_drained(inference_scenario):
    world = world_at(inference_scenario)
    assert refusal(world, "drain", world.components["node-head"]) == "no replica runs on it"


def test_scaling_in_gives_a_place_that_scaling_out_takes_again(inference_scenario):
    world = world_at(inference_scenario)
    order(world, "scale-in", parameter="gentle")
    world.run(world.now + 60.0)
    assert world.components["ray-replicas-1"].state is State.ABSENT
    order(world, "scale-in", "ray-replicas-0")
    world.run(world.now + 30.0)
    assert refusal(world, "scale-in", world.components["ray-replicas-2"]) == "it is the last replica"
    order(world, "scale-out")
    world.run(world.now + 120.0)
    assert world.components["ray-replicas-0"].state is State.RUNNING


# --- hardware -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["gcsDown", "controllerStuck"])
def test_a_replica_that_nobody_places_does_not_keep_the_head_from_its_cure(inference_scenario, fault, wrong):
    head = {"selector": {"components": ["ray-head"]}, "at": "20s"}
    world = World(inference_scenario(fault("ServingChaos", wrong, **head)), seed=1)
    world.run(ORDERED_AT)
    ordered = world.apply(Action("scale-out", "ray-head", "immediate"))
    spare = world.components["ray-replicas-3"]
    world.run(100)
    assert ordered.finished == ORDERED_AT + DURATIONS["scale-out"]
    assert spare.state is State.ABSENT
    assert not world.legal("scale-out", world.components["ray-head"])  # its place is taken
    assert world.apply(Action("restart", "ray-head", "immediate")).legal
    world.run(250)
    assert spare.state is State.RUNNING and not world.in_flight


def test_what_a_moved_replica_left_behind_is_relieved_once(inference_scenario):
    world = World(inference_scenario(), seed=1)
    left = {
        "gpu-1": Condition(Layer.CONTEXT, "memory_bandwidth", 0.9, "test"),
        "node-1": Condition(Layer.OS, "cpu_stress", 1.0, "test"),
    }
    for name, condition in left.items():
        world.components[name].impose(condition)
    moved = world.apply(Action("drain", "node-1", "immediate"))
    world.run(120)
    assert sorted(c.parameter for c in moved.relieved) == ["cpu_stress", "memory_bandwidth"]


def test_replacing_needs_a_spare_and_uses_it_up(inference_scenario, fault):
    broken = fault("GPUChaos", "fallOffBus", persistent=True, at="10s")
    world = World(inference_scenario(broken, horizon="900s"), seed=1)
    world.run(ORDERED_AT)
    order(world, "reboot")
    world.run(250.0)
    assert world.truth.incidents["fault"].cleared is None  # a board does not heal by itself
    order(world, "replace")
    assert {"node-1", "gpu-1", "ray-replicas-1", "node-3", "gpu-3", "ray-replicas-3"} <= set(world.in_flight)
    world.run(620.0)
    assert world.truth.incidents["fault"].cleared_by == "replace node-1"
    assert world.components["ray-replicas-1"].state is State.RUNNING
    assert not world.components["node-3"].up  # away for repair, for longer than we look
    assert {"node-3", "gpu-3", "ray-replicas-3"} <= set(world.in_flight)
    ticket = world.apply(Action("replace", "node-0"))
    assert (ticket.legal, ticket.refusal) == (False, "no spare node")


def test_a_spare_brings_its_own_defects_along(inference_scenario, fault):
    hidden = fault("GPUChaos", "hbmBandwidthLoss", at="10s", selector={"components": ["gpu-3"]})
    world = World(inference_scenario(hidden, horizon="900s"), seed=1)
    world.run(ORDERED_AT)
    order(world, "replace")
    world.run(320.0)
    assert [c.parameter for c in world.components["gpu-1"].conditions] == ["memory_bandwidth"]
    assert world.components["gpu-3"].conditions == []
    assert world.truth.incidents["fault"].cleared is None


def test_a_card_is_swapped_by_hand_with_the_machine_off(inference_scenario, fault):
    broken = fault("GPUChaos", "hbmBandwidthLoss", at="10s")
    idle = {"arrivals": {"constant": "0.1/s"}, "prompt": 16, "output": 4}
    world = World(inference_scenario(broken, horizon="4000s", workload=idle), seed=1)
    world.run(ORDERED_AT)
    order(world, "replace", "gpu-1")
    world.run(2000.0)
    assert not world.components["node-1"].up
    world.run(3900.0)
    assert world.components["node-1"].up
    assert world.truth.incidents["fault"].cleared_by == "replace gpu-1"


def test_a_machine_without_power_can_be_power_cycled_but_not_rebooted(inference_scenario):
    world = world_at(inference_scenario)
    node, replica = world.components["node-1"], world.components["ray-replicas-1"]
    node.impose(Condition(Layer.POWER, "power_lost", 1.0, "mark"))
    world.run(40.0)
    assert "the machine is off" in refusal(world, "reboot", node)
    ticket = order(world, "power-cycle")
    world.run(ORDERED_AT + DURATIONS["power-cycle"] + 100.0)
    assert ticket.finished == pytest.approx(40.0 + DURATIONS["power-cycle"])
    assert node.up
    assert replica.state is State.RUNNING


def test_a_power_limit_is_restored_under_the_running_engine(inference_scenario, fault):
    world = World(inference_scenario(fault("GPUChaos", "powerCap", powerLimit="100W", at="10s")), seed=1)
    world.run(ORDERED_AT)
    replica = world.components["ray-replicas-1"]
    pid = replica.pid
    order(world, "restore-power-limit")
    world.run(40.0)
    assert world.truth.incidents["fault"].cleared_by == "restore-power-limit gpu-1"
    assert (replica.pid, replica.state) == (pid, State.RUNNING)


# --- load -----------------------------------------------------------------------------------------------------------


def test_shedding_load_lets_a_share_in_for_a_while(inference_scenario):
    world = world_at(inference_scenario, 60.0)
    gateway = world.cluster.gateway
    order(world, "shed-load", parameter="immediate")
    world.run(62.0)
    assert gateway.rate_limit == pytest.approx(0.5 * 4.0, rel=0.3)
    assert refusal(world, "shed-load", gateway) == ""  # it may be ordered again
    world.run(100.0)
    order(world, "shed-load", parameter="gentle")
    world.run(61.0 + SHED_FOR + 1.0)
    assert gateway.rate_limit is not None  # the later order counts
    world.run(101.0 + SHED_FOR + 1.0)
    assert gateway.rate_limit is None


def test_traffic_goes_around_a_replica_until_it_is_readmitted(inference_scenario):
    world = world_at(inference_scenario)
    replica = world.components["ray-replicas-1"]
    order(world, "route-around", parameter="gentle")
    world.run(ORDERED_AT + 25.0)
    assert replica.state is State.RUNNING
    assert replica.ongoing == 0
    assert refusal(world, "route-around", replica) == "it gets no requests already"
    world.run(ORDERED_AT + EXCLUDED_FOR["gentle"] + 20.0)
    assert replica.ongoing > 0


def test_a_replica_started_anew_is_not_routed_around(inference_scenario):
    world = world_at(inference_scenario)
    order(world, "route-around")
    world.run(40.0)
    order(world, "restart")
    world.run(150.0)
    assert world.components["ray-replicas-1"].ongoing > 0


def test_the_last_replica_that_gets_requests_keeps_them(inference_scenario):
    world = world_at(inference_scenario)
    for i in (0, 1):
        order(world, "route-around", f"ray-replicas-{i}")
        world.run(world.now + 2.0)
    assert refusal(world, "route-around", world.components["ray-replicas-2"]) == "no other replica is left"


# --- settings -------------------------------------------------------------------------------------------------------


def test_limits_are_halved_down_to_a_least_and_rolled_back(inference_scenario):
    world = world_at(inference_scenario)
    replica = world.components["ray-replicas-1"]
    before = replica.settings.max_num_seqs
    order(world, "limit-kv")
    world.run(130.0)
    assert replica.settings.max_num_seqs == before // 2
    assert replica.state is State.RUNNING
    order(world, "rollback-config")
    world.run(250.0)
    assert replica.settings.max_num_seqs == before
    assert replica.state is State.RUNNING


# --- the head -------------------------------------------------------------------------------------------------------


def test_the_head_fails_over_to_an_idle_node_and_the_replicas_stay(inference_scenario):
    world = world_at(inference_scenario)
    replicas = world.cluster.router.replicas[:3]
    pids = [r.pid for r in replicas]
    ticket = order(world, "fail-over-head")
    world.run(120.0)
    head = world.components["ray-head"]
    assert (head.place.name, head.state) == ("node-3", State.RUNNING)
    assert ticket.finished == pytest.approx(ORDERED_AT + DURATIONS["fail-over-head"])
    assert [r.pid for r in replicas] == pids
    assert sum(r.ongoing for r in replicas) > 0
    assert ("ray-head", "node-3") in [(n.name, n.place) for n in world.topology.components]


# --- legality -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (Action("reboott", "node-1"), "no action 'reboott' (did you mean 'reboot'?)"),
        (Action("reboot", "node-11"), "no component 'node-11'"),
        (Action("reboot", "gpu-1"), "it is no node"),
        (Action("reset-gpu", "node-1"), "it is no GPU"),
        (Action("restart", "ray-replicas-3"), "it does not run anywhere"),
        (Action("restart", "ray-replicas-1", "softly"), "no parameter 'softly'"),
        (Action("shed-load", "ray-head"), "requests are limited at the gateway"),
        (Action("fail-over-head", "nginx-proxy"), "it is not Ray's head"),
        (Action("scale-out", "node-1"), "the deployment is scaled through Ray's head"),
    ],
)
def test_what_cannot_be_ordered_is_refused_with_the_reason(inference_scenario, action, reason):
    world = world_at(inference_scenario, 5.0)
    ticket = world.apply(action)
    assert not ticket.legal
    assert reason in ticket.refusal
    assert world.in_flight == {}


def test_no_action_is_legal_on_what_another_occupies(inference_scenario):
    world = world_at(inference_scenario)
    order(world, "migrate")
    busy = (("reboot", "node-1"), ("reboot", "node-3"), ("replace", "node-1"), ("scale-out", "ray-head"))
    for category, target in busy:
        assert not world.legal(category, world.components[target]), (category, target)


def test_a_free_place_is_no_machine_and_none_to_migrate_to_from_next_to_it(inference_scenario):
    cluster = {"kind": "inference", "preset": "small", "replicas": 3, "spares": 1, "gpusPerNode": 2}
    world = world_at(inference_scenario, cluster=cluster)
    assert refusal(world, "replace", world.components["node-0"]) == "no spare node"  # the spare has a GPU too few
    assert world.legal("replace", world.components["node-1"])
    order(world, "migrate", "ray-replicas-0")  # which leaves a free place beside ray-replicas-1
    world.run(60.0)
    assert refusal(world, "migrate", world.components["ray-replicas-1"]) == "no spare node"
    assert world.legal("migrate", world.components["ray-replicas-2"])
    assert refusal(world, "replace", world.components["node-1"]) == "no spare node"
    ticket = order(world, "scale-out")
    world.run(70.0)
    assert ticket.finished is not None
    assert world.components["ray-replicas-3"].node.name == "node-0"


def test_a_replica_whose_new_place_is_lost_while_it_drains_stays_and_serves_on(inference_scenario):
    world = world_at(inference_scenario)
    replica, spare = (world.components[f"ray-replicas-{i}"] for i in (1, 3))
    world.apply(Action("migrate", "ray-replicas-1", "gentle"))
    world.run(ORDERED_AT + 0.5)
    assert replica.state is State.DRAINING
    spare.node.impose(Condition(Layer.POWER, "power_lost", 1.0, "test"))
    world.run(ORDERED_AT + 60)
    assert replica.state is State.RUNNING and replica.node.name == "node-1"
    assert not world.in_flight


def test_orders_of_openstacks_operators_do_not_exist_here(inference_scenario):
    world = world_at(inference_scenario, 1.0)
    for category in ELSEWHERE:
        for target in world.components.values():
            assert refusal(world, category, target) == "this cluster has no such action"
