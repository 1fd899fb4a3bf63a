"""Volumes, snapshots and attachments: the states they go through, and what is refused in which."""

from __future__ import annotations

import pytest

from twin.openstack.cinder import exception
from twin.openstack.cinder.tables import CinderTables, Volume


def _tables(client):
    return client.world.cluster.site.volumes


def _statuses(client, volume: str, seconds: float, step: float = 0.05):
    """The statuses that a volume goes through, each once."""
    seen: list[str] = []
    until = client.world.now + seconds
    while client.world.now < until:
        row = _tables(client).volumes.get(volume)
        status = row.status if row is not None else "gone"
        if not seen or seen[-1] != status:
            seen.append(status)
        client.wait(step)
    return seen


def _attached(client, volume: str, server: str = "i" * 32):
    attachment = client.cinder("attachments.create", volume_id=volume, instance_uuid=server)
    client.cinder("attachments.update", attachment_id=attachment["id"], connector=dict(client.connector))
    client.cinder("attachments.complete", attachment_id=attachment["id"])
    return str(attachment["id"])


def test_an_empty_volume_is_created_and_then_available(client):
    body = client.cinder("volumes.create", size=1, name="v")
    assert body["status"] == "creating"
    assert _statuses(client, body["id"], 4) == ["creating", "available"]


def test_a_volume_of_an_image_is_downloaded(client):
    image = client.world.cluster.site.image
    body = client.cinder("volumes.create", size=2, name="v", image_id=image)
    assert _statuses(client, body["id"], 20) == ["creating", "downloading", "available"]
    assert client.cinder("volumes.show", volume_id=body["id"])["bootable"] == "true"
    assert any(line.startswith("Image download ") for line in client.said("cinder-volume"))


def test_each_service_says_its_part_of_a_creation(client):
    volume = client.volume()
    assert client.said("cinder-volume") == [
        f"Volume {volume['id']}: being created as raw with specification: "
        f"{{'status': 'creating', 'volume_name': 'volume-{volume['id']}', 'volume_size': 1}}",
        f"Volume volume-{volume['id']} ({volume['id']}): created successfully",
        "Created volume successfully.",
    ]
    assert client.said("cinder-scheduler") == []
    url = "http://10.0.0.10:8776/v3/volumes"
    assert client.said("cinder-api")[:5] == [
        f"POST {url}",
        "Create volume of 1 GB",
        "Availability Zones retrieved successfully.",
        "Create volume request issued successfully.",
        f"{url} returned with HTTP 202",
    ]


def test_deletion_takes_volume_quota_and_room(client):
    volume = client.volume(size=3)
    site = client.world.cluster.site
    usage = _tables(client).usage(client.project, "gigabytes")
    assert usage.in_use == 3 and volume["id"] in site.storage.stored
    client.cinder("volumes.delete", volume_id=volume["id"])
    assert _statuses(client, volume["id"], 5) == ["deleting", "gone"]
    assert usage.in_use == usage.reserved == 0
    assert not site.storage.stored and not _tables(client).reservations
    assert client.ask("cinder-api", "volumes.show", volume_id=volume["id"]).status == 404


def test_a_volume_with_a_snapshot_is_not_deleted(client):
    volume = client.volume()
    snapshot = client.cinder("snapshots.create", volume_id=volume["id"])
    client.wait(5)
    assert client.cinder("snapshots.show", snapshot_id=snapshot["id"])["status"] == "available"
    refused = client.ask("cinder-api", "volumes.delete", "DELETE", volume_id=volume["id"])
    assert refused.status == 400 and "have snapshots" in refused.message
    client.cinder("snapshots.delete", snapshot_id=snapshot["id"])
    client.wait(5)
    client.cinder("volumes.delete", volume_id=volume["id"])
    client.wait(5)
    assert not _tables(client).volumes and not _tables(client).snapshots
    usage = _tables(client).usages[client.project]
    assert {name: (u.in_use, u.reserved) for name, u in usage.items()} == dict.fromkeys(usage, (0, 0))


def test_a_volume_of_a_snapshot_has_its_data_and_its_size(client):
    image = client.world.cluster.site.image
    source = client.volume(size=2, image_id=image)
    snapshot = client.cinder("snapshots.create", volume_id=source["id"])
    client.wait(5)
    copy = client.volume(size=None, snapshot_id=snapshot["id"])
    assert copy["status"] == "available" and copy["size"] == 2
    smaller = client.ask("cinder-api", "volumes.create", "POST", size=1, snapshot_id=snapshot["id"])
    assert smaller.status == 400 and "cannot be smaller than the snapshot size" in smaller.message


def test_a_volume_grows(client):
    volume = client.volume(size=1)
    client.cinder("volumes.extend", volume_id=volume["id"], size=4)
    assert _statuses(client, volume["id"], 4) == ["extending", "available"]
    assert client.cinder("volumes.show", volume_id=volume["id"])["size"] == 4
    assert _tables(client).usage(client.project, "gigabytes").in_use == 4
    assert client.ask("cinder-api", "volumes.extend", "POST", volume_id=volume["id"], size=4).status == 400


def test_attach_and_detach_lead_through_all_states(client):
    volume = client.volume()["id"]
    statuses = []

    def note() -> None:
        statuses.append(_tables(client).volumes[volume].status)

    attachment = client.cinder("attachments.create", volume_id=volume, instance_uuid="i" * 32)["id"]
    note()
    body = client.cinder("attachments.update", attachment_id=attachment, connector=dict(client.connector))
    note()
    client.cinder("attachments.complete", attachment_id=attachment)
    note()
    client.cinder("volumes.begin_detaching", volume_id=volume)
    note()
    client.cinder("attachments.delete", attachment_id=attachment)
    note()
    assert statuses == ["reserved", "attaching", "in-use", "detaching", "available"]
    assert body["connection_info"]["target_iqn"].endswith(volume)
    assert not client.world.cluster.site.storage.stored[volume].exported


def test_an_attached_volume_is_neither_deleted_nor_given_to_another_server(client):
    volume = client.volume()["id"]
    _attached(client, volume)
    assert client.ask("cinder-api", "volumes.delete", "DELETE", volume_id=volume).status == 400
    again = client.ask("cinder-api", "attachments.create", "POST", volume_id=volume, instance_uuid="j" * 32)
    assert again.status == 400 and "the current status is in-use" in again.message


def test_the_same_server_may_reserve_again_to_move(client):
    volume = client.volume()["id"]
    first = _attached(client, volume)
    second = client.cinder("attachments.create", volume_id=volume, instance_uuid="i" * 32)["id"]
    assert second != first
    client.cinder("attachments.delete", attachment_id=second)
    assert _tables(client).volumes[volume].status == "in-use"


def test_an_orphaned_attachment_goes_by_force(client):
    volume = client.volume()["id"]
    _attached(client, volume)
    client.cinder("volumes.force_detach", volume_id=volume)
    assert _tables(client).volumes[volume].status == "available"
    assert not _tables(client).attachments


def test_a_status_can_be_reset(client):
    volume = client.volume()["id"]
    client.cinder("volumes.reset_status", volume_id=volume, status="error")
    assert client.cinder("volumes.show", volume_id=volume)["status"] == "error"
    assert client.ask("cinder-api", "volumes.reset_status", "POST", volume_id=volume, status="fine").status == 400
    refused = client.ask("cinder-api", "attachments.create", "POST", volume_id=volume, instance_uuid="i" * 32)
    assert refused.status == 400
    assert any("in an error state" in line for line in client.said("cinder-api", levels="ERROR"))


def test_a_quota_refuses_what_is_too_much(client):
    _tables(client).quotas["gigabytes"] = 5
    client.volume(size=4)
    refused = client.ask("cinder-api", "volumes.create", "POST", size=2, name="v")
    assert refused.status == 413
    assert "Requested 2G, quota is 5G and 4G has been consumed." in refused.message
    assert any("tried to create 2G volume (4G of 5G" in s for s in client.said("cinder-api", levels="WARNING"))
    assert client.said("cinder-api", levels="ERROR") == []
    assert _tables(client).usage(client.project, "gigabytes").reserved == 0


def test_a_volume_quota_counts_a_project_s_own(client):
    _tables(client).quotas["volumes"] = 1
    client.volume()
    assert client.ask("cinder-api", "volumes.create", "POST", size=1).status == 413
    other = client.other("v" * 32, "q" * 32)
    other.volume()
    assert len(other.cinder("volumes.list")) == 1


def test_limits_say_what_is_left(client):
    client.volume(size=3)
    limits = client.cinder("limits")
    assert limits["totalVolumesUsed"] == 1 and limits["totalGigabytesUsed"] == 3
    assert limits["maxTotalVolumes"] == 10
    assert [kind["name"] for kind in client.cinder("types.list")] == ["__DEFAULT__"]


@pytest.mark.parametrize("size", [0, -1, "big"])
def test_a_senseless_size_is_the_client_s_error(client, size):
    refused = client.ask("cinder-api", "volumes.create", "POST", size=size)
    assert refused.status == 400 and "must be an integer and greater than 0" in refused.message


def test_rows_are_counted_by_status():
    tables = CinderTables()
    volume = Volume("a", 3, "u", "p")
    tables.add_volume(volume)
    tables.change_volume(volume, {"status": "available", "size": 5})
    assert tables.by_status == {"creating": 0, "available": 1} and tables.gigabytes == 5
    with pytest.raises(AttributeError):
        tables.change_volume(volume, {"statvs": "error"})
    tables.remove_volume(volume)
    assert tables.by_status["available"] == 0 and tables.gigabytes == 0


def test_errors_have_the_texts_of_the_real_ones():
    assert str(exception.VolumeNotFound(volume_id="x")) == "Volume x could not be found."
    assert exception.NoValidBackend(reason="r").kind == "cinder.exception.NoValidBackend"
