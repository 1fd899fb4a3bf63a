"""What can be done to servers, through nova's API and down to the hypervisor."""

from __future__ import annotations

from typing import Any

import pytest

from twin.openstack.infrastructure.domains import DomainState
from twin.openstack.neutron.tables import Subnet


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
    assert f"Host filter ignoring hosts: {source}" in client.said("nova-scheduler")


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


def test_a_host_that_comes_back_destroys_what_was_evacuated(client):
    server = boot(client)
    source = server["OS-EXT-SRV-ATTR:host"]
    compute = client.world.components[f"nova-compute@{source}"]
    compute.stop("test")
    client.wait(75.0)
    act(client, server, "evacuate")
    compute.start()
    client.wait(60.0)
    assert server["id"] not in client.world.cluster.site.libvirts[source].domains
    assert any(line.startswith("Destroying instance as it has been evacuated") for line in client.said(compute.name))


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
    said = client.said(f"nova-compute@{server['OS-EXT-SRV-ATTR:host']}")
    assert f"Attempting to driver detach volume {volume['id']} from mountpoint /dev/vdb" in said
    assert f"Successfully detached device vdb from instance {server['id']} from the live domain config." in said


def test_a_server_boots_from_a_volume(client):
    volume = client.volume(image_id=client.world.cluster.site.image, wait=90.0)
    assert volume["status"] == "available"
    server = boot(client, image="", volume=volume["id"])
    assert server["status"] == "ACTIVE"
    said = client.said(f"nova-compute@{server['OS-EXT-SRV-ATTR:host']}")
    assert f"Booting with volume {volume['id']} at /dev/vda" in said
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
    said = client.said(f"nova-compute@{server['OS-EXT-SRV-ATTR:host']}")
    assert any(line.endswith("seconds to detach 1 volumes for instance.") for line in said)


def test_a_quota_is_a_refusal(client):
    client.world.cluster.site.quotas["instances"] = 1
    boot(client)
    response = client.ask("nova-api", "servers.create", "POST", name="two", image=client.world.cluster.site.image)
    assert response.status == 403
    assert "Quota exceeded for instances" in response.message


def test_a_larger_flavor_may_be_more_than_the_quota_allows(client):
    server = boot(client)
    client.world.cluster.site.quotas["ram"] = 512
    ids = {"server_id": server["id"], "action": "resize", "flavor": "m1.small"}
    assert client.ask("nova-api", "servers.action", "POST", **ids).status == 403
    assert f"ram quota exceeded for {client.project}, tried to resize instance." in client.said("nova-api")


def test_a_server_on_a_network_without_addresses_fails_where_it_was_sent_first(client, monkeypatch):
    monkeypatch.setattr(Subnet, "allocate", lambda subnet: None)
    server = boot(client)
    assert server["status"] == "ERROR"
    assert "No fixed IP addresses available for network" in server["fault"]
    said = client.said("nova-compute@compute-0", "nova-compute@compute-1")
    assert sum(line.startswith("No more fixed IP to be allocated") for line in said) == 1


def test_a_build_that_fails_on_every_host_is_tried_three_times_at_most(client):
    for host in ("compute-0", "compute-1"):
        client.world.components[host].disk_freed = -client.world.components[host].disk_size
        client.world.components[host].conditions_changed()
    server = boot(client, wait=60.0)
    assert server["status"] == "ERROR"
    said = client.said("nova-conductor")
    assert sum("Error from last host" in line for line in said) == 2
    assert any("Exceeded maximum number of retries" in line for line in said)
    hosts = client.said("nova-compute@compute-0", "nova-compute@compute-1")
    assert sum(line.startswith("Failed to build and run instance: ") for line in hosts) == 2
    assert server["id"] not in client.world.cluster.site.tables.allocations


def test_a_server_that_is_off_is_copied_cold(client):
    server = boot(client)
    act(client, server, "os-stop")
    act(client, server, "createImage", name="copy")
    said = client.said(f"nova-compute@{server['OS-EXT-SRV-ATTR:host']}")
    assert "trying to snapshot a non-running instance: (state: 4 expected: 1)" in said
    assert "Beginning cold snapshot process" in said


def test_a_snapshot_becomes_an_image(client):
    before = len(client.world.cluster.site.images.images)
    server = act(client, boot(client), "createImage", name="copy")
    assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
    assert len(client.world.cluster.site.images.images) == before + 1
