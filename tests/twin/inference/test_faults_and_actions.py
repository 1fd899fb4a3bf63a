"""Each fault changes what it should, each action renews what it should; nothing is looked up (rules 1 and 2)."""

from __future__ import annotations

import math

import pytest

from twin.actions import Action
from twin.process import State
from twin.scenario import ScenarioError
from twin.telemetry.features import FEATURES
from twin.world import World

CAP = ("GPUChaos", "powerCap")
BUS = ("GPUChaos", "fallOffBus")
CRASH = ("ProcessChaos", "crash")


def scraped(world, component, metric):
    """The last scraped value."""
    window = world.observe(20)
    return float(window.metrics[window.topology.index[component], FEATURES.index(metric), -1])


def lines(world, component, since=0.0):
    return [line.text for line in world.log_lines(since, world.now) if line.component == component]


def live(scenario, *orders, until=None):
    """Run a scenario with (time, action) orders; returns the world."""
    world = World(scenario, seed=1)
    for time, action in orders:
        world.run(time)
        assert world.apply(action).legal, action
    world.run(until)
    return world


def test_a_power_cap_lowers_clock_and_power_but_not_utilisation(inference_scenario, fault):
    healthy = live(inference_scenario(), until=200)
    capped = live(inference_scenario(fault(*CAP, powerLimit="100W")), until=200)
    for world in (healthy, capped):
        assert scraped(world, "gpu-1", "DCGM_FI_DEV_GPU_UTIL") > 90
    assert scraped(capped, "gpu-1", "DCGM_FI_DEV_SM_CLOCK") < 0.85 * scraped(healthy, "gpu-1", "DCGM_FI_DEV_SM_CLOCK")
    assert scraped(capped, "gpu-1", "DCGM_FI_DEV_POWER_USAGE") <= 101
    assert scraped(capped, "gpu-1", "DCGM_FI_DEV_POWER_VIOLATION") > 0
    assert scraped(capped, "gpu-0", "DCGM_FI_DEV_POWER_VIOLATION") == 0
    assert lines(capped, "node-1") == []  # the driver prints nothing about a power limit


def test_a_gpu_off_the_bus_is_reported_by_its_driver_and_kills_its_engine(inference_scenario, fault):
    world = live(inference_scenario(fault(*BUS)), until=100)
    assert scraped(world, "gpu-1", "DCGM_FI_DEV_XID_ERRORS") == 79
    assert math.isnan(scraped(world, "gpu-1", "DCGM_FI_DEV_SM_CLOCK"))
    assert any("Xid" in line and ": 79," in line for line in lines(world, "node-1"))
    assert any("No CUDA GPUs are available" in line for line in lines(world, "ray-replicas-1"))
    assert any("CrashLoopBackOff" in line for line in lines(world, "node-1"))
    assert world.components["ray-replicas-1"].state is not State.RUNNING


@pytest.mark.parametrize(
    ("kind", "fields", "category", "target", "cures"),
    [
        (CAP, {"powerLimit": "100W"}, "restart", "ray-replicas-1", False),
        (CAP, {"powerLimit": "100W"}, "reset-gpu", "gpu-1", True),
        (CAP, {"powerLimit": "100W"}, "reboot", "node-1", True),
        (BUS, {}, "recreate", "ray-replicas-1", False),
        (BUS, {}, "reset-gpu", "gpu-1", False),
        (BUS, {}, "reboot", "node-1", True),
        (BUS, {"persistent": True}, "reboot", "node-1", False),
        (CRASH, {"layer": "container"}, "restart", "ray-replicas-1", False),
        (CRASH, {"layer": "container"}, "recreate", "ray-replicas-1", True),
        (CRASH, {"layer": "container"}, "reboot", "node-1", False),
        (("StressChaos", ""), {"stressors": {"cpu": {"workers": 8}}}, "restart", "ray-replicas-1", False),
        (("StressChaos", ""), {"stressors": {"cpu": {"workers": 8}}}, "recreate", "ray-replicas-1", True),
    ],
)
def test_whether_an_action_cures_follows_from_the_layer(
    inference_scenario, fault, kind, fields, category, target, cures
):
    scenario = inference_scenario(fault(*kind, **fields), horizon="500s")
    world = live(scenario, (100, Action(category, target, "immediate")), until=330)
    ticket = world.tickets[0]
    incident = world.truth.incidents["fault"]
    assert ticket.finished is not None
    assert bool(ticket.relieved) is cures
    assert (incident.cleared is not None) is cures
    if cures:
        assert incident.cleared_by == f"{category} {target}"
        assert world.components["ray-replicas-1"].state is State.RUNNING


def test_a_plain_crash_heals_by_its_supervisor(inference_scenario, fault):
    world = live(inference_scenario(fault(*CRASH)), until=200)
    assert world.truth.incidents["fault"].cleared_by == "supervisor"
    assert world.components["ray-replicas-1"].state is State.RUNNING


def test_an_expired_fault_is_lifted(inference_scenario, fault):
    world = live(inference_scenario(fault(*CAP, powerLimit="100W", duration="30s")), until=120)
    incident = world.truth.incidents["fault"]
    assert (incident.injected, incident.cleared, incident.cleared_by) == (60.0, 90.0, "expired")


def test_a_migrated_replica_leaves_its_bad_gpu_behind(inference_scenario, fault):
    world = live(inference_scenario(fault(*BUS)), (80, Action("migrate", "ray-replicas-1")), until=200)
    replica = world.components["ray-replicas-1"]
    assert replica.state is State.RUNNING
    assert replica.place.name == "gpu-3"
    assert world.tickets[0].relieved
    assert world.truth.incidents["fault"].cleared is None  # the card is as broken as before
    assert ("gpu-3") in [node.place for node in world.topology.components if node.name == "ray-replicas-1"]


def test_scaling_out_adds_a_replica_that_must_load_its_weights(inference_scenario):
    world = live(inference_scenario(), (80, Action("scale-out", "ray-head")), until=100)
    assert world.components["ray-replicas-3"].state is State.STARTING
    world.run(180)  # its node has neither image nor weights yet
    assert world.components["ray-replicas-3"].state is State.RUNNING
    assert world.components["ray-replicas-3"].ongoing > 0
    assert not world.apply(Action("scale-out", "ray-head")).legal  # no spare is left


def test_a_restart_loses_work_in_flight_unless_it_is_gentle(inference_scenario):
    def failures(parameter):
        world = live(inference_scenario(), (80, Action("restart", "ray-replicas-1", parameter)), until=200)
        return sum("failed (engine dead)" in line for line in lines(world, "ray-replicas-1"))

    assert failures("immediate") > 0
    assert failures("gentle") == 0


def test_memory_pressure_slows_the_host_and_ends_in_an_oom_kill(inference_scenario, fault):
    stress = fault(
        "StressChaos", stressors={"memory": {"size": "70GB", "growth": "4GB"}}, selector={"nodes": ["node-1"]}
    )
    world = World(inference_scenario(stress), seed=1)
    world.run(70)
    assert world.components["node-1"].slowdown > 1.0 or world.components["node-1"].memory_used < 60e9
    world.run(200)
    assert scraped(world, "node-1", "node_vmstat_oom_kill") > 0
    assert any("Out of memory: Killed process" in line for line in lines(world, "node-1"))


def test_a_stressor_larger_than_the_pod_is_killed_by_its_cgroup(inference_scenario, fault):
    world = live(inference_scenario(fault("StressChaos", stressors={"memory": {"size": "22GB"}})), until=120)
    assert any("Memory cgroup out of memory" in line for line in lines(world, "node-1"))


def test_requests_are_conserved_through_faults_and_actions(inference_scenario, fault):
    world = World(inference_scenario(fault(*BUS)), seed=3)
    orders = {80: ("restart", "ray-head"), 140: ("reboot", "node-0"), 200: ("recreate", "nginx-proxy")}
    for time in range(5, 300, 5):
        world.run(time)
        gateway, router = world.cluster.gateway, world.cluster.router
        assert gateway.accepted == gateway.answered + gateway.in_flight
        assert len(router.proxy.open) <= gateway.in_flight
        in_engines = sum(r.ongoing for r in router.replicas)
        assert in_engines <= gateway.in_flight
        if time in orders:
            world.apply(Action(*orders[time], "immediate"))
    assert gateway.accepted > 500


def test_an_illegal_action_changes_nothing_and_is_counted(inference_scenario):
    plain, tried = World(inference_scenario(), seed=2), World(inference_scenario(), seed=2)
    tried.run(70)
    for action in (Action("reset-gpu", "node-1"), Action("restart", "nobody"), Action("dance", "node-1")):
        assert not tried.apply(action).legal
    plain.run(150)
    tried.run(150)
    assert plain.observe(60) == tried.observe(60)


def test_a_target_with_an_action_in_flight_takes_no_other(inference_scenario):
    world = live(inference_scenario(), (80, Action("reboot", "node-1")), until=90)
    for category, target in (("reboot", "node-1"), ("reset-gpu", "gpu-1"), ("restart", "ray-replicas-1")):
        assert not world.legal(category, world.components[target])


def test_a_draining_gateway_takes_no_new_request_and_loses_none(inference_scenario):
    world = live(inference_scenario(), (80, Action("restart", "nginx-proxy", "gentle")), until=80.1)
    gateway = world.cluster.gateway
    accepted = gateway.accepted
    while gateway.state is State.DRAINING:
        assert gateway.accepted == accepted
        world.run(world.now + 0.5)
    assert gateway.refused > 0
    assert gateway.sample()[4] == 0  # nothing in flight ended with 5xx


def test_a_pool_too_small_for_the_longest_request_is_refused(inference_scenario):
    cluster = {"kind": "inference", "preset": "small", "engine": {"kvBlocks": 16}}
    with pytest.raises(ScenarioError, match="fewer than maxModelLen 8192"):
        World(inference_scenario(cluster=cluster))


def test_a_model_that_does_not_fit_its_gpu_is_refused(inference_scenario):
    cluster = {"kind": "inference", "preset": "small", "engine": {"gpuMemoryUtilization": "50%"}}
    with pytest.raises(ScenarioError, match="does not fit a10g"):
        World(inference_scenario(cluster=cluster))
