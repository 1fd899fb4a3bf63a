"""What may be ordered follows from what was seen last, not from how it is (invariants: oracle boundary, freshness)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twin import Action, World
from twin.process import State

MakeWorld = Callable[..., World]

DARK = {"name": "dark", "kind": "NodeChaos", "action": "powerLoss", "at": "102s"}


def legal(world: World, category: str, target: str) -> bool:
    return world.legal(category, world.components[target])


def test_a_spare_that_has_just_lost_power_counts_until_the_next_scrape(openstack_world: MakeWorld) -> None:
    world = openstack_world({**DARK, "selector": {"nodes": ["compute-2"]}}, rate="0.05/s")
    world.run(until=102.5)
    assert not world.components["compute-2"].up
    assert legal(world, "scale-out", "nova-scheduler")
    world.run(until=105.5)
    assert not legal(world, "scale-out", "nova-scheduler")


def test_who_scales_out_onto_a_dark_spare_finds_that_out(openstack_world: MakeWorld) -> None:
    world = openstack_world({**DARK, "selector": {"nodes": ["compute-2"]}}, rate="0.05/s")
    world.run(until=102.5)
    ticket = world.apply(Action("scale-out", "nova-scheduler"))
    world.run(until=200)
    assert ticket.legal and ticket.finished is not None
    assert world.components["nova-compute@compute-2"].state is State.ABSENT  # type: ignore[attr-defined]


def test_no_host_is_replaced_by_a_dark_spare(openstack_world: MakeWorld) -> None:
    world = openstack_world({**DARK, "selector": {"nodes": ["compute-2"]}}, rate="0.0001/s")
    world.run(until=102.5)
    ticket = world.apply(Action("replace", "compute-0"))
    world.run(until=110)
    assert ticket.legal and ticket.finished is not None
    assert world.components["compute-0"].up


def test_nobody_hears_of_a_server_in_error_while_the_api_does_not_answer(openstack_world: MakeWorld) -> None:
    world = openstack_world(workload={"arrivals": {"poisson": "0.05/s"}, "lifetime": "900s"})
    world.run(until=200)
    site: Any = world.cluster.site  # type: ignore[attr-defined]
    server = next(server for server in site.tables.servers.values() if server.vm_state == "active")
    nova_compute = f"nova-compute@{server.host}"
    api: Any = world.components["nova-api"]
    api.stop("crash")
    site.tables.update(server, vm_state="error", task_state=None)
    world.run(until=210)
    assert not legal(world, "rebuild", nova_compute)
    assert legal(world, "hard-reboot", nova_compute), "it had servers when the API answered last"
    api.start()
    world.run(until=240)
    assert legal(world, "rebuild", nova_compute)
