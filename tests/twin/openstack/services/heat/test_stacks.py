"""Stacks: resources in the order of what needs what, failures with their reason, no rollback."""

from __future__ import annotations

import re

import pytest

from twin.openstack.heat.resources import RESOURCES

ORDER = re.compile(r'^(creating|deleting) \w+ "(\w+)"')


@pytest.fixture
def stacks(client):
    """A client that asks heat."""

    def ask(operation, **arguments):
        return client.ask("heat-engine", f"stacks.{operation}", "POST", "/v1/p/stacks", **arguments)

    return ask


def _create(client, stacks, wait=60.0, **template):
    stacks("create", name="web", template={"image": client.world.cluster.site.image, **template})
    client.wait(wait)
    return stacks("show", name="web").body


def _order(client, verb):
    found = (ORDER.match(line) for line in client.said("heat-engine"))
    return [match[2] for match in found if match is not None and match[1] == verb]


def test_a_stack_is_made_in_the_order_of_dependence(client, stacks):
    body = _create(client, stacks)
    assert body["stack_status"] == "CREATE_COMPLETE"
    order = _order(client, "creating")
    assert sorted(order) == sorted(RESOURCES)
    for name, (_, _, requires) in RESOURCES.items():
        assert all(order.index(other) < order.index(name) for other in requires)
    (volume,) = client.world.cluster.site.volumes.volumes.values()
    assert volume.status == "in-use"


def test_a_stack_is_deleted_the_other_way_round_and_leaves_nothing(client, stacks):
    _create(client, stacks)
    assert stacks("delete", name="web").status == 204
    client.wait(60)
    assert stacks("show", name="web").status == 404
    order = _order(client, "deleting")
    for name, (_, _, requires) in RESOURCES.items():
        assert all(order.index(other) > order.index(name) for other in requires)
    site = client.world.cluster.site
    assert not site.volumes.volumes and not site.tables.servers and not site.storage.stored


def test_a_resource_that_fails_fails_the_stack_and_stays(client, stacks):
    client.impose("lvm-0", "data", "backend_taken")
    body = _create(client, stacks)
    assert body["stack_status"] == "CREATE_FAILED"
    assert body["stack_status_reason"] == (
        'Resource CREATE failed: ResourceInError: resources.volume: Went to status error due to "Unknown"'
    )
    assert body["resources"]["volume"] == "CREATE_FAILED"
    assert body["resources"]["volume_attachment"] == "INIT_COMPLETE"
    assert client.world.cluster.site.volumes.volumes
    assert client.said("heat-engine", levels="ERROR") == []


def test_what_failed_can_be_deleted(client, stacks):
    client.impose("lvm-0", "data", "backend_taken")
    _create(client, stacks)
    stacks("delete", name="web")
    client.wait(60)
    assert stacks("show", name="web").status == 404
    assert not client.world.cluster.site.volumes.volumes


def test_an_api_s_refusal_is_the_reason(client, stacks):
    client.world.cluster.site.volumes.quotas["volumes"] = 0
    body = _create(client, stacks)
    assert body["stack_status"] == "CREATE_FAILED"
    assert "resources.volume: VolumeLimitExceeded: Maximum number of volumes" in body["stack_status_reason"]


def test_an_engine_that_dies_leaves_failed_stacks(client, stacks):
    stacks("create", name="web", template={"image": client.world.cluster.site.image})
    client.wait(5)
    client.world.components["heat-engine"].die("crash")
    client.wait(60)
    body = stacks("show", name="web").body
    assert body["stack_status"] == "CREATE_FAILED"
    assert body["stack_status_reason"] == "Engine went down during stack CREATE"


def test_a_name_is_taken_once(client, stacks):
    assert stacks("create", name="web", template={}).status == 201
    assert stacks("create", name="web", template={}).status == 409
    assert stacks("delete", name="other").status == 404
