"""Guests whose servers are gone: nova-compute's periodic task removes them."""

from __future__ import annotations

from typing import Any

from twin.openstack.oslo.context import admin_context


def test_it_does_not_mind_who_else_removes_them(client: Any) -> None:
    world, site = client.world, client.world.cluster.site
    asked = {"name": "vm", "image": site.image, "networks": (site.network,), "flavor": "m1.tiny"}
    uuid = client.ask("nova-api", "servers.create", "POST", "/v2.1/servers", **asked).body["id"]
    client.wait(40.0)
    compute = site.computes[site.tables.servers[uuid].host]
    del site.tables.servers[uuid]
    for name in ("one", "other"):
        context = admin_context(world, "test", name)
        world.clock.process(compute.manager.cleanup_running_deleted_instances(context))
    client.wait(30.0)
    assert uuid not in compute.libvirt.domains
