"""What operators can order on an OpenStack site."""

from __future__ import annotations

from twin.actions import CATEGORIES, Action, refusal
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.process import State
from twin.scenario import ResolvedScenario
from twin.world import World


def site(**spec):
    body = {
        "cluster": {"kind": "openstack", "preset": "small"},
        "workload": {"arrivals": {"poisson": "0.2/s"}, "lifetime": "120s"},
        "horizon": "900s",
        **spec,
    }
    document = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "test"}, "spec": body}
    return World(ResolvedScenario.model_validate(document), seed=1)


def order(world, category, target, parameter="immediate"):
    ticket = world.apply(Action(category, target, parameter))
    assert ticket.legal, ticket.refusal
    return ticket


def test_actions_that_make_no_sense_on_a_site_are_never_legal():
    world = site()
    never = {"drain", "scale-in", "shed-load", "route-around", "limit-kv", "fail-over-head"}
    never |= {"reset-gpu", "restore-power-limit"}  # there are no GPUs
    later = {"migrate", "uncordon", "evacuate", "live-migrate", "cold-migrate", "hard-reboot"}  # nothing is there yet
    for category in CATEGORIES[1:]:
        legal = any(world.legal(category, c) for c in world.components.values())
        assert legal is (category not in never | later), category


def test_a_disabled_host_gets_no_new_servers_until_it_is_enabled():
    world = site()
    world.run(60.0)
    order(world, "cordon", "compute-0")
    world.run(75.0)
    compute = world.components["nova-compute@compute-0"]
    there = set(compute.libvirt.domains)
    world.run(200.0)
    assert set(compute.libvirt.domains) <= there
    assert refusal(world, "cordon", world.components["compute-0"]) == "it is disabled already"
    order(world, "uncordon", "compute-0")
    world.run(300.0)
    assert set(compute.libvirt.domains) - there


def test_a_power_cycle_stops_the_guests_and_renews_more_than_a_reboot():
    world = site()
    world.run(60.0)
    node = world.components["compute-0"]
    compute = world.components["nova-compute@compute-0"]
    order(world, "power-cycle", "compute-0")
    world.run(120.0)
    assert not node.up
    assert not any(domain.active for domain in compute.libvirt.domains.values())
    world.run(420.0)
    assert node.up
    assert compute.state is State.RUNNING


def test_an_empty_host_is_replaced_by_a_spare_and_one_with_servers_is_not():
    world = site(workload={"arrivals": {"poisson": "0.05/s"}, "lifetime": "900s"})
    world.run(120.0)
    node = world.components["compute-0"]
    assert refusal(world, "replace", node) == "servers are on it: migrate them first"
    assert refusal(world, "replace", world.components["controller-0"]) == "it is no compute host that takes servers"
    order(world, "migrate", "compute-0")
    world.run(300.0)
    bad = Condition(Layer.OS, "cpu_stress", 64.0, "mark")
    node.impose(bad)
    ticket = order(world, "replace", "compute-0")
    world.run(600.0)
    assert bad in ticket.relieved
    assert world.components["nova-compute@compute-0"].state is State.RUNNING
    assert not world.components["compute-2"].up
    assert refusal(world, "scale-out", world.components["nova-scheduler"]) == "no spare node"
