"""A compute host that loses its power while something is ordered of it."""

from __future__ import annotations

from twin import Action
from twin.process import State


def test_a_service_starts_with_its_machine_whatever_is_being_done_about_it(openstack_world):
    outage = {
        "name": "fault",
        "kind": "NodeChaos",
        "action": "powerLoss",
        "selector": {"nodes": ["compute-0"]},
        "at": "60s",
        "duration": "30s",
    }
    world = openstack_world(outage)
    world.run(260)
    ticket = world.apply(Action("migrate", "nova-compute@compute-0"))
    assert ticket.legal
    host = world.components["compute-0"]
    while not host.up:
        world.run(world.now + 10)
    assert ticket.finished is None
    world.run(world.now + 120)
    assert world.components["nova-compute@compute-0"].state is State.RUNNING
