"""Moving servers off a compute host: live migration and evacuation."""

from __future__ import annotations

from twin.mechanics import openstack as facts
from twin.openstack.nova.compute import logs as compute_logs
from twin.openstack.nova.compute import moving_logs as logs
from twin.openstack.nova.compute.manager import Guest, NovaCompute
from twin.openstack.oslo.context import Context, admin_context, draw
from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site


def destination(site: Site, source: NovaCompute) -> NovaCompute | None:
    """The host with most free memory that is up and enabled, other than the source."""
    best, most = None, 0.0
    for host, compute in site.computes.items():
        row = site.tables.services.get(compute.name)
        if compute is source or row is None or row.disabled or not site.heard_from(compute.name):
            continue
        free = site.tables.free(host)[1]
        if free >= facts.FLAVOR_MEMORY_MB and free > most:
            best, most = compute, free
    return best


def empty(site: Site, source: NovaCompute) -> Steps:
    """Disable a host and move its servers away, one after the other, as long as another host has room."""
    world = site.world
    site.tables.services[source.name].disabled = True
    for uuid in list(source.guests):
        target = destination(site, source)
        guest = source.guests.get(uuid)
        if target is None or guest is None:
            continue
        context = admin_context(world, source.name, "move", int(world.now * 1000), uuid)
        if source.up and guest.running:
            yield from _live(source, target, guest, context)
        else:
            target.say(logs.EVACUATING, context, instance=uuid)
            seconds = facts.EVACUATION_PREPARE + facts.BUILD.create + facts.BUILD.plug
            yield world.clock.timeout(draw(world, context, seconds, facts.STAGE_SPREAD) * target.node.slowdown)
        if uuid in site.tables.servers and source.guests.pop(uuid, None) is not None:
            guest.server.host = target.node.name
            site.tables.allocations[uuid] = target.node.name
            target.guests[uuid] = Guest(guest.server)
            target.say(compute_logs.LIFECYCLE, context, "Resumed", instance=uuid)


def _live(source: NovaCompute, target: NovaCompute, guest: Guest, context: Context) -> Steps:
    """Copy the guest's memory while it runs."""
    world = source.world
    prepared = draw(world, context, facts.MIGRATION_SETUP, facts.STAGE_SPREAD) * target.node.slowdown
    yield world.clock.timeout(prepared)
    source.say(logs.MIGRATION_TOOK, context, prepared, target.node.name, instance=guest.server.uuid)
    resident = facts.FLAVOR_MEMORY_MB * 2**20 * facts.RESIDENT_SHARE
    yield world.clock.timeout(resident / facts.MIGRATION_BANDWIDTH * source.node.slowdown)
    if source.up:
        source.say(compute_logs.LIFECYCLE, context, "Paused", instance=guest.server.uuid)
        source.say(logs.MIGRATING, context, target.node.name, instance=guest.server.uuid)
