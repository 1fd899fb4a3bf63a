"""One more interface for a server, and what becomes of it where it cannot be had."""

from __future__ import annotations

from typing import Any

import pytest

from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer


@pytest.fixture
def server(client: Any) -> Any:
    """A server that runs; its row."""
    site = client.world.cluster.site
    asked = {"name": "vm", "image": site.image, "networks": (site.network,), "flavor": "m1.tiny"}
    body = client.ask("nova-api", "servers.create", "POST", "/v2.1/servers", **asked).body
    client.wait(40.0)
    row = site.tables.servers[body["id"]]
    assert row.status == "ACTIVE"
    return row


def attach(client: Any, server: Any, network_id: str) -> Any:
    return client.ask("nova-api", "interfaces.create", "POST", server_id=server.uuid, network_id=network_id)


def test_a_second_interface_is_a_port_of_its_own(client, server):
    before = list(server.ports)
    response = attach(client, server, client.world.cluster.site.network)
    assert response.status == 200 and response.body["id"] not in before
    assert sorted(server.ports) == sorted([*before, response.body["id"]])


def test_an_interface_on_a_network_that_is_gone_is_not_found(client, server):
    gone = "0" * 32
    response = attach(client, server, gone)
    assert (response.status, response.message) == (404, f"Network {gone} could not be found.")
    assert len(server.ports) == 1


def test_a_port_that_somebody_deletes_meanwhile_fails_the_attachment(client, server, monkeypatch):
    compute = client.world.components[f"nova-compute@{server.host}"].manager
    nothing = iter(())

    def deleted_meanwhile(context: Any, instance: Any, network_id: str) -> Any:
        yield from nothing
        return []

    monkeypatch.setattr(compute.network_api, "allocate_port_for_instance", deleted_meanwhile)
    response = attach(client, server, client.world.cluster.site.network)
    assert (response.status, response.message) == (500, f"Failed to attach network adapter device to {server.uuid}")
    assert "allocate_port_for_instance returned 0 ports" in client.said(f"nova-compute@{server.host}")
    assert f"HTTP exception thrown: {response.message}" in client.said("nova-api")


def test_a_port_that_the_guest_does_not_take_is_given_back(client, server):
    compute, before = f"nova-compute@{server.host}", list(server.ports)
    client.world.cluster.site.libvirts[server.host].impose(Condition(Layer.PROCESS, "killed", 1.0, "test"))
    assert attach(client, server, client.world.cluster.site.network).status == 500
    said = client.said(compute)
    assert any(line.startswith("attaching network adapter failed.") for line in said)
    assert any(line.startswith("attach interface failed , try to deallocate port") for line in said)
    assert server.ports == before
    assert {p.id for p in client.world.cluster.site.neutron.tables.ports.values() if p.device_id == server.uuid} == {
        *before
    }
