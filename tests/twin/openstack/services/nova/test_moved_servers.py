"""Servers that move: their volumes come along, their state stays what it was, and what fails on the way is told."""

from __future__ import annotations

import pytest

from twin.mechanics.openstack import FLAVORS

MANAGER = "nova.compute.manager.ComputeManager"


def boot(client, wait=60.0, **arguments):
    site = client.world.cluster.site
    fields = {"name": "s", "image": site.image, "networks": (site.network,), "flavor": "m1.tiny"}
    body = client.ask("nova-api", "servers.create", "POST", **fields | arguments).body
    client.wait(wait)
    return site.tables.servers[body["id"]]


def act(client, server, action, wait=60.0, **parameters):
    client.ask("nova-api", "servers.action", "POST", server_id=server.uuid, action=action, **parameters)
    client.wait(wait)


def attached(client):
    server, volume = boot(client), client.volume()["id"]
    client.ask("nova-api", "volume_attachments.create", "POST", server_id=server.uuid, volume_id=volume)
    client.wait(20.0)
    return server, volume


def reached_from(client, volume):
    """The hosts from which a guest can read and write a volume."""
    site = client.world.cluster.site
    return [host for host, machine in site.hosts.items() if site.storage.serves(machine, volume)]


def until(client, server, task_state, limit=60.0):
    """Run until a server is in the middle of something."""
    deadline = client.world.now + limit
    while server.task_state != task_state:
        assert client.world.now < deadline, (server.vm_state, server.task_state)
        client.world.clock.step()


def die(client, component):
    """Kill a process, and let its supervisor start it again."""
    client.world.components[component].die("crash")


MOVES = {
    "live": [("os-migrateLive", 60.0)],
    "cold": [("migrate", 90.0), ("confirmResize", 30.0)],
    "resize": [("resize", 90.0), ("confirmResize", 30.0)],
    "reverted": [("migrate", 90.0), ("revertResize", 60.0)],
    "rebuilt": [("rebuild", 90.0)],
}


def move(client, server, kind):
    parameters = {"resize": {"flavor": "m1.small"}, "rebuild": {"image": client.world.cluster.site.image}}
    for action, wait in MOVES[kind]:
        act(client, server, action, wait, **parameters.get(action, {}))


# --- volumes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MOVES)
def test_a_volume_goes_where_its_server_goes_and_can_be_detached_there(client, kind):
    server, volume = attached(client)
    source = server.host
    move(client, server, kind)
    assert server.status == "ACTIVE"
    assert (server.host == source) is (kind in ("reverted", "rebuilt"))
    assert reached_from(client, volume) == [server.host]
    row = client.world.cluster.site.volumes.volumes[volume]
    assert (row.status, list(row.volume_attachment)) == ("in-use", [server.volumes[volume]])
    assert volume in client.world.cluster.site.libvirts[server.host].domains[server.uuid].devices
    client.ask("nova-api", "volume_attachments.delete", "DELETE", server_id=server.uuid, volume_id=volume)
    client.wait(20.0)
    assert row.status == "available"
    assert reached_from(client, volume) == []


def test_an_evacuation_takes_the_volume_from_the_dead_host(client):
    server, volume = attached(client)
    source = server.host
    client.impose(f"nova-compute@{source}", "process", "unit_stopped", 9.0)
    client.wait(75.0)
    assert reached_from(client, volume) == [source]  # the guest lives on
    act(client, server, "evacuate", 90.0)
    assert server.host != source
    assert reached_from(client, volume) == [server.host]


def test_a_live_migration_that_fails_leaves_the_volume_at_the_source(client):
    server, volume = attached(client)
    source, attachment = server.host, dict(server.volumes)
    other = next(host for host in client.world.cluster.site.computes if host != source)
    client.impose(f"libvirt@{other}", "process", "unit_stopped", 9.0)
    client.wait(5.0)
    act(client, server, "os-migrateLive")
    assert (server.status, server.host) == ("ACTIVE", source)
    assert server.volumes == attachment
    assert reached_from(client, volume) == [source]
    assert list(client.world.cluster.site.volumes.volumes[volume].volume_attachment) == list(attachment.values())


def test_a_hard_reboot_connects_the_volumes_again(client):
    server, volume = attached(client)
    act(client, server, "reboot", type="HARD")
    assert volume in client.world.cluster.site.libvirts[server.host].domains[server.uuid].devices
    assert reached_from(client, volume) == [server.host]


def test_a_server_that_boots_from_a_volume_needs_no_disk_of_the_host(client):
    site = client.world.cluster.site
    volume = client.volume(image_id=site.image, wait=90.0)["id"]
    for provider in site.tables.providers.values():
        provider.disk_gb = FLAVORS["m1.xlarge"].disk_gb / 2
    server = boot(client, image="", volume=volume, flavor="m1.medium")
    assert server.status == "ACTIVE"
    assert sum(provider.used_disk_gb for provider in site.tables.providers.values()) == 0
    assert any("resources=MEMORY_MB%3A4096%2CVCPU%3A2&" in line for line in client.said("placement"))
    move(client, server, "cold")
    assert server.status == "ACTIVE"
    assert reached_from(client, volume) == [server.host]


# --- power -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in MOVES if kind != "live"])
def test_a_server_that_is_off_stays_off(client, kind):
    server = boot(client)
    act(client, server, "os-stop", 90.0)
    assert server.status == "SHUTOFF"
    move(client, server, kind)
    assert server.status == "SHUTOFF"
    assert not client.world.cluster.site.libvirts[server.host].domains[server.uuid].active


def test_a_server_that_is_off_is_evacuated_and_stays_off(client):
    server = boot(client)
    act(client, server, "os-stop", 90.0)
    source = server.host
    client.impose(source, "board", "power_lost")
    client.wait(75.0)
    act(client, server, "evacuate", 120.0)
    assert (server.status, server.host != source) == ("SHUTOFF", True)


# --- what fails --------------------------------------------------------------------------------------------------


def test_a_restart_of_the_source_spares_the_guest_that_may_come_back(client):
    server = boot(client)
    source = server.host
    act(client, server, "migrate", 90.0)
    assert server.status == "VERIFY_RESIZE"
    die(client, f"nova-compute@{source}")
    client.wait(60.0)
    assert server.uuid in client.world.cluster.site.libvirts[source].domains
    act(client, server, "revertResize")
    assert (server.status, server.host) == ("ACTIVE", source)


def test_a_revert_to_a_host_without_the_disk_is_an_error(client):
    server = boot(client)
    source = server.host
    act(client, server, "migrate", 90.0)
    client.world.cluster.site.libvirts[source].disk.delete_instance(server.uuid)
    act(client, server, "revertResize")
    assert server.status == "ERROR"
    assert "No such file or directory" in server.fault


def test_a_confirmation_that_fails_is_an_error_and_frees_the_source(client):
    server = boot(client)
    source = server.host
    act(client, server, "migrate", 90.0)
    client.impose(f"libvirt@{source}", "process", "crash", 9.0)
    act(client, server, "confirmResize")
    assert server.status == "ERROR"
    assert server.fault
    assert list(client.world.cluster.site.tables.allocations[server.uuid]) == [server.host]
    said = client.said(f"nova-compute@{source}")
    assert any(line.startswith(f"Confirm resize failed on source host {source}.") for line in said)


def test_a_host_that_cannot_claim_gives_the_move_back_and_the_server_stays(client):
    server = boot(client)
    source = server.host
    other = next(host for host in ("compute-0", "compute-1") if host != source)
    client.mutate(f"nova-compute@{other}", f"{MANAGER}._prep_resize/self.rt.resize_claim", "throwException")
    act(client, server, "migrate", 90.0)
    assert (server.status, server.task_state, server.host) == ("ACTIVE", None, source)
    assert list(client.world.cluster.site.tables.allocations[server.uuid]) == [source]
    said = client.said("nova-conductor")
    assert any(line.startswith(f"Error from last host: {other}") for line in said)
    assert any("Exhausted all hosts available for retrying build failures" in line for line in said)


def test_a_move_is_tried_on_three_hosts(user_of, quiet_world):
    client = user_of(quiet_world(cluster={"kind": "openstack", "preset": "medium"}))
    server = boot(client)
    for host in client.world.cluster.site.computes:
        client.mutate(f"nova-compute@{host}", f"{MANAGER}._prep_resize/self.rt.resize_claim", "throwException")
    act(client, server, "migrate", 90.0)
    assert (server.status, server.task_state) == ("ACTIVE", None)
    said = client.said("nova-conductor")
    assert sum(line.startswith("Error from last host") for line in said) == 3
    assert len(client.world.cluster.site.tables.allocations[server.uuid]) == 1


def test_a_move_that_another_host_takes_succeeds(user_of, quiet_world):
    client = user_of(quiet_world(cluster={"kind": "openstack", "preset": "medium"}))
    server, tables = boot(client), client.world.cluster.site.tables
    free = [host for host in tables.providers if host != server.host][:3]
    for host, provider in tables.providers.items():
        provider.disabled = host not in free
    for host in free[:2]:
        client.mutate(f"nova-compute@{host}", f"{MANAGER}._prep_resize/self.rt.resize_claim", "throwException")
    act(client, server, "migrate", 120.0)
    assert (server.status, server.host) == ("VERIFY_RESIZE", free[2])
    assert set(tables.allocations[server.uuid]) == {server.host, server.old_host}


def test_a_destination_that_ssh_does_not_reach_leaves_the_guest_alone(client, monkeypatch):
    server = boot(client)
    source, world = server.host, client.world
    machines, reachable = set(world.cluster.site.hosts.values()), world.network.reachable

    def parted(one, other):
        return not {one, other} <= machines and reachable(one, other)

    monkeypatch.setattr(world.network, "reachable", parted)
    act(client, server, "migrate", 180.0)
    assert (server.status, server.task_state, server.host) == ("ACTIVE", None, source)
    assert world.cluster.site.libvirts[source].domains[server.uuid].active
    assert "not able to execute ssh command" in server.fault


def test_a_dead_source_does_not_begin_a_live_migration(client):
    server = boot(client)
    source = server.host
    client.impose(f"nova-compute@{source}", "process", "unit_stopped", 9.0)
    client.wait(15.0)
    act(client, server, "os-migrateLive", 90.0)
    assert (server.status, server.task_state, server.host) == ("ACTIVE", None, source)
    assert list(client.world.cluster.site.tables.allocations[server.uuid]) == [source]


# --- a restart of nova-compute in the middle of something ---------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "task_state", "status"),
    [
        ("reboot", "reboot_started_hard", "ACTIVE"),
        ("os-stop", "powering-off", "SHUTOFF"),
        ("createImage", "image_snapshot", "ACTIVE"),
        ("migrate", "resize_migrating", "ACTIVE"),
        ("rebuild", "rebuild_spawning", "ERROR"),
    ],
)
def test_a_restart_of_nova_compute_goes_on_with_what_was_under_way(client, action, task_state, status):
    server = boot(client)
    parameters = {
        "reboot": {"type": "HARD"},
        "createImage": {"name": "i"},
        "rebuild": {"image": client.world.cluster.site.image},
    }
    act(client, server, action, 0.0, **parameters.get(action, {}))
    until(client, server, task_state)
    client.wait(0.2)
    die(client, f"nova-compute@{server.host}")
    client.wait(150.0)
    assert (server.status, server.task_state) == (status, None)
    domain = client.world.cluster.site.libvirts[server.host].domains.get(server.uuid)
    assert (domain is not None and domain.active) is (status == "ACTIVE")


def test_a_start_that_was_cut_short_is_tried_again(client):
    server = boot(client)
    act(client, server, "os-stop", 90.0)
    act(client, server, "os-start", 0.0)
    until(client, server, "powering-on")
    client.wait(0.5)
    die(client, f"nova-compute@{server.host}")
    client.wait(90.0)
    assert (server.status, server.task_state) == ("ACTIVE", None)


def test_a_deletion_that_was_cut_short_is_finished(client):
    server = boot(client)
    client.ask("nova-api", "servers.delete", "DELETE", server_id=server.uuid)
    client.wait(0.3)
    assert server.task_state == "deleting"
    die(client, f"nova-compute@{server.host}")
    client.wait(90.0)
    assert server.uuid not in client.world.cluster.site.tables.servers
    assert not any(server.uuid in libvirt.domains for libvirt in client.world.cluster.site.libvirts.values())


def test_a_restart_during_a_live_migration_leaves_the_guest_where_it_is(client):
    server = boot(client)
    source = server.host
    domain = client.world.cluster.site.libvirts[source].domains[server.uuid]
    act(client, server, "os-migrateLive", 0.0)
    while not domain.job:
        client.world.clock.step()
    die(client, f"nova-compute@{source}")
    client.wait(60.0)
    assert (server.status, server.task_state, server.host) == ("ACTIVE", None, source)
    assert client.world.cluster.site.libvirts[source].domains[server.uuid].active


def test_a_move_that_was_not_begun_is_forgotten(client):
    server = boot(client)
    client.world.cluster.site.tables.update(server, task_state="resize_prep")
    die(client, f"nova-compute@{server.host}")
    client.wait(60.0)
    assert (server.status, server.task_state) == ("ACTIVE", None)
