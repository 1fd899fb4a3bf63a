"""A host whose libvirt is away takes itself out of scheduling until a call finds libvirt again."""

from __future__ import annotations

from typing import Any

import pytest

COMPUTE, LIBVIRT = "nova-compute@compute-0", "libvirt@compute-0"


def status(client: Any) -> tuple[bool, str, bool]:
    """What nova's and placement's tables say of the host."""
    tables = client.world.cluster.site.tables
    row = tables.services[COMPUTE]
    return row.disabled, row.disabled_reason, tables.providers["compute-0"].disabled


def events(client: Any) -> list[str]:
    return [line for line in client.said(COMPUTE) if line.startswith("Connection event")]


@pytest.fixture
def down(client: Any) -> Any:
    """A user of a site of which one host's libvirt is dead for good."""
    client.impose(LIBVIRT, "container", "killed")
    client.wait(5.0)
    assert not client.world.components[LIBVIRT].up
    return client


def test_without_libvirt_a_host_disables_itself_and_with_it_enables_itself(down):
    assert status(down) == (True, "AUTO: Connection to libvirt lost: 1", True)
    assert events(down) == ["Connection event '0' reason 'Connection to libvirt lost: 1'"]
    site = down.world.cluster.site
    asked = {"name": "vm", "image": site.image, "networks": (site.network,), "flavor": "m1.tiny"}
    for _ in range(2):
        body = down.ask("nova-api", "servers.create", "POST", "/v2.1/servers", **asked).body
        down.wait(40.0)
        assert site.tables.servers[body["id"]].host == "compute-1"
    libvirt = down.world.components[LIBVIRT]
    for condition in list(libvirt.conditions):
        libvirt.lift(condition)
    libvirt.start()
    down.wait(70.0)  # the audit of every minute comes to it
    assert status(down) == (False, "", False)
    assert events(down)[-1] == "Connection event '1' reason 'None'"


def test_what_an_operator_has_disabled_stays_so(client):
    row = client.world.cluster.site.tables.services[COMPUTE]
    row.disabled, row.disabled_reason = True, "maintenance"
    client.world.components[LIBVIRT].die("crash")
    client.wait(90.0)
    assert len(events(client)) == 2
    assert (row.disabled, row.disabled_reason) == (True, "maintenance")


def test_a_new_nova_compute_connects_anew(down):
    libvirt = down.world.components[LIBVIRT]
    compute = down.world.components[COMPUTE]
    compute.stop("killed")
    for condition in list(libvirt.conditions):
        libvirt.lift(condition)
    libvirt.start()
    compute.start()
    down.wait(45.0)
    assert status(down) == (False, "", False)


def test_without_a_conductor_the_status_cannot_be_written(client):
    client.world.components["nova-conductor"].stop("killed")
    client.world.components[LIBVIRT].die("crash")
    client.wait(65.0)
    said = client.said(COMPUTE, levels="WARNING")
    assert any(line.startswith('Cannot update service status on host "compute-0" due to') for line in said)
