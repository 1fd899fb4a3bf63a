"""Migration, scaling out and reboots."""

from __future__ import annotations

from twin import Action
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.openstack.operations.administrator import PATIENCE
from twin.openstack.operations.moving import DEADLINE
from twin.process import State


def test_migration_empties_a_host_and_keeps_new_servers_away(openstack_world):
    world = openstack_world()
    world.run(until=120)
    source = world.components["nova-compute@compute-0"]
    assert source.libvirt.domains
    ticket = world.apply(Action("migrate", "compute-0"))
    assert ticket.legal
    world.run(until=240)
    assert ticket.finished is not None
    assert not source.libvirt.domains
    assert world.cluster.site.tables.services[source.name].disabled
    world.apply(Action("uncordon", "compute-0"))
    world.run(until=330)
    assert source.libvirt.domains


def test_migration_takes_servers_out_of_reach_of_what_is_wrong_with_the_host(openstack_world):
    stress = {
        "name": "fault",
        "kind": "StressChaos",
        "selector": {"nodes": ["compute-0"]},
        "at": "100s",
        "stressors": {"cpu": {"workers": 64}},
    }
    world = openstack_world(stress, workload={"arrivals": {"poisson": "0.04/s"}, "lifetime": "1000s"})
    world.run(until=130)
    on_host = world.cluster.site.tables.on("compute-0")
    assert on_host and all(server.vm_state == "active" for server in on_host)  # nova moves none that is being built
    ticket = world.apply(Action("migrate", "nova-compute@compute-0"))
    world.run(until=500)
    assert [condition.parameter for condition in ticket.relieved] == ["cpu_stress"]


def test_the_servers_of_a_host_whose_nova_compute_is_dead_are_evacuated_once_nova_shows_it(openstack_world):
    world = openstack_world(workload={"arrivals": {"poisson": "0.03/s"}, "lifetime": "3000s"})
    world.run(until=240)
    tables, source = world.cluster.site.tables, world.components["nova-compute@compute-0"]
    assert tables.count_on("compute-0")
    source.impose(Condition(Layer.PROCESS, "unit_stopped", 9.0, "test"))
    ticket = world.apply(Action("migrate", "compute-0"))
    world.run(until=280)
    assert tables.count_on("compute-0")  # for as long as it looks alive its servers are asked to go by themselves
    world.run(until=700)
    assert ticket.finished is not None
    assert not tables.count_on("compute-0")


def test_emptying_a_host_comes_to_an_end_whatever_nova_answers(openstack_world):
    world = openstack_world(rate="0.05/s", horizon="4000s")
    world.run(until=200)
    ticket = world.apply(Action("migrate", "compute-0"))
    world.run(until=203)
    for name in ("nova-api", "nova-compute@compute-0"):
        world.components[name].impose(Condition(Layer.PROCESS, "unit_stopped", 9.0, "test"))
    world.run(until=203 + DEADLINE + PATIENCE)
    assert ticket.finished is not None


def test_there_is_nothing_to_migrate_from_a_spare_or_a_controller(healthy):
    for name in ("compute-2", "controller-0", "nova-api", "nova-compute@compute-2"):
        assert not healthy.legal("migrate", healthy.components[name])


def test_scaling_out_the_scheduler_discovers_the_spare_host(openstack_world):
    world = openstack_world()
    world.run(until=60)
    spare = world.components["nova-compute@compute-2"]
    assert spare.state is State.ABSENT
    world.apply(Action("scale-out", "nova-scheduler"))
    world.run(until=200)
    assert spare.state is State.RUNNING
    assert spare.libvirt.domains
    said = {record.template.id for record in world.recorder.logs}
    assert {"nova.new-hosts", "compute.node-created", "nova.provider-created"} <= said
    assert not world.legal("scale-out", world.components["nova-scheduler"])


def test_scaling_out_an_api_adds_a_worker(openstack_world):
    world = openstack_world()
    before = world.components["nova-api"].python.capacity
    world.apply(Action("scale-out", "nova-api"))
    world.run(until=20)
    assert world.components["nova-api"].python.capacity == before + 1


def test_a_reboot_takes_the_guests_down_and_brings_them_back(openstack_world):
    world = openstack_world(workload={"arrivals": {"poisson": "0.1/s"}, "lifetime": "600s"})
    world.run(until=120)
    compute = world.components["nova-compute@compute-0"]
    guests = set(compute.libvirt.domains)
    world.apply(Action("reboot", "compute-0", "immediate"))
    world.run(until=200)
    assert not any(domain.active for domain in compute.libvirt.domains.values())
    assert not compute.reachable or compute.sample()[0] == 0.0
    world.run(until=380)
    assert compute.state is State.RUNNING
    domains = compute.libvirt.domains
    assert guests
    assert all(domains[uuid].active for uuid in guests & set(domains))
