"""Machines of the OpenStack site: power and clocks act there as in the other cluster; shaped networks are refused."""

from __future__ import annotations

from twin.process import State
from twin.scenario import ResolvedScenario
from twin.world import World


def scenario(kind, action="", duration="20s", **fields):
    fault = {"name": "fault", "kind": kind, "action": action, "at": "60s", "duration": duration, **fields}
    spec = {
        "cluster": {"kind": "openstack"},
        "workload": {"arrivals": {"poisson": "20/min"}, "lifetime": "120s"},
        "horizon": "400s",
        "faults": [fault],
    }
    document = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "test"}, "spec": spec}
    return ResolvedScenario.model_validate(document)


def test_a_compute_host_without_power_boots_when_it_is_back() -> None:
    world = World(scenario("NodeChaos", "powerLoss", selector={"nodes": ["compute-0"]}), seed=1)
    service = next(c for c in world.components["compute-0"].residents if c.kind == "nova-compute")
    world.run(100)
    assert not world.components["compute-0"].up and service.state is State.STOPPED
    assert not [line for line in world.log_lines(60, 100) if line.component in ("compute-0", service.name)]
    world.run(400)
    assert world.components["compute-0"].up and service.state is State.RUNNING


def test_its_lines_carry_its_clock() -> None:
    world = World(scenario("TimeChaos", timeOffset="1h", selector={"nodes": ["compute-0"]}, duration="200s"), seed=1)
    world.run(200)
    service = next(c for c in world.components["compute-0"].residents if c.kind == "nova-compute")
    hours = {line.text[11:13] for line in world.log_lines(61, 200) if line.component == service.name}
    assert hours == {"01"}
