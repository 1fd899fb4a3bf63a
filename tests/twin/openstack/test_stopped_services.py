"""A service that is stopped stays so until somebody starts it: nobody restarts it meanwhile."""

from __future__ import annotations

import pytest

from twin import Action, Scenario, World
from twin.process import Process, State
from twin.scenario import ScenarioError

SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: stopped}
spec:
  cluster: {kind: openstack, preset: small}
  workload: {arrivals: {poisson: 6/min}}
  faults: [{name: stop, kind: ServiceChaos, action: stop, at: 50s, FIELDS}]
  horizon: 300s
"""


def world_with(fields: str) -> World:
    return World(Scenario.parse(SCENARIO.replace("FIELDS", fields)), seed=3)


def service(world: World, name: str = "nova-compute@compute-0") -> Process:
    found = world.components[name]
    assert isinstance(found, Process)
    return found


COMPUTE = "selector: {components: [nova-compute@compute-0]}"


def test_a_killed_service_is_down_for_as_long_as_the_fault_lasts() -> None:
    world = world_with(f"signal: SIGKILL, duration: 80s, {COMPUTE}")
    first = service(world).pid
    world.run(129.0)
    assert service(world).state is State.STOPPED
    assert not [line for line in world.log_lines(50.0, 129.0) if line.component == "nova-compute@compute-0"]
    world.run(160.0)
    assert service(world).state is State.RUNNING
    assert service(world).pid != first
    assert world.truth.incidents["stop"].cleared_by == "expired"


def test_an_operator_may_start_it_before() -> None:
    world = world_with(COMPUTE)
    world.run(100.0)
    assert service(world).state is State.STOPPED
    assert world.apply(Action("restart", "nova-compute@compute-0")).legal
    world.run(160.0)
    assert service(world).state is State.RUNNING
    assert not service(world).conditions


def test_only_services_of_an_openstack_cluster_can_be_stopped() -> None:
    with pytest.raises(ScenarioError, match="a service of an OpenStack cluster"):
        world_with("selector: {components: [compute-0]}")
