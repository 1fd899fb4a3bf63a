"""What can be done to servers, through nova's API and down to the hypervisor."""

from __future__ import annotations

from typing import Any

import pytest

from twin.openstack.infrastructure.domains import DomainState


def boot(client: Any, wait: float = 40.0, **arguments: Any) -> dict[str, Any]:
    """A new server, after a while."""
    site = client.world.cluster.site
    asked = {"name": "vm", "image": site.image, "networks": (site.network,), "flavor": "m1.tiny", **arguments}
    response = client.ask("nova-api", "servers.create", "POST", "/v2.1/servers", **asked)
    assert response.status == 202, response
    client.wait(wait)
    return show(client, response.body["id"])


def show(client: Any, server_id: str) -> dict[str, Any]:
    """A server as the API shows it now."""
    response = client.ask("nova-api", "servers.show", "GET", f"/v2.1/servers/{server_id}", server_id=server_id)
    assert response.status == 200, response
    return response.body


def act(client: Any, server: dict[str, Any], action: str, wait: float = 60.0, **parameters: Any) -> dict[str, Any]:
    """An action on a server, and the server after a while."""
    uri = f"/v2.1/servers/{server['id']}/action"
    response = client.ask(
        "nova-api", "servers.action", "POST", uri, server_id=server["id"], action=action, **parameters
    )
    assert response.status == 202, response
    client.wait(wait)
    return show(client, server["id"])


def domain(client: Any, server: dict[str, Any]) -> Any:
    """Its guest on the host that nova names."""
    host = server["OS-EXT-SRV-ATTR:host"]
    return client.world.cluster.site.libvirts[host].domains[server["id"]]


def test_a_server_boots_with_a_port_that_is_wired(client):
    server = boot(client)
    assert server["status"] == "ACTIVE"
    (port,) = server["addresses"]["ports"]
    assert client.world.cluster.site.neutron.tables.ports[port].status == "ACTIVE"
    assert domain(client, server).state is DomainState.RUNNING


def test_many_servers_at_once_have_names_of_their_own(client):
    response = client.ask(
        "nova-api", "servers.create", "POST", name="web", image=client.world.cluster.site.image, min_count=3
    )
    assert response.status == 202
    client.wait(60.0)
    names = {server.name: server.status for server in client.world.cluster.site.tables.servers.values()}
    assert names == {"web-1": "ACTIVE", "web-2": "ACTIVE", "web-3": "ACTIVE"}


def test_a_server_stops_starts_and_reboots(client):
    server = boot(client)
    server = act(client, server, "os-stop")
    assert server["status"] == "SHUTOFF"
    assert not domain(client, server).active
    server = act(client, server, "os-start")
    assert server["status"] == "ACTIVE"
    assert domain(client, server).active
    for kind in ("SOFT", "HARD"):
        server = act(client, server, "reboot", type=kind)
        assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
        assert domain(client, server).active


def test_an_action_in_the_wrong_state_is_a_conflict(client):
    server = boot(client)
    response = client.ask("nova-api", "servers.action", server_id=server["id"], action="os-start")
    assert response.status == 409
    assert "vm_state active" in response.message


@pytest.mark.parametrize("end", ["confirmResize", "revertResize"])
def test_a_resize_waits_for_the_users_word(client, end):
    tables = client.world.cluster.site.tables
    server = boot(client)
    source = server["OS-EXT-SRV-ATTR:host"]
    server = act(client, server, "resize", wait=90.0, flavor="m1.small")
    assert server["status"] == "VERIFY_RESIZE"
    assert server["OS-EXT-SRV-ATTR:host"] != source
    server = act(client, server, end)
    assert server["status"] == "ACTIVE"
    kept = "m1.small" if end == "confirmResize" else "m1.tiny"
    assert server["flavor"] == kept
    assert (server["OS-EXT-SRV-ATTR:host"] == source) is (end == "revertResize")
    assert [flavor.name for flavor in tables.allocations[server["id"]].values()] == [kept]
    assert list(tables.allocations[server["id"]]) == [server["OS-EXT-SRV-ATTR:host"]]


def test_a_live_migration_moves_the_running_guest(client):
    server = boot(client)
    source = server["OS-EXT-SRV-ATTR:host"]
    server = act(client, server, "os-migrateLive")
    assert server["status"] == "ACTIVE"
    assert server["OS-EXT-SRV-ATTR:host"] != source
    assert domain(client, server).state is DomainState.RUNNING
    assert server["id"] not in client.world.cluster.site.libvirts[source].domains
    assert list(client.world.cluster.site.tables.allocations[server["id"]]) == [server["OS-EXT-SRV-ATTR:host"]]


def test_an_evacuation_waits_until_the_host_is_down(client):
    server = boot(client)
    source = server["OS-EXT-SRV-ATTR:host"]
    refused = client.ask("nova-api", "servers.action", server_id=server["id"], action="evacuate")
    assert refused.status == 400
    assert "still in use" in refused.message
    client.impose(source, "board", "power_lost")
    client.wait(75.0)
    server = act(client, server, "evacuate")
    assert server["status"] == "ACTIVE"
    assert server["OS-EXT-SRV-ATTR:host"] != source
    assert domain(client, server).active


def test_a_rebuild_keeps_server_host_and_port(client):
    server = boot(client)
    again = act(client, server, "rebuild", image=client.world.cluster.site.image)
    assert again["status"] == "ACTIVE"
    assert again["OS-EXT-SRV-ATTR:host"] == server["OS-EXT-SRV-ATTR:host"]
    assert again["addresses"] == server["addresses"]


def test_a_volume_is_attached_and_detached(client):
    server = boot(client)
    volume = client.volume()
    path = f"/v2.1/servers/{server['id']}/os-volume_attachments"
    ids = {"server_id": server["id"], "volume_id": volume["id"]}
    assert client.ask("nova-api", "volume_attachments.create", "POST", path, **ids).status == 200
    client.wait(20.0)
    assert client.cinder("volumes.show", volume_id=volume["id"])["status"] == "in-use"
    assert volume["id"] in domain(client, server).devices
    assert client.ask("nova-api", "volume_attachments.delete", "DELETE", path, **ids).status == 202
    client.wait(20.0)
    assert client.cinder("volumes.show", volume_id=volume["id"])["status"] == "available"
    assert volume["id"] not in domain(client, server).devices


def test_a_server_boots_from_a_volume(client):
    volume = client.volume(image_id=client.world.cluster.site.image, wait=90.0)
    assert volume["status"] == "available"
    server = boot(client, image="", volume=volume["id"])
    assert server["status"] == "ACTIVE"
    assert client.cinder("volumes.show", volume_id=volume["id"])["status"] == "in-use"


def test_a_deletion_leaves_nothing_behind(client):
    site = client.world.cluster.site
    server = boot(client)
    volume = client.volume()
    client.ask("nova-api", "volume_attachments.create", "POST", server_id=server["id"], volume_id=volume["id"])
    client.wait(20.0)
    response = client.ask("nova-api", "servers.delete", "DELETE", server_id=server["id"])
    assert response.status == 204
    client.wait(40.0)
    assert client.ask("nova-api", "servers.show", server_id=server["id"]).status == 404
    assert server["id"] not in site.tables.allocations
    assert not set(server["addresses"]["ports"]) & set(site.neutron.tables.ports)
    assert client.cinder("volumes.show", volume_id=volume["id"])["status"] == "available"
    assert all(server["id"] not in libvirt.domains for libvirt in site.libvirts.values())


def test_a_quota_is_a_refusal(client):
    client.world.cluster.site.quotas["instances"] = 1
    boot(client)
    response = client.ask("nova-api", "servers.create", "POST", name="two", image=client.world.cluster.site.image)
    assert response.status == 403
    assert "Quota exceeded for instances" in response.message


def test_a_build_that_fails_on_every_host_is_tried_three_times_at_most(client):
    for host in ("compute-0", "compute-1"):
        client.world.components[host].disk_freed = -client.world.components[host].disk_size
        client.world.components[host].conditions_changed()
    server = boot(client, wait=60.0)
    assert server["status"] == "ERROR"
    said = client.said("nova-conductor")
    assert sum("Error from last host" in line for line in said) == 2
    assert any("Exceeded maximum number of retries" in line for line in said)
    assert server["id"] not in client.world.cluster.site.tables.allocations


def test_a_snapshot_becomes_an_image(client):
    before = len(client.world.cluster.site.images.images)
    server = act(client, boot(client), "createImage", name="copy")
    assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
    assert len(client.world.cluster.site.images.images) == before + 1
