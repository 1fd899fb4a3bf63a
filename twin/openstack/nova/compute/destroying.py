"""Deletion on the compute host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.mechanics import openstack as facts
from twin.openstack.nova.compute import logs
from twin.openstack.nova.virt import logs as virt_logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError, MessagingTimeout, RemoteError
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import expect
from twin.openstack.tables import Server

if TYPE_CHECKING:
    from twin.openstack.nova.compute.manager import NovaCompute


def destroy(host: NovaCompute, context: Context, server: Server) -> Steps:
    """Destroy the guest, free its network and its allocation, remove the row."""
    uuid, began, stages, say = server.uuid, host.world.now, facts.DESTROY, host.say
    say(logs.TERMINATING, context, instance=uuid)
    try:
        building = host.plugged.pop(uuid, None)
        if building is not None and not building.triggered:
            building.succeed(False)
        guest = host.guests.pop(uuid, None)
        if guest is not None:
            yield from host.host_work(context, stages.destroy)
            say(virt_logs.DESTROYED, None, instance=uuid)
            pid = host.pid
            host.clock.at(host.world.now + stages.stopped_event, lambda _: _stopped(host, uuid, pid))
            yield from host.host_work(context, stages.unplug)
            say(virt_logs.DELETING_FILES, context, uuid, instance=uuid)
            yield from host.host_work(context, stages.delete)
            say(virt_logs.DELETED_FILES, context, uuid, instance=uuid)
        yield from host.host_work(context, stages.finish)
        say(logs.TOOK_DESTROY, context, host.world.now - began, instance=uuid)
        deallocating = host.world.now
        if server.port:
            uri = f"/v2.0/ports/{server.port}"
            expect((yield host.site.neutron.serve(context, "ports.delete", "DELETE", uri, server=server)), "neutron")
        yield from host.host_work(context, stages.deallocate)
        say(logs.TOOK_DEALLOCATE, None, host.world.now - deallocating, instance=uuid)
        uri = f"/allocations/{uuid}"
        expect((yield host.site.placement.serve(context, "release", "DELETE", uri, server=server)), "placement")
        say(logs.DELETED_ALLOCATIONS, context, uuid)
        yield from host.save(context, lambda: host.site.deleted(server))
    except (HttpError, MessagingTimeout, RemoteError) as error:
        host.exception(logs.DELETE_FAILED, context, error)
        yield from host.save(context, lambda: host.site.became_error(server))


def finish_deletions(host: NovaCompute, context: Context) -> Steps:
    """At the start of nova-compute: go on with deletions that the process before had begun or was to begin."""
    for server in host.site.tables.on(host.node.name):
        if server.task == "deleting" and server.status != "ERROR":
            host.say(logs.DELETION_RESTARTED, context, instance=server.uuid)
            yield from destroy(host, context, server)
    known = host.site.tables.servers
    for uuid in [uuid for uuid in host.guests if uuid not in known]:
        del host.guests[uuid]  # deleted from the database while the host was away


def _stopped(host: NovaCompute, uuid: str, pid: int) -> None:
    if host.up and host.pid == pid:
        host.say(logs.LIFECYCLE, None, "Stopped", instance=uuid)
