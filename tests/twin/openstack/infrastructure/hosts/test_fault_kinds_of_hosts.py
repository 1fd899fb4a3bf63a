"""Faults of hypervisors, neutron's agents and storage in a whole site: where they land and what ends them."""

from __future__ import annotations

import pytest

from twin import Action
from twin.mechanics.layers import Layer
from twin.scenario import ScenarioError

QUIET = "0.0001/s"
"""No tenant asks for anything: these faults are judged by where they are."""


def _conditions(world):
    return {
        (component.name, c.layer, c.parameter): c.value
        for component in world.components.values()
        for c in component.conditions
    }


@pytest.mark.parametrize("target", ["libvirt@compute-0", "compute-0", "nova-compute@compute-0"])
def test_a_hang_is_libvirt_s_whatever_on_the_host_is_named(openstack_world, on, target):
    world = openstack_world(on(target, "HypervisorChaos", "hang", at="10s"), rate=QUIET)
    world.run(until=20)
    assert _conditions(world) == {("libvirt@compute-0", Layer.PROCESS, "libvirt_hang"): 1.0}


def test_a_restart_of_libvirt_cures_its_hang_and_one_of_nova_compute_does_not(openstack_world, on):
    world = openstack_world(on("compute-0", "HypervisorChaos", "hang", at="10s"), rate=QUIET)
    world.run(until=20)
    useless = world.apply(Action("restart", "nova-compute@compute-0", "immediate"))
    world.run(until=40)
    assert not useless.relieved
    assert world.truth.active
    useful = world.apply(Action("restart", "libvirt@compute-0", "immediate"))
    world.run(until=60)
    assert useful.relieved
    assert not world.truth.active
    assert world.components["libvirt@compute-0"].up


def test_a_tenant_s_demand_outlives_every_restart(openstack_world, on):
    world = openstack_world(
        on("compute-0", "HypervisorChaos", "noisyNeighbour", at="10s", guests=3, duration="100s"), rate=QUIET
    )
    world.run(until=20)
    world.apply(Action("recreate", "libvirt@compute-0", "immediate"))
    world.run(until=60)
    assert _conditions(world) == {
        ("libvirt@compute-0", Layer.DEMAND, "noisy_guests"): 3.0,
        ("libvirt@compute-0", Layer.DEMAND, "guest_cpu"): 1.0,
        ("libvirt@compute-0", Layer.DEMAND, "guest_streams"): 4.0,
    }
    world.run(until=120)
    assert world.truth.incidents["fault"].cleared_by == "expired"


@pytest.mark.parametrize(
    ("action", "fields", "expected"),
    [
        ("backendSlow", {"factor": 10}, (Layer.PROCESS, "service_time", 10.0)),
        ("backendFull", {}, (Layer.DATA, "backend_taken", 1.0)),
        ("targetDown", {}, (Layer.PROCESS, "target_down", 1.0)),
    ],
)
def test_faults_of_the_backend_land_on_it(openstack_world, on, action, fields, expected):
    world = openstack_world(on("lvm-0", "StorageChaos", action, at="10s", **fields), rate=QUIET)
    world.run(until=20)
    layer, parameter, value = expected
    assert _conditions(world) == {("lvm-0", layer, parameter): value}
    world.apply(Action("restart", "lvm-0", "immediate"))
    world.run(until=40)
    assert bool(world.truth.active) is (layer is Layer.DATA), "deleting what fills it is another thing than a restart"


def test_small_packets_are_a_machine_s_or_its_agent_s(openstack_world, on):
    world = openstack_world(on("compute-0", "NetworkAgentChaos", "mtuMismatch", at="10s", mtu=1400), rate=QUIET)
    world.run(until=20)
    assert _conditions(world) == {("compute-0", Layer.NETWORK, "mtu"): 1400.0}
    assert world.cluster.site.dataplane.mtu_between("compute-0", "compute-1") == 1350
    assert world.cluster.site.dataplane.mtu_between("compute-1", "controller-1") == 1450


def test_a_fault_says_what_it_can_hit(openstack_world, on):
    with pytest.raises(ScenarioError, match=r"cannot hit 'keystone', a keystone: it hits a volume-backend"):
        openstack_world(on("keystone", "StorageChaos", "backendFull"), rate=QUIET)
    with pytest.raises(ScenarioError, match="factor"):
        openstack_world(on("lvm-0", "StorageChaos", "backendSlow", factor=1), rate=QUIET)
