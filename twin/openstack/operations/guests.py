"""Orders about the servers of one compute host: away from it, anew on it, or started again."""

from __future__ import annotations

from collections.abc import Iterable

from twin.actions import Operation, Ticket
from twin.components import Component
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.openstack.infrastructure.domains import DomainState
from twin.openstack.nova.compute.service import NovaCompute
from twin.openstack.operations.administrator import PATIENCE, Administrator
from twin.openstack.operations.inventory import Inventory
from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site
from twin.openstack.tables import Server
from twin.process import State

UPLOAD = 60.0
"""Seconds until an image has been uploaded again from where it came from (assumed)."""
EVACUATED = ("active", "stopped", "error")
"""Server states from which nova evacuates."""


class Guests:
    """What operators of a site do with the servers of a host. The target is its nova-compute."""

    def __init__(self, site: Site, inventory: Inventory) -> None:
        self.site = site
        self.inventory = inventory
        self.world = site.world
        self.table: dict[str, Operation] = {
            "evacuate": Operation(self._no_move, self._evacuate),
            "live-migrate": Operation(self._no_move, self._live_migrate),
            "cold-migrate": Operation(self._no_move, self._cold_migrate),
            "rebuild": Operation(self._no_rebuild, self._rebuild_any),
            "hard-reboot": Operation(self._no_servers, self._hard_reboot),
        }

    # --- when --------------------------------------------------------------------------------------------------

    def _no_servers(self, target: Component) -> str:
        if not isinstance(target, NovaCompute) or target.state is State.ABSENT:
            return "it is no nova-compute of a host"
        if target.node.name in self.world.in_flight:
            return "an action on its host is in flight"
        return "" if self.inventory.servers_on(target.node.name) else "no server is on it"

    def _no_move(self, target: Component) -> str:
        reason = self._no_servers(target)
        if reason:
            return reason
        assert isinstance(target, NovaCompute)
        return "" if self.inventory.room_besides(target.node.name) else "no other host has room"

    def _no_rebuild(self, target: Component) -> str:
        if target is self.site.glance:
            return ""
        reason = self._no_servers(target)
        if reason:
            return reason
        assert isinstance(target, NovaCompute)
        return "" if self.inventory.hosts[target.node.name].broken else "no server on it is in ERROR"

    def _rebuild_any(self, target: Component, ticket: Ticket) -> Steps:
        if target is self.site.glance:
            return self._upload_again(target, ticket)
        return self._rebuild(target, ticket)

    # --- away from it -------------------------------------------------------------------------------------------

    def _evacuate(self, target: Component, ticket: Ticket) -> Steps:
        """`nova host-evacuate`: rebuild the servers of a dead host elsewhere.

        Nova refuses while it takes the host for alive: gentle waits for that, immediate declares it dead
        (`nova service-force-down`), whether it is or not. It stays so until the host is enabled again.
        """
        assert isinstance(target, NovaCompute)
        host, admin = target.node.name, Administrator(self.site, ticket)
        if not (yield from admin.begin()):
            return
        if ticket.action.parameter == "immediate":
            yield from admin.ask(
                "nova-api", "os-services.update", "PUT", f"/v2.1/os-services/{host}", host=host, forced_down=True
            )
        else:
            yield from admin.until(lambda: not self.site.heard_from(target.name), 120.0)
        if not (yield from admin.lists_servers()):
            return
        asked = []
        for server in self.site.tables.on(host):
            if server.vm_state in EVACUATED and (yield from admin.server_action(server.uuid, "evacuate")):
                asked.append(server)
        yield from admin.until(lambda: all(self._settled(server) for server in asked))
        self._relieved(target, ticket)

    def _live_migrate(self, target: Component, ticket: Ticket) -> Steps:
        """`openstack server migrate --live-migration`: the guest that takes most (gentle), or each in turn."""
        assert isinstance(target, NovaCompute)
        admin = Administrator(self.site, ticket)
        if not (yield from admin.begin()) or not (yield from admin.lists_servers()):
            return
        servers = [server for server in self.site.tables.on(target.node.name) if server.vm_state == "active"]
        if ticket.action.parameter == "gentle":
            servers = sorted(servers, key=lambda server: self._appetite(target, server))[-1:]
        before = list(target.libvirt.conditions)
        for server in servers:
            if (yield from admin.server_action(server.uuid, "os-migrateLive")):
                yield from admin.until(lambda server=server: self._settled(server))  # type: ignore[misc]
        self._relieved(target, ticket)
        ticket.relieved += [c for c in _gone(target.libvirt, before, Layer.DEMAND) if c not in ticket.relieved]

    def _appetite(self, compute: NovaCompute, server: Server) -> tuple[float, float]:
        """What a guest's processor and disk series show: cores, streams of requests."""
        domain = compute.libvirt.domains.get(server.uuid)
        return (domain.cpu, domain.streams) if domain is not None else (0.0, 0.0)

    def _cold_migrate(self, target: Component, ticket: Ticket) -> Steps:
        """`openstack server migrate`, then `--confirm`: stop, copy, start; one by one (gentle), or all at once."""
        assert isinstance(target, NovaCompute)
        admin = Administrator(self.site, ticket)
        if not (yield from admin.begin()) or not (yield from admin.lists_servers()):
            return
        servers = [s for s in self.site.tables.on(target.node.name) if s.vm_state in ("active", "stopped")]
        moved = []
        for server in servers:
            if not (yield from admin.server_action(server.uuid, "migrate")):
                continue
            moved.append(server)
            if ticket.action.parameter == "gentle":
                yield from self._confirm(admin, moved)
                moved.clear()
        yield from self._confirm(admin, moved)
        self._relieved(target, ticket)

    def _confirm(self, admin: Administrator, servers: Iterable[Server]) -> Steps:
        """They move at the same time, so the patience with all of them began at once."""
        deadline = self.world.now + PATIENCE
        for server in servers:
            left = max(0.0, deadline - self.world.now)
            yield from admin.until(lambda server=server: self._settled(server), left)  # type: ignore[misc]
            if server.vm_state == "resized" and (yield from admin.server_action(server.uuid, "confirmResize")):
                yield from admin.until(lambda server=server: server.vm_state != "resized", 60.0)  # type: ignore[misc]

    def _settled(self, server: Server) -> bool:
        return server.task_state is None or server.uuid not in self.site.tables.servers

    def _relieved(self, target: NovaCompute, ticket: Ticket) -> None:
        """An empty host bears what is wrong with it alone."""
        if not self.site.tables.count_on(target.node.name):
            ticket.relieved += [*target.node.conditions, *target.conditions, *target.libvirt.conditions]

    # --- where they are -----------------------------------------------------------------------------------------

    def _rebuild(self, target: Component, ticket: Ticket) -> Steps:
        """`openstack server rebuild`: the servers in ERROR get a new disk from their image; what was on it is gone."""
        assert isinstance(target, NovaCompute)
        admin = Administrator(self.site, ticket)
        if not (yield from admin.begin()) or not (yield from admin.lists_servers()):
            return
        asked = []
        for server in self.site.tables.on(target.node.name):
            if server.vm_state == "error" and server.image:
                if server.task_state is not None:
                    yield from admin.server_action(server.uuid, "os-resetState", state="error")
                if (yield from admin.server_action(server.uuid, "rebuild", image=server.image)):
                    asked.append(server)
        yield from admin.until(lambda: all(self._settled(server) for server in asked))

    def _upload_again(self, target: Component, ticket: Ticket) -> Steps:
        """The store's images, uploaded anew from where they came from."""
        yield self.world.clock.timeout(UPLOAD)
        if self.site.glance.up:
            ticket.relieved += target.renew(frozenset({Layer.DATA}), by=str(ticket.action))

    def _hard_reboot(self, target: Component, ticket: Ticket) -> Steps:
        """`openstack server reboot --hard`: qemu is killed and started anew; of those that do not run (gentle), or all.

        Whoever looks with `virsh` sees guests that are paused, gone, or do not answer.
        """
        assert isinstance(target, NovaCompute)
        admin = Administrator(self.site, ticket)
        if not (yield from admin.begin()) or not (yield from admin.lists_servers()):
            return
        before = list(target.libvirt.conditions)
        asked = []
        for server in self.site.tables.on(target.node.name):
            if ticket.action.parameter == "gentle" and self._answers(target, server):
                continue
            if (yield from admin.server_action(server.uuid, "reboot", type="HARD")):
                asked.append(server)
        yield from admin.until(lambda: all(self._settled(server) for server in asked))
        ticket.relieved += _gone(target.libvirt, before, Layer.OS)

    def _answers(self, compute: NovaCompute, server: Server) -> bool:
        """Whether a guest does what its server's state says."""
        if server.vm_state not in ("active", "error") or server.task_state not in (None, "rebooting"):
            return True
        domain = compute.libvirt.domains.get(server.uuid)
        runs = domain is not None and domain.state is DomainState.RUNNING and domain.stuck is None
        return runs and server.task_state is None and server.vm_state == "active"


def _gone(component: Component, before: Iterable[Condition], layer: Layer) -> list[Condition]:
    """What has left one of a component's layers by other means than its end."""
    incidents = component.world.truth.incidents
    gone = [c for c in before if c.layer is layer and c not in component.conditions]
    return [c for c in gone if c.cause not in incidents or incidents[c.cause].cleared_by != "expired"]
