"""The presets that stand for real clouds: nova's fake driver, CloudLab's image cache, a host that is all in one."""

from __future__ import annotations

import pytest

from twin import Scenario, World
from twin.mechanics.hypervisor import HOSTS
from twin.node import Node

SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: compared}
spec:
  cluster: {kind: openstack, preset: PRESET}
  workload: WORKLOAD
  horizon: 200s
"""
ONE_BY_ONE = "{arrivals: {concurrency: {users: 1, think: 10s}}, lifetime: 6s}"


def lived(preset: str, workload: str = ONE_BY_ONE) -> World:
    world = World(Scenario.parse(SCENARIO.replace("PRESET", preset).replace("WORKLOAD", workload)), seed=3)
    world.run()
    return world


def said(world: World, kind: str, *texts: str) -> list[tuple[float, str]]:
    lines = [line for line in world.log_lines(0.0, world.now) if line.component.startswith(kind)]
    return [(line.time, text) for line in lines for text in texts if text in line.text]


def test_the_fake_driver_builds_servers_without_guests_and_waits_for_nobody() -> None:
    world = lived("fake-driver")
    assert len(said(world, "nova-compute", "seconds to build instance")) > 5
    assert not said(world, "nova-compute", "Lifecycle Event", "Creating image")
    assert not any(libvirt.domains for libvirt in world.cluster.site.libvirts.values())  # type: ignore[attr-defined]


def test_a_server_without_a_port_asks_nothing_of_neutron() -> None:
    loop = "{arrivals: {concurrency: {users: 1, think: 10s}}, lifetime: 6s, client: {ports: PORTS}}"
    with_port, without = (lived("fake-driver", loop.replace("PORTS", share)) for share in ("100%", "0%"))
    assert said(with_port, "neutron-server", "POST /v2.0/ports")
    assert not said(without, "neutron-server", "POST /v2.0/ports")
    assert said(without, "nova-compute", "seconds to build instance")


def test_cloudlab_s_image_cache_keeps_a_base_file_in_use_and_removes_it_soon_after() -> None:
    world = lived("cloudlab")
    passes = said(world, "nova-compute", "Active base files", "Removing base", "VM Started", "Terminating")
    removed = [time for time, what in passes if what == "Removing base"]
    assert removed
    for time in removed:
        last = max(t for t, what in passes if what == "Active base files" and t < time)
        assert 5.0 <= time - last < 11.0
        assert not [t for t, what in passes if what == "Active base files" and time <= t < time + 8.0]


def test_all_in_one_puts_servers_beside_the_services_and_paces_both_alike() -> None:
    world = lived("all-in-one")
    nodes = [component for component in world.components.values() if isinstance(component, Node)]
    assert len(nodes) == 1
    site = world.cluster.site  # type: ignore[attr-defined]
    assert site.api.place is site.libvirts[nodes[0].name].place
    assert site.api.pace == pytest.approx(HOSTS["devstack"].scale)
    assert site.api.pace < 1.0
