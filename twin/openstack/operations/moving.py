"""Emptying a compute host the way an operator does: through nova's API, server after server."""

from __future__ import annotations

from collections import Counter

from twin.actions import Ticket
from twin.mechanics import openstack as facts
from twin.openstack.nova.compute.service import NovaCompute
from twin.openstack.operations.administrator import PATIENCE, POLL, Administrator
from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site
from twin.openstack.tables import Server

DEADLINE = 1800.0
"""Seconds after which an administrator gives up emptying a host (assumed)."""
ATTEMPTS = 3
"""Moves of one server after which an administrator leaves it where it is (assumed)."""
IDLE = 60.0
"""Seconds without a server that could be moved after which there is nothing more to be done (assumed)."""


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

    A server of a host that nova shows as up is live-migrated, one of a host that it shows as down evacuated. What was
    refused or came to nothing is asked for again, until nothing has been accepted for a minute or time is up.
    """
    admin, host, clock = Administrator(site, ticket), source.node.name, site.world.clock
    if not (yield from admin.begin()):
        return
    uri = f"/v2.1/os-services/{host}"
    yield from admin.ask("nova-api", "os-services.update", "PUT", uri, host=host, status="disabled")
    tried: Counter[str] = Counter()
    began = accepted = site.world.now
    while site.world.now < min(accepted + IDLE, began + DEADLINE):
        listed = yield from admin.lists_servers()
        left = [server for server in site.tables.on(host) if listed and tried[server.uuid] < ATTEMPTS]
        if (listed and not left) or destination(site, source) is None:
            return
        for server in left:
            if site.world.now >= began + DEADLINE or destination(site, source) is None:
                return
            if (yield from _move(admin, source, server, began + DEADLINE - site.world.now)):
                tried[server.uuid] += 1
                accepted = site.world.now
        yield clock.timeout(POLL)


def _move(admin: Administrator, source: NovaCompute, server: Server, left: float) -> Steps:
    """Ask nova for the move and wait until it is over, either way; whether nova accepted it."""
    site = admin.site
    up = site.heard_from(source.name)
    if not (yield from admin.server_action(server.uuid, "os-migrateLive" if up else "evacuate")):
        return False

    def over() -> bool:
        settled = server.task_state is None or server.uuid not in site.tables.servers
        return settled or site.heard_from(source.name) is not up

    yield from admin.until(over, min(PATIENCE, left))
    return True
