"""A release with a mutation, in a cloud."""

from __future__ import annotations

import pytest

from twin import Action
from twin.mechanics.layers import Layer
from twin.openstack.mutation.mutants import Mutants, runs_site
from twin.openstack.mutation.operators import points
from twin.openstack.mutation.sites import by_id, sites
from twin.scenario import ScenarioError

SITE = "nova.compute.manager.ComputeManager.terminate_instance/self._delete_instance"


def release(on, component="nova-compute@compute-0", site=SITE, mutation="throwException", **fields):
    return on(component, "MutationChaos", at="30s", site=site, mutation=mutation, **fields)


def _present(world, component):
    mutants = world.components[component].mutants
    return set() if mutants is None else {mutation.text for mutation in mutants.present}


def test_a_mutated_release_survives_a_restart_and_not_a_rollback(openstack_world, on):
    world = openstack_world(release(on))
    compute = "nova-compute@compute-0"
    world.run(until=29)
    assert not _present(world, compute)
    world.run(until=60)
    assert _present(world, compute) == {f"{SITE}|throwException"}
    assert not _present(world, "nova-compute@compute-1")
    world.apply(Action("restart", compute, "immediate"))
    world.run(until=120)
    assert _present(world, compute)
    world.apply(Action("rollback-config", compute, "immediate"))
    world.run(until=180)
    assert not _present(world, compute)
    assert world.truth.incidents["fault"].cleared_by == f"rollback-config {compute}"


def test_a_mutation_of_the_running_program_goes_with_it(openstack_world, on):
    world = openstack_world(release(on, layer="process"))
    world.run(until=60)
    assert {c.layer for c in world.components["nova-compute@compute-0"].conditions} == {Layer.PROCESS}
    world.apply(Action("restart", "nova-compute@compute-0", "immediate"))
    world.run(until=120)
    assert not _present(world, "nova-compute@compute-0")


def test_a_mutation_fails_what_comes_by_it_and_logs_the_programs_own_lines(openstack_world, on):
    world = openstack_world(release(on), release(on, "nova-compute@compute-1") | {"name": "other"}, rate="0.2/s")
    world.run(until=300)
    activations = world.components["nova-compute@compute-0"].mutants.activations
    assert activations[f"{SITE}|throwException"].count > 3
    traced = [line.text for line in world.log_lines(30, 300) if line.component == "nova-compute@compute-0"]
    assert any("in terminate_instance" in line for line in traced)
    assert any(line.endswith("Exception") for line in traced)


@pytest.mark.parametrize(
    ("fields", "key", "told"),
    [
        ({"site": SITE.replace("_delete", "_deleted")}, "site", SITE),
        ({"mutation": "wrongParameter"}, "argument", "1 (context)"),
        ({"mutation": "wrongParameter", "argument": "colour"}, "argument", "no argument 'colour'"),
        ({"mutation": "wrongReturnValue"}, "mutation", "nobody uses its value"),
        ({"component": "nova-api"}, "selector", "it runs in nova-compute@compute-0"),
        ({"component": "mysql-0"}, "selector", "it hits a service of Nova, Neutron or Cinder"),
    ],
)
def test_a_release_that_cannot_be_is_refused(openstack_world, on, fields, key, told):
    with pytest.raises(ScenarioError) as refused:
        openstack_world(release(on, **fields))
    assert refused.value.path[:3] == ("spec", "faults", 0)
    assert refused.value.path[3] == key
    assert told in refused.value.message


def test_every_site_of_a_running_service_can_be_mutated_in_every_way(openstack_world):
    world = openstack_world()
    service = world.components["cinder-scheduler"]
    own = [site for site in sites() if any(runs_site(flow, site) for flow in service.flows)]
    assert len(own) > 20
    mutants = Mutants(service)
    for site in own:
        mutants.become(frozenset(points(site)))
    mutants.become(frozenset(point for site in own for point in points(site)))
    mutants.become(frozenset())
    assert not [name for flow in service.flows for name in vars(flow) if name in {site.function for site in own}]


def test_what_a_service_has_handed_out_is_mutated_too(openstack_world):
    service = openstack_world().components["nova-compute@compute-0"]
    healthy = service.procedures["terminate_instance"]
    mutants = Mutants(service)
    mutants.become(frozenset(points(by_id()[SITE])[:1]))
    assert service.procedures["terminate_instance"].__func__ is not healthy.__func__
    mutants.become(frozenset())
    assert service.procedures["terminate_instance"] == healthy
