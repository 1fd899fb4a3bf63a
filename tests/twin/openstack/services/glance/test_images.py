"""Images: their properties and their data, over a link that all transfers share."""

from __future__ import annotations

import pytest

from twin.mechanics import openstack as facts
from twin.openstack.glance.client import CorruptImage, ImageData, verify
from twin.openstack.oslo.context import new_context

URI = "/v2/images"


def _create(client, name="snap", size=50e6):
    return client.ask("glance-api", "images.create", "POST", URI, name=name, size=size)


def test_an_image_is_created_shown_and_deleted(client):
    image = _create(client).body
    assert image["status"] == "active" and image["size"] == 50e6
    assert client.ask("glance-api", "images.show", uri=URI, image_id=image["id"]).body["name"] == "snap"
    assert [i["name"] for i in client.ask("glance-api", "images.list", uri=URI).body] == ["cirros", "snap"]
    assert client.ask("glance-api", "images.delete", "DELETE", URI, image_id=image["id"]).status == 204
    assert client.ask("glance-api", "images.show", uri=URI, image_id=image["id"]).status == 404


def test_a_download_takes_as_long_as_its_bytes(client):
    site = client.world.cluster.site
    started = client.world.now
    data = client.ask("glance-api", "images.data", uri=URI, image_id=site.image).body
    assert float(data) == facts.IMAGE_BYTES
    assert client.world.now - started == pytest.approx(facts.IMAGE_BYTES / facts.IMAGE_BANDWIDTH, rel=0.05)


def test_two_downloads_share_the_link(client):
    site, world = client.world.cluster.site, client.world
    started, ended = world.now, []
    for number in range(2):
        context = new_context(world, "u", "p", "both", number)
        answer = site.endpoint("glance-api").serve(context, "images.data", "GET", URI, image_id=site.image)
        answer.callbacks.append(lambda _: ended.append(world.now - started))
    client.wait(30)
    assert ended == pytest.approx([2 * facts.IMAGE_BYTES / facts.IMAGE_BANDWIDTH] * 2, rel=0.05)


def test_the_reader_notices_that_data_have_rotted(client):
    image = client.ask("glance-api", "images.show", uri=URI, image_id=client.world.cluster.site.image).body
    data = client.ask("glance-api", "images.data", uri=URI, image_id=image["id"]).body
    verify(image, data)
    client.impose("glance-api", "data", "image_corrupt")
    data = client.ask("glance-api", "images.data", uri=URI, image_id=image["id"]).body
    with pytest.raises(CorruptImage, match=r"\[Errno 32\] Corrupt image download. Hash was") as raised:
        verify(image, data)
    assert raised.value.kind == "OSError"
    assert client.said("glance-api", levels="WARNING ERROR") == []


def test_without_its_store_glance_has_images_without_data(client):
    client.impose("glance-api", "container", "store_refuses")
    image = client.world.cluster.site.image
    answer = client.ask("glance-api", "images.data", uri=URI, image_id=image)
    assert (answer.status, answer.body) == (204, None)
    assert _create(client).status == 503
    levels = client.said("glance-api", levels="ERROR")
    assert f"Glance tried all active locations to get data for image {image} but all have failed." in levels


def test_data_know_their_size_and_hash():
    assert ImageData(3.0, "ab") == 3.0 and ImageData(3.0, "ab").hash == "ab"
