"""nova-compute's periodic tasks. They warn now and then on a healthy host, as the real ones do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.mechanics import openstack as facts
from twin.openstack.nova.compute import logs
from twin.openstack.nova.virt import logs as virt_logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError, MessagingTimeout, RemoteError
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import expect

if TYPE_CHECKING:
    from twin.openstack.nova.compute.manager import NovaCompute


def audit_resources(host: NovaCompute, context: Context) -> Steps:
    """update_available_resource: compare what is used with placement's view, and log it."""
    site, name = host.site, host.node.name
    provider = host.world.streams["placement/provider"].uuid(name)
    uri = f"/resource_providers/{provider}/allocations"
    try:
        expect((yield site.placement.serve(context, "inventory", "GET", uri)), "placement")
        yield from host.save(context)
    except HttpError as error:
        host.exception(logs.RESOURCES_FAILED, context, error)
        return
    except (MessagingTimeout, RemoteError) as error:
        host.exception(logs.RESOURCES_FAILED, context, error)
        return
    guests = len(host.guests)
    host.say(
        logs.FINAL_VIEW,
        context,
        name,
        int(host.node.memory / 2**20),
        facts.RESERVED_MEMORY_MB + guests * facts.FLAVOR_MEMORY_MB,
        500,
        guests * facts.FLAVOR_DISK_GB,
        host.node.cores,
        guests * facts.FLAVOR_VCPUS,
    )


def sync_power_states(host: NovaCompute, context: Context) -> Steps:
    """Compare the database's view of the guests with the hypervisor's."""
    try:
        yield from host.save(context)
    except (MessagingTimeout, RemoteError) as error:
        host.exception(logs.BUILD_UNEXPECTED, context, error)
        return
    servers = host.site.tables.on(host.node.name)
    if len(servers) != len(host.guests):
        host.say(logs.SYNC_COUNT, context, len(servers), len(host.guests))
    for server in servers:
        guest = host.guests.get(server.uuid)
        if server.status == "ACTIVE" and guest is not None and not guest.running:
            host.say(logs.VM_GONE, context, instance=server.uuid)
            server.status = "SHUTOFF"


def check_images(host: NovaCompute, context: Context) -> Steps:
    """The image cache manager: which base files are in use, which are old."""
    users = len(host.guests)
    for image in host.images:
        path = f"/var/lib/nova/instances/_base/{host.world.streams['openstack/image'].hexadecimal(40, image)}"
        host.say(virt_logs.IMAGE_CHECKING, context, image, path)
        yield from host.host_work(context, 0.05)
        if users:
            host.say(virt_logs.IMAGE_IN_USE, context, image, path, users)
            host.say(virt_logs.IMAGE_ACTIVE, context, path)
        else:
            host.say(virt_logs.IMAGE_UNKNOWN, context, path)
            host.say(virt_logs.IMAGE_REMOVABLE, context, path)
            host.say(virt_logs.IMAGE_YOUNG, context, path)
