"""What goes wrong with volumes: no room, no backend, a dead service, a corrupt image, a wrong call."""

from __future__ import annotations

from collections import Counter

import pytest


def _host(client):
    """cinder-volume's host as cinder names it."""
    return f"{client.world.cluster.site.storage.node.name}@lvm"


def _heads(client, component: str):
    return client.said(component, levels="ERROR")


def test_a_create_that_fails_on_its_backend_is_tried_three_times(client):
    client.impose("lvm-0", "data", "backend_taken")
    volume = client.volume(wait=20)
    assert volume["status"] == "error"
    errors = _heads(client, "cinder-scheduler")
    last = f"Error scheduling None from last vol-service: {_host(client)}#LVM"
    assert sum(line.startswith(last) for line in errors) == 3
    assert errors[-1].startswith(
        "Failed to run task cinder.scheduler.flows.create_volume.ScheduleCreateVolumeTask;volume:create: "
        "No valid backend was found. Exceeded max scheduling attempts 3"
    )
    assert len(errors) == 4
    counts = Counter(line.partition(":")[0] for line in _heads(client, "cinder-volume"))
    assert counts["Error creating Volume"] == counts["Exception during message handling"] == 3
    warnings = client.said("cinder-volume", levels="WARNING")
    assert sum("CreateVolumeFromSpecTask;volume:create' (" in w and "'FAILURE'" in w for w in warnings) == 3


def test_a_volume_that_never_had_a_host_can_be_detached_by_force(client):
    client.impose("lvm-0", "data", "backend_taken")
    client.wait(65)
    volume = client.volume(wait=10)
    assert volume["os-vol-host-attr:host"] is None
    client.cinder("volumes.force_detach", volume_id=volume["id"])
    assert client.cinder("volumes.show", volume_id=volume["id"])["status"] == "available"


def test_a_full_backend_that_has_reported_is_not_even_tried(client):
    client.impose("lvm-0", "data", "backend_taken")
    client.wait(65)
    assert client.volume(wait=10)["status"] == "error"
    assert _heads(client, "cinder-volume") == []
    assert _heads(client, "cinder-scheduler") == [
        "Failed to run task cinder.scheduler.flows.create_volume.ScheduleCreateVolumeTask;volume:create: "
        "No valid backend was found. No weighed backends available"
    ]
    said_why = client.said("cinder-scheduler", levels="INFO WARNING")
    assert any(line.startswith("Insufficient free virtual space (0.0GB)") for line in said_why)
    assert any("CapacityFilter: (start: 1, end: 0)" in line for line in said_why)


def test_what_is_left_of_a_failed_volume_can_be_deleted(client):
    client.impose("lvm-0", "data", "backend_taken")
    volume = client.volume(wait=20)
    client.cinder("volumes.delete", volume_id=volume["id"])
    client.wait(5)
    assert not client.world.cluster.site.volumes.volumes
    assert client.world.cluster.site.volumes.usage(client.project, "volumes").in_use == 0


def test_a_dead_cinder_volume_looks_alive_for_a_minute(client):
    client.world.components["cinder-volume"].stop()
    early = client.cinder("volumes.create", size=1)["id"]
    client.wait(75)
    late = client.volume(wait=10)
    volumes = client.world.cluster.site.volumes.volumes
    assert volumes[early].status == "creating"  # its message waits in the queue
    assert late["status"] == "error"
    assert f"volume service is down. (host: {_host(client)})" in client.said("cinder-scheduler", levels="WARNING")
    client.world.components["cinder-volume"].start()
    client.wait(30)
    assert volumes[early].status == "available"


def test_what_a_process_took_with_it_is_cleaned_up_by_the_next(client):
    image = client.world.cluster.site.image
    body = client.cinder("volumes.create", size=2, name="v", image_id=image)
    client.wait(2)
    assert client.world.cluster.site.volumes.volumes[body["id"]].status == "downloading"
    client.world.components["cinder-volume"].die("crash")
    client.wait(40)
    assert client.cinder("volumes.show", volume_id=body["id"])["status"] == "error"
    assert f"Cleaning Volume with id {body['id']} and status downloading" in client.said("cinder-volume")


def test_a_corrupt_image_is_noticed_by_whoever_reads_it(client):
    client.impose("glance-api", "data", "image_corrupt")
    volume = client.volume(size=2, image_id=client.world.cluster.site.image)
    assert volume["status"] == "error"
    errors = _heads(client, "cinder-volume")
    assert any("Corrupt image download. Hash was" in line for line in errors)
    assert _heads(client, "glance-api") == []
    assert _heads(client, "cinder-scheduler") == []  # a failed copy is not tried elsewhere


def test_a_store_that_is_gone_gives_an_image_without_data(client):
    client.impose("glance-api", "container", "store_refuses")
    volume = client.volume(size=2, image_id=client.world.cluster.site.image)
    assert volume["status"] == "error"
    assert any("tried all active locations" in line for line in _heads(client, "glance-api"))
    assert any("image contains no data" in line for line in _heads(client, "cinder-volume"))


def test_an_unmutated_site_never_logs_an_error(client):
    volume = client.volume()["id"]
    client.cinder("volumes.delete", volume_id=volume)
    client.wait(300)
    for component in ("cinder-api", "cinder-scheduler", "cinder-volume"):
        assert client.said(component, levels="WARNING ERROR") == []


# --- one wrong call ----------------------------------------------------------------------------------------------

MANAGER = "cinder.volume.manager.VolumeManager"


def test_a_type_error_in_the_api_is_answered_with_400(client):
    site = "cinder.api.v3.volumes.VolumeController.show/self.volume_api.get"
    client.mutate("cinder-api", site, "missingParameter", "2")
    volume = client.cinder("volumes.create", size=1)["id"]
    assert client.ask("cinder-api", "volumes.show", volume_id=volume).status == 400
    assert any(line.startswith("Exception handling resource: ") for line in _heads(client, "cinder-api"))


def test_an_attribute_error_in_the_api_is_answered_with_500(client):
    client.mutate("cinder-api", "cinder.volume.api.API.get/self.db.volume_get", "wrongReturnValue")
    volume = client.cinder("volumes.create", size=1)["id"]
    assert client.ask("cinder-api", "volumes.show", volume_id=volume).status == 500
    assert any("AttributeError" in line for line in _heads(client, "cinder-api"))


def test_a_row_that_is_not_written_leaves_the_volume_creating(client):
    site = "cinder.volume.flows.manager.create_volume.CreateVolumeOnFinishTask.execute/self.db.volume_update"
    client.mutate("cinder-volume", site, "missingCall")
    assert client.volume()["status"] == "creating"
    assert _heads(client, "cinder-volume") == []


def test_an_exception_in_the_driver_is_tried_three_times_too(client):
    site = "cinder.volume.drivers.lvm.LVMVolumeDriver.create_volume/self.vg.create_volume"
    client.mutate("cinder-volume", site, "throwException")
    assert client.volume(wait=20)["status"] == "error"
    assert sum(line.startswith("Error scheduling ") for line in _heads(client, "cinder-scheduler")) == 3


def test_a_cast_that_is_not_made_leaves_the_volume_creating_silently(client):
    site = "cinder.volume.flows.api.create_volume.VolumeCastTask.execute/self._cast_create_volume"
    client.mutate("cinder-api", site, "missingCall")
    assert client.volume()["status"] == "creating"
    assert _heads(client, "cinder-api") == []


def test_a_failed_connection_leaves_a_reserved_volume(client):
    volume = client.volume()["id"]
    client.mutate("cinder-volume", f"{MANAGER}._connection_create/self.driver.create_export", "throwException")
    attachment = client.cinder("attachments.create", volume_id=volume, instance_uuid="i" * 32)["id"]
    answer = client.ask(
        "cinder-api", "attachments.update", "PUT", attachment_id=attachment, connector=dict(client.connector)
    )
    assert answer.status == 500
    assert client.cinder("volumes.show", volume_id=volume)["status"] == "reserved"
    assert any(line.startswith("Create export of volume failed") for line in _heads(client, "cinder-volume"))
    assert any(line.startswith("Unable to update attachment.(") for line in _heads(client, "cinder-api"))


@pytest.mark.parametrize("site", [f"{MANAGER}.delete_volume/self.driver.delete_volume"])
def test_a_failed_deletion_ends_in_error_deleting(client, site):
    volume = client.volume()["id"]
    client.mutate("cinder-volume", site, "throwException")
    client.cinder("volumes.delete", volume_id=volume)
    client.wait(5)
    assert client.cinder("volumes.show", volume_id=volume)["status"] == "error_deleting"


def test_a_trace_goes_through_taskflow_to_the_driver(client):
    client.impose("lvm-0", "data", "backend_taken")
    client.volume(wait=20)
    trace = [
        record.args[3]
        for record in client.world.recorder.logs
        if record.component == "cinder-volume" and record.template.id == "rpc.failed.trace"
    ]
    functions = [line.rpartition(" in ")[2] for line in trace]
    wanted = ("_process_incoming", "create_volume", "_run_flow", "run", "reraise", "_execute_task", "execute")
    positions = [functions.index(name) for name in wanted]
    assert positions == sorted(positions)
    assert any("cinder/brick/local_dev/lvm.py" in line for line in trace)
    assert not any("twin/" in line or "simpy" in line for line in trace)
