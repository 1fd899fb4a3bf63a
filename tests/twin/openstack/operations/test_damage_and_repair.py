"""What faults leave behind: it stays when they are gone, and the action made for it repairs it."""

from __future__ import annotations

from twin import Action
from twin.openstack import damage
from twin.openstack.mutation.operators import mutation

DEALLOCATE = "nova.compute.manager.ComputeManager._deallocate_network/self.network_api.deallocate_for_instance"


def test_a_healthy_cloud_with_servers_and_volumes_is_not_damaged(cloud):
    cloud.attached()
    assert damage.find(cloud.site) == []


def test_what_is_on_its_way_is_not_lasting_damage(cloud):
    cloud.server(wait=3.0)
    early = damage.find(cloud.site)
    assert [one.kind for one in early] == ["stuck server"]
    cloud.wait(60.0)
    assert damage.lasting(early, damage.find(cloud.site)) == []


def test_a_build_that_conductor_took_with_it_is_stuck_until_it_is_reset_and_deleted(cloud):
    uuid = cloud.ask("nova-api", "servers.create", name="s", image=cloud.site.image).body["id"]
    cloud.wait(0.02)  # its message has been taken up, and no host is chosen yet
    stopped = cloud.impose("nova-conductor", "process", "unit_stopped", 9.0)
    cloud.wait(60.0)
    cloud.lift("nova-conductor", stopped)
    cloud.wait(200.0)
    assert cloud.where("stuck server") == {uuid}
    cloud.order("reset-state", "nova-api", "gentle")
    assert cloud.where("server in ERROR") == {uuid}
    cloud.order("delete-stuck", "nova-api")
    cloud.wait(10.0)
    assert damage.find(cloud.site) == []
    assert uuid not in cloud.site.tables.servers


def test_a_purged_queue_leaves_the_builds_stuck_that_waited_in_it(cloud):
    stopped = cloud.impose("nova-compute@compute-0", "process", "unit_stopped", 9.0)
    other = cloud.impose("nova-compute@compute-1", "process", "unit_stopped", 9.0)
    uuid = cloud.server(wait=10.0)
    host = next(h for h in cloud.site.tables.allocations[uuid])
    cloud.order("purge-queue", f"nova-compute@{host}")
    cloud.lift("nova-compute@compute-0", stopped)
    cloud.lift("nova-compute@compute-1", other)
    cloud.wait(200.0)
    assert cloud.where("stuck server") == {uuid}


def test_servers_in_error_are_rebuilt_on_their_host(cloud):
    uuid = cloud.server()
    server = cloud.site.tables.servers[uuid]
    hang = cloud.impose(f"libvirt@{server.host}", "process", "crash")
    cloud.ask("nova-api", "servers.action", server_id=uuid, action="reboot", type="HARD")
    cloud.wait(60.0)
    cloud.lift(f"libvirt@{server.host}", hang)
    cloud.wait(60.0)
    assert cloud.where("server in ERROR") == {uuid}
    cloud.order("rebuild", f"nova-compute@{server.host}")
    cloud.wait(5.0)
    assert server.status == "ACTIVE"
    assert damage.find(cloud.site) == []


def test_reset_state_writes_a_row_and_starts_no_guest(cloud):
    uuid = cloud.server()
    server = cloud.site.tables.servers[uuid]
    domains = cloud.site.libvirts[server.host].domains
    domains.pop(uuid)
    cloud.site.tables.update(server, vm_state="error")
    cloud.order("reset-state", f"nova-compute@{server.host}")
    assert server.status == "ACTIVE"
    assert cloud.where("server without a guest") == {uuid}
    cloud.order("hard-reboot", f"nova-compute@{server.host}", "gentle")
    assert cloud.damage() == {}


def test_volumes_of_a_dead_scheduler_are_stuck_until_they_are_deleted(cloud):
    stopped = cloud.impose("cinder-scheduler", "process", "unit_stopped", 9.0)
    volume = cloud.volume()
    cloud.order("purge-queue", "cinder-scheduler")
    cloud.lift("cinder-scheduler", stopped)
    cloud.wait(120.0)
    assert cloud.where("stuck volume") == {volume}
    cloud.order("delete-stuck", "cinder-volume", "gentle")
    cloud.wait(10.0)
    assert damage.find(cloud.site) == []
    assert not cloud.site.volumes.volumes


def test_an_attachment_outlives_its_server_until_it_is_detached_by_force(cloud):
    server, volume = cloud.attached()
    stopped = cloud.impose("cinder-api", "process", "unit_stopped", 9.0)
    cloud.wait(15.0)
    cloud.ask("nova-api", "servers.delete", server_id=server)
    cloud.wait(120.0)
    cloud.lift("cinder-api", stopped)
    cloud.wait(60.0)
    assert server not in cloud.site.tables.servers
    assert len(cloud.where("orphaned attachment")) == 1
    assert cloud.site.volumes.volumes[volume].status == "in-use"
    cloud.order("force-detach", "cinder-volume", "gentle")
    cloud.wait(5.0)
    assert cloud.site.volumes.volumes[volume].status == "available"
    assert damage.find(cloud.site) == []


def test_ports_that_a_mutated_release_leaks_are_purged(cloud):
    uuid = cloud.server()
    host = cloud.site.tables.servers[uuid].host
    wrong = mutation(DEALLOCATE, "missingCall")
    cloud.impose(f"nova-compute@{host}", "configuration", "mutation", code=wrong.text)
    cloud.ask("nova-api", "servers.delete", server_id=uuid)
    cloud.wait(60.0)
    assert len(cloud.where("leaked port")) == 1
    cloud.order("rollback-config", f"nova-compute@{host}")
    cloud.wait(60.0)
    assert len(cloud.where("leaked port")) == 1
    cloud.order("delete-stuck", "neutron-server", "gentle")
    cloud.wait(5.0)
    assert cloud.damage() == {}


def test_allocations_that_fit_no_server_are_healed_both_ways(cloud):
    uuid = cloud.server()
    tables = cloud.site.tables
    server = tables.servers[uuid]
    other = "compute-1" if server.host == "compute-0" else "compute-0"
    tables.release(uuid)
    tables.allocate("gone", other, server.flavor)
    tables.allocate(uuid, other, server.flavor)
    found = cloud.damage()
    assert found == {"allocation without a server": 2, "server without an allocation": 1}
    cloud.order("heal-allocations", "placement")
    assert cloud.damage() == {}
    assert list(tables.allocations) == [uuid]


def test_guests_of_a_host_that_was_declared_dead_and_lives_run_twice_until_it_cleans_up(cloud):
    uuid = cloud.server()
    host = cloud.site.tables.servers[uuid].host
    cloud.order("evacuate", f"nova-compute@{host}", "immediate")
    assert cloud.site.tables.servers[uuid].host != host
    assert cloud.where("guest without a server") == {uuid}
    assert not cloud.site.heard_from(f"nova-compute@{host}")
    cloud.order("restart", f"nova-compute@{host}")
    cloud.wait(60.0)
    assert cloud.damage() == {}
    assert not cloud.site.heard_from(f"nova-compute@{host}")  # somebody has said that it is down
    cloud.order("uncordon", host)
    assert cloud.site.heard_from(f"nova-compute@{host}")


def test_orders_fail_where_the_apis_fail(cloud):
    uuid = cloud.server()
    host = cloud.site.tables.servers[uuid].host
    cloud.site.tables.update(cloud.site.tables.servers[uuid], vm_state="error")
    cloud.impose("keystone", "process", "unit_stopped", 9.0)
    cloud.wait(15.0)
    cloud.order("reset-state", f"nova-compute@{host}")
    assert cloud.where("server in ERROR") == {uuid}
    ticket = cloud.world.apply(Action("cordon", host))
    cloud.wait(60.0)
    assert ticket.finished is not None
    assert not cloud.site.tables.services[f"nova-compute@{host}"].disabled
