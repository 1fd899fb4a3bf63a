"""Emptying a compute host the way an operator does: through nova's API, server after server."""

from __future__ import annotations

from twin.actions import Ticket
from twin.mechanics import openstack as facts
from twin.openstack.nova.compute.service import NovaCompute
from twin.openstack.operations.administrator import POLL, Administrator
from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site
from twin.openstack.tables import Server


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


def empty(site: Site, source: NovaCompute, ticket: Ticket) -> Steps:
    """Disable a host and move its servers away, one after the other, as long as another host has room.

    A server of a host that answers is live-migrated, one of a dead host evacuated; nova refuses an evacuation until it
    takes the host for down.
    """
    admin, host = Administrator(site, ticket), source.node.name
    if not (yield from admin.begin()):
        return
    uri = f"/v2.1/os-services/{host}"
    yield from admin.ask("nova-api", "os-services.update", "PUT", uri, host=host, status="disabled")
    if not source.up:
        while site.heard_from(source.name):
            yield site.world.clock.timeout(POLL)
    for server in site.tables.on(host):
        if destination(site, source) is not None and server.uuid in site.tables.servers:
            yield from _move(admin, source, server)


def _move(admin: Administrator, source: NovaCompute, server: Server) -> Steps:
    """Ask nova for the move and wait until it is over, either way."""
    tables = admin.site.tables
    if (yield from admin.server_action(server.uuid, "os-migrateLive" if source.up else "evacuate")):
        yield from admin.until(lambda: server.task_state is None or server.uuid not in tables.servers)
