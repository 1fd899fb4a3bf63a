"""A build on its compute host: claim, network, image, guest, the wait for the network, ACTIVE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simpy.events import Event

from twin.mechanics import openstack as facts
from twin.openstack.infrastructure.queues import Message
from twin.openstack.nova.compute import logs
from twin.openstack.nova.virt import logs as virt_logs
from twin.openstack.oslo.context import Context, draw
from twin.openstack.oslo.exceptions import HttpError, MessagingTimeout, RemoteError
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import expect
from twin.openstack.tables import Server

if TYPE_CHECKING:
    from twin.openstack.nova.compute.manager import NovaCompute


class _AbortError(Exception):
    """The build cannot succeed on any host."""


class _GoneError(Exception):
    """The server was deleted while it was built."""


class _RescheduleError(Exception):
    """The build may succeed on another host."""


def build(host: NovaCompute, context: Context, server: Server, tried: tuple[str, ...]) -> Steps:
    """Build a server on this host; where that fails, give it back to conductor or set it to ERROR."""
    began = host.world.now
    try:
        yield from _claim(host, context, server)
        yield from _network(host, context, server)
        yield from _spawn(host, context, server)
        yield from host.save(context, lambda: host.site.became_active(server))
        yield from host.host_work(context, facts.BUILD.finish)
        host.say(logs.TOOK_BUILD, context, host.world.now - began, instance=server.uuid)
    except _GoneError:
        host.say(logs.DISAPPEARED, context, instance=server.uuid)
        host.guests.pop(server.uuid, None)
    except _AbortError as error:
        host.say(logs.BUILD_ABORTED, context, server.uuid, error, instance=server.uuid)
        yield from _clean_up(host, context, server, set_error=True)
    except _RescheduleError as error:
        host.say(logs.RESCHEDULED, context, server.uuid, error, instance=server.uuid)
        yield from _clean_up(host, context, server, set_error=False)
        yield from host.cast(context, "conductor", "build_instances", server=server, tried=tried, reason=str(error))
    except (MessagingTimeout, RemoteError) as error:
        host.exception(logs.BUILD_UNEXPECTED, context, error)
        yield from _clean_up(host, context, server, set_error=True)


def _still_wanted(host: NovaCompute, server: Server) -> None:
    if server.uuid not in host.site.tables.servers or server.task == "deleting":
        raise _GoneError


def _claim(host: NovaCompute, context: Context, server: Server) -> Steps:
    _still_wanted(host, server)
    provider = host.site.tables.providers[host.node.name]
    used = facts.RESERVED_MEMORY_MB + len(host.guests) * facts.FLAVOR_MEMORY_MB
    limit = provider.memory_mb
    say, uuid = host.say, server.uuid
    say(logs.CLAIM_ATTEMPT, context, facts.FLAVOR_MEMORY_MB, facts.FLAVOR_DISK_GB, facts.FLAVOR_VCPUS, instance=uuid)
    say(logs.CLAIM_MEMORY, context, int(host.node.memory / 2**20), used, instance=uuid)
    say(logs.CLAIM_LIMIT, context, limit, limit - used, instance=uuid)
    say(logs.CLAIM_VCPU, context, host.node.cores, len(host.guests) * facts.FLAVOR_VCPUS, instance=uuid)
    yield from host.host_work(context, facts.BUILD.claim)
    _still_wanted(host, server)
    server.host, server.task = host.node.name, "spawning"
    say(logs.CLAIM_OK, context, host.node.name, instance=uuid)


def _network(host: NovaCompute, context: Context, server: Server) -> Steps:
    """A port from neutron; without one the build is over for good."""
    yield from host.save(context)
    try:
        if not server.port:
            answer = host.site.neutron.serve(context, "ports.create", "POST", "/v2.0/ports", server=server)
            expect((yield answer), "neutron")
        yield from host.host_work(context, facts.BUILD.prepare)
    except HttpError as error:
        host.exception(logs.NETWORK_FAILED, context, error)
        raise _AbortError(logs.NO_NETWORK) from None
    yield from host.save(context)


def _spawn(host: NovaCompute, context: Context, server: Server) -> Steps:
    from twin.openstack.nova.compute.manager import Guest

    began, stages, uuid = host.world.now, facts.BUILD, server.uuid
    yield from _fetch_image(host, context, server)
    host.say(virt_logs.CREATING_IMAGE, context, instance=uuid)
    yield from host.host_work(context, stages.create)
    _still_wanted(host, server)
    host.guests[uuid] = Guest(server)
    host.say(logs.LIFECYCLE, context, "Started", instance=uuid)
    yield from host.host_work(context, stages.pause)
    host.say(logs.LIFECYCLE, context, "Paused", instance=uuid)
    host.say(logs.PENDING_TASK, context, instance=uuid)
    yield from _wait_for_network(host, context, server)
    yield from host.host_work(context, stages.resume)
    host.say(logs.LIFECYCLE, context, "Resumed", instance=uuid)
    yield from host.host_work(context, stages.spawned)
    host.say(virt_logs.SPAWNED, None, instance=uuid)
    host.say(logs.TOOK_SPAWN, context, host.world.now - began, instance=uuid)


def _fetch_image(host: NovaCompute, context: Context, server: Server) -> Steps:
    image = host.site.image
    if image in host.images:
        return
    uri = f"/v2/images/{image}/file"
    response = yield host.site.glance.serve(context, "images.file", "GET", uri)
    if response.status >= 500:
        host.exception(logs.SPAWN_FAILED, context, HttpError("glance-api", response.status))
        raise _RescheduleError(f"Connection to glance host failed: HTTP {response.status}")
    yield from host.host_work(context, facts.IMAGE_BYTES / facts.IMAGE_BANDWIDTH)
    host.images[image] = host.world.now


def _wait_for_network(host: NovaCompute, context: Context, server: Server) -> Steps:
    """Plug the interface and wait until neutron says that it is wired, at most `VIF_PLUGGING_TIMEOUT`."""
    clock, began = host.clock, host.world.now
    plugged = host.plugged[server.uuid] = clock.event()
    clock.process(_agent_wires(host, context, server))

    def give_up(_: Event) -> None:
        if not plugged.triggered:
            plugged.succeed(False)

    clock.at(began + facts.VIF_PLUGGING_TIMEOUT, give_up)
    woken = yield plugged
    _still_wanted(host, server)
    if woken:
        return
    host.plugged.pop(server.uuid, None)
    host.say(virt_logs.VIF_TIMEOUT, context, server.port, host.world.now - began, instance=server.uuid)
    host.exception(logs.SPAWN_FAILED, context, _AbortError(logs.VIF_FAILED))
    raise _AbortError(logs.NO_NETWORK)


def _agent_wires(host: NovaCompute, context: Context, server: Server) -> Steps:
    """The host's L2 agent, a process of its own: finds the interface, wires it, tells neutron through the bus."""
    left = draw(host.world, context, facts.BUILD.plug, facts.NETWORK_SPREAD)
    yield host.clock.timeout(left * host.node.slowdown)
    broker = host.site.broker
    while not (broker.up and host.node.up):
        yield host.clock.timeout(2.0)
    broker.publish(Message("q-plugin", "update_device_up", context, {"server": server}))


def _clean_up(host: NovaCompute, context: Context, server: Server, set_error: bool) -> Steps:
    """Remove the guest and its network; write ERROR where nobody else tries."""
    host.guests.pop(server.uuid, None)
    if server.port:
        uri = f"/v2.0/ports/{server.port}"
        yield host.site.neutron.serve(context, "ports.delete", "DELETE", uri, server=server)
        server.port = ""
    uri = f"/allocations/{server.uuid}"
    yield host.site.placement.serve(context, "release", "DELETE", uri, server=server)
    if not set_error:
        server.host, server.task = None, "scheduling"
        return
    try:
        yield from host.save(context, lambda: host.site.became_error(server))
    except (MessagingTimeout, RemoteError) as error:
        host.say(logs.DELETE_FAILED, context, error, instance=server.uuid)
