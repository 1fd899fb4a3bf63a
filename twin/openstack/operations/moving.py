"""Emptying a compute host the way an operator does: through nova's API, server after server."""

from __future__ import annotations

from twin.mechanics import openstack as facts
from twin.openstack.nova.compute.service import NovaCompute
from twin.openstack.oslo.context import new_context
from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site
from twin.openstack.tables import Server

POLL = 2.0
"""Seconds between an operator's looks at a server that moves."""


def destination(site: Site, source: NovaCompute) -> NovaCompute | None:
    """The host with most free memory that is up and enabled, other than the source."""
    best, most = None, 0.0
    smallest = min(flavor.memory_mb for flavor in facts.FLAVORS.values())
    for host, compute in site.computes.items():
        row = site.tables.services.get(compute.name)
        if compute is source or row is None or row.disabled or not site.heard_from(compute.name):
            continue
        free = site.tables.free(host)[1]
        if free >= smallest and free > most:
            best, most = compute, free
    return best


def empty(site: Site, source: NovaCompute) -> Steps:
    """Disable a host and move its servers away, one after the other, as long as another host has room.

    A server of a host that answers is live-migrated, one of a dead host evacuated; nova refuses an evacuation until it
    takes the host for down.
    """
    site.tables.services[source.name].disabled = True
    if not source.up:
        while site.heard_from(source.name):
            yield site.world.clock.timeout(POLL)
    for server in site.tables.on(source.node.name):
        if destination(site, source) is not None and server.uuid in site.tables.servers:
            yield from _move(site, source, server)


def _move(site: Site, source: NovaCompute, server: Server) -> Steps:
    """Ask nova for the move and wait until it is over, either way."""
    world = site.world
    action = "os-migrateLive" if source.up else "evacuate"
    context = new_context(world, "admin", "admin", "operator", server.uuid, int(world.now * 1000))
    uri = f"/v2.1/servers/{server.uuid}/action"
    response = yield site.endpoint("nova-api").serve(
        context, "servers.action", "POST", uri, server_id=server.uuid, action=action
    )
    if response.status >= 400:
        return
    deadline = world.now + facts.VIF_PLUGGING_TIMEOUT
    while world.now < deadline and server.uuid in site.tables.servers:
        yield world.clock.timeout(POLL)
        if server.task_state is None:
            return
