"""What faults leave behind in the tables and on the hosts. It stays when the fault is gone, until somebody repairs it.

Pure reading, for the truth, the bench and for operators' commands that look for it; no observation is made of it. What
is on its way counts too: ask where nothing is under way, or take what two looks have in common (`lasting`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from twin.openstack.site import Site
from twin.openstack.tables import Server

Kind = Literal[
    "stuck server",
    "server in ERROR",
    "server without a guest",
    "guest without a server",
    "stuck volume",
    "volume in ERROR",
    "orphaned attachment",
    "leaked port",
    "allocation without a server",
    "server without an allocation",
]

VOLUMES_ON_THE_WAY = frozenset(
    {"creating", "downloading", "reserved", "attaching", "detaching", "extending", "deleting", "uploading"}
)
VOLUMES_IN_ERROR = frozenset({"error", "error_deleting", "error_extending", "error_restoring"})


@dataclass(frozen=True, slots=True, order=True)
class Damage:
    """One thing that is not as it should be: what, which row or guest, and the host or state that tells more."""

    kind: Kind
    item: str
    where: str = ""


def find(site: Site) -> list[Damage]:
    """Everything, in a fixed order."""
    return sorted({*_servers(site), *_guests(site), *_volumes(site), *_ports(site), *_allocations(site)})


def lasting(earlier: Iterable[Damage], later: Iterable[Damage]) -> list[Damage]:
    """What two looks have in common."""
    before = set(earlier)
    return [damage for damage in later if damage in before]


def stuck(server: Server) -> bool:
    """Whether a server is on its way somewhere."""
    return server.vm_state == "building" or server.task_state is not None


def _servers(site: Site) -> Iterable[Damage]:
    for server in site.tables.servers.values():
        if stuck(server):
            yield Damage("stuck server", server.uuid, f"{server.vm_state} {server.task_state}")
        elif server.vm_state == "error":
            yield Damage("server in ERROR", server.uuid, server.host or "")
        elif server.vm_state == "active" and server.host in site.libvirts:
            domain = site.libvirts[server.host].domains.get(server.uuid)
            if domain is None or not domain.active:
                yield Damage("server without a guest", server.uuid, server.host)


def _guests(site: Site) -> Iterable[Damage]:
    for host, libvirt in site.libvirts.items():
        for uuid in libvirt.domains:
            server = site.tables.servers.get(uuid)
            if server is None or (server.host != host and server.old_host != host and not stuck(server)):
                yield Damage("guest without a server", uuid, host)


def _volumes(site: Site) -> Iterable[Damage]:
    for volume in site.volumes.volumes.values():
        if volume.status in VOLUMES_ON_THE_WAY:
            yield Damage("stuck volume", volume.id, volume.status)
        elif volume.status in VOLUMES_IN_ERROR:
            yield Damage("volume in ERROR", volume.id, volume.status)
    for attachment in site.volumes.attachments.values():
        server = site.tables.servers.get(attachment.instance_uuid or "")
        if server is None or attachment.volume_id not in server.volumes:
            yield Damage("orphaned attachment", attachment.id, attachment.volume_id)


def _ports(site: Site) -> Iterable[Damage]:
    for port in site.neutron.tables.ports.values():
        if port.device_owner.startswith("compute:") and port.device_id not in site.tables.servers:
            yield Damage("leaked port", port.id, port.device_id)


def _allocations(site: Site) -> Iterable[Damage]:
    servers = site.tables.servers
    for consumer, hosts in site.tables.allocations.items():
        server = servers.get(consumer)
        for host in hosts:
            if server is None or (not stuck(server) and host not in (server.host, server.old_host)):
                yield Damage("allocation without a server", consumer, host)
    for server in servers.values():
        held = site.tables.allocations.get(server.uuid, {})
        if server.host is not None and not stuck(server) and server.host not in held:
            yield Damage("server without an allocation", server.uuid, server.host)
