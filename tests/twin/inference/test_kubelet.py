"""The kubelet: probes, restarts, eviction; and what the control plane knows of its node."""

from __future__ import annotations

import pytest

from twin.mechanics.supervision import DISK_EVICTION, LEASE_GRACE, RELIST, TERMINATION_GRACE
from twin.process import State
from twin.world import World


def lines(world, component, since=0.0):
    return [(line.time, line.text) for line in world.log_lines(since, world.now) if line.component == component]


def times(world, component, text):
    return [time for time, line in lines(world, component) if text in line]


def says(world, name):
    """A metric of kube-state-metrics, now."""
    head = world.components["node-head"]
    return dict(zip((m.name for m in head.metrics), head.sample(), strict=True))[name]


def test_three_failed_probes_end_in_a_kill_and_a_new_container(inference_scenario, fault):
    world = World(inference_scenario(fault("ProcessChaos", "freeze")), seed=1)
    world.run(200)
    probes = times(world, "node-1", 'probeType="Liveness"')
    (killing,) = times(world, "node-1", "Killing container with a grace period")
    (died,) = times(world, "node-1", "ContainerDied")
    assert probes[1] - probes[0] == 10.0 and killing == probes[2]
    assert died == killing + TERMINATION_GRACE  # a frozen process does not hear SIGTERM
    incident = world.truth.incidents["fault"]
    assert (incident.cleared, incident.cleared_by) == (died + RELIST, "supervisor")
    assert world.components["ray-replicas-1"].state is State.RUNNING
    assert says(world, 'kube_pod_container_status_restarts_total{pod="ray-replicas-1"}') == 1.0


def test_a_frozen_container_prints_nothing(inference_scenario, fault):
    world = World(inference_scenario(fault("ProcessChaos", "freeze")), seed=1)
    world.run(100)
    assert lines(world, "ray-replicas-1", since=50.0)
    assert not lines(world, "ray-replicas-1", since=60.5)


def test_probes_pass_while_an_engine_is_slow(inference_scenario, fault):
    world = World(inference_scenario(fault("StressChaos", stressors={"cpu": {"workers": 200}})), seed=1)
    world.run(150)
    assert world.components["ray-replicas-1"].slowdown() > 10
    assert not times(world, "node-1", "Probe failed")


def test_probes_do_not_pass_the_pods_network(inference_scenario, fault):
    world = World(inference_scenario(fault("NetworkChaos", "delay", delay={"latency": "5s"})), seed=1)
    world.run(150)
    assert not times(world, "node-1", "Probe failed")
    assert world.components["ray-replicas-1"].deaths == 0


def test_back_off_doubles_and_restarts_are_counted(inference_scenario, fault):
    world = World(inference_scenario(fault("ProcessChaos", "crash", layer="container")), seed=1)
    world.run(295)
    text = [line for _, line in lines(world, "node-1") if "CrashLoopBackOff" in line]
    assert ["back-off 10s" in text[0], "back-off 20s" in text[1]] == [True, True]
    restarts = says(world, 'kube_pod_container_status_restarts_total{pod="ray-replicas-1"}')
    assert restarts == len(times(world, "node-1", "ContainerDied"))
    assert says(world, 'kube_pod_container_status_restarts_total{pod="ray-replicas-0"}') == 0.0


def test_a_node_without_power_is_not_ready_after_its_lease_and_comes_back(inference_scenario, fault):
    ready = 'kube_node_status_condition{node="node-1",condition="Ready",status="true"}'
    world = World(inference_scenario(fault("NodeChaos", "powerLoss", duration="20s"), horizon="400s"), seed=1)
    world.run(61)
    assert says(world, ready) == 1.0  # nobody knows yet
    world.run(120)
    assert says(world, ready) == 0.0
    (at,) = times(world, "node-head", 'status="NodeNotReady"')
    assert 60 + LEASE_GRACE - 10 <= at <= 60 + LEASE_GRACE + 5
    assert not lines(world, "node-1", since=60.0) and not lines(world, "ray-replicas-1", since=60.0)
    world.run(390)
    assert times(world, "node-head", 'status="NodeReady"')
    assert world.components["ray-replicas-1"].state is State.RUNNING
    assert world.truth.incidents["fault"].cleared == 80.0


def test_a_partitioned_node_is_not_ready_while_its_pods_run(inference_scenario, fault):
    cut = fault("NetworkChaos", "partition", direction="both", selector={"nodes": ["node-1"]}, duration="100s")
    world = World(inference_scenario(cut), seed=1)
    world.run(110)
    assert times(world, "node-head", 'status="NodeNotReady"')
    assert world.components["ray-replicas-1"].up and world.components["node-1"].up


def test_pods_of_a_lost_node_are_deleted_after_the_toleration_and_one_starts_elsewhere(inference_scenario, fault):
    world = World(inference_scenario(fault("NodeChaos", "powerLoss"), horizon="500s"), seed=1)
    world.run(390)
    assert world.components["ray-replicas-3"].state is State.ABSENT
    world.run(500)
    (at,) = times(world, "node-head", "taint-eviction-controller")
    assert 60 + LEASE_GRACE + 290 <= at <= 60 + LEASE_GRACE + 310
    assert world.components["ray-replicas-3"].state in (State.STARTING, State.RUNNING)


def test_disk_pressure_collects_images_before_it_evicts(inference_scenario, fault):
    world = World(inference_scenario(fault("NodeChaos", "diskFull", fill="90%")), seed=1)
    world.run(100)
    node = world.components["node-1"]
    assert times(world, "node-1", "without evicting pods")
    assert not times(world, "node-1", "must evict") and world.components["ray-replicas-1"].up
    assert node.disk_available >= DISK_EVICTION * node.disk_size
    assert says(world, 'kube_node_status_condition{node="node-1",condition="DiskPressure",status="true"}') == 1.0


def test_a_full_disk_evicts_and_a_freed_one_takes_pods_again_after_the_transition(inference_scenario, fault):
    world = World(inference_scenario(fault("NodeChaos", "diskFull", duration="60s"), horizon="500s"), seed=1)
    world.run(115)
    assert times(world, "node-1", "pod is evicted successfully")
    assert world.components["ray-replicas-1"].state is State.STOPPED
    world.run(390)
    assert world.components["ray-replicas-1"].state is State.STOPPED
    world.run(500)
    assert world.components["ray-replicas-1"].state is State.RUNNING


@pytest.mark.parametrize("pod", ["ray-replicas-0", "ray-replicas-1"])
def test_a_pod_is_ready_while_its_engine_serves(inference_scenario, fault, pod):
    world = World(inference_scenario(fault("ProcessChaos", "crash")), seed=1)
    world.run(70)
    assert says(world, f'kube_pod_status_ready{{pod="{pod}",condition="true"}}') == (pod == "ray-replicas-0")
