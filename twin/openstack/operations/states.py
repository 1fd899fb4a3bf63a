"""Orders that set right what is written: states of servers and volumes, attachments, ports, allocations.

Gentle looks twice, `LOOK_AGAIN` seconds apart, and touches only what has not moved meanwhile; immediate takes what it
finds, and hits what is only on its way, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from twin.actions import Operation, Ticket
from twin.components import Component
from twin.mechanics.durations import COMMAND, LOOK_AGAIN
from twin.openstack import damage
from twin.openstack.cinder.tables import Volume
from twin.openstack.damage import Damage
from twin.openstack.nova.compute.service import NovaCompute
from twin.openstack.operations.administrator import Administrator, name_of
from twin.openstack.oslo.context import admin_context
from twin.openstack.oslo.exceptions import CloudError
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import Response
from twin.openstack.site import Site
from twin.openstack.tables import Server
from twin.process import State

SERVERS = frozenset({"stuck server", "server in ERROR"})
VOLUMES = frozenset({"stuck volume", "volume in ERROR"})


class States:
    """What operators of a site do about rows that no longer move by themselves."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.world = site.world
        self.table: dict[str, Operation] = {
            "reset-state": Operation(self._none_of("nova-compute", "nova-api", "cinder-volume"), self._reset_state),
            "delete-stuck": Operation(
                self._none_of("nova-compute", "nova-api", "neutron-server", "cinder-volume"), self._delete_stuck
            ),
            "force-detach": Operation(self._none_of("cinder-volume"), self._force_detach),
            "heal-allocations": Operation(self._none_of("placement"), self._heal_allocations),
        }

    def _none_of(self, *kinds: str) -> Callable[[Component], str]:
        def refusal(target: Component) -> str:
            if target.kind not in kinds:
                return f"it is none of: {', '.join(kinds)}"
            absent = isinstance(target, NovaCompute) and target.state is State.ABSENT
            return "it does not run anywhere" if absent else ""

        return refusal

    # --- looking ------------------------------------------------------------------------------------------------

    def _look(self, ticket: Ticket, kinds: Collection[str]) -> Steps:
        """Damage of these kinds; of a gentle order what two looks have in common."""
        found = self._found(kinds)
        if ticket.action.parameter == "gentle" and found:
            yield self.world.clock.timeout(LOOK_AGAIN)
            found = damage.lasting(found, self._found(kinds))
        return found

    def _found(self, kinds: Collection[str]) -> list[Damage]:
        return [one for one in damage.find(self.site) if one.kind in kinds]

    def _servers(self, found: Iterable[Damage], target: Component) -> list[Server]:
        """Those of a host, or of nova-api: of none."""
        host = target.node.name if isinstance(target, NovaCompute) else None
        rows = [self.site.tables.servers.get(one.item) for one in found]
        return [server for server in rows if server is not None and server.host == host]

    def _volumes(self, found: Iterable[Damage]) -> list[Volume]:
        rows = [self.site.volumes.volumes.get(one.item) for one in found]
        return [volume for volume in rows if volume is not None]

    # --- reset-state --------------------------------------------------------------------------------------------

    def _reset_state(self, target: Component, ticket: Ticket) -> Steps:
        """`openstack server set --state active`, `cinder reset-state`: rows are written, and nothing else is done.

        A server of a host is called active and one that never got a host an error, which can be deleted; a volume is
        called what its attachments say.
        """
        admin = Administrator(self.site, ticket)
        if not (yield from admin.begin()):
            return
        if target.kind == "cinder-volume":
            if (yield from admin.lists_volumes()):
                for volume in self._volumes((yield from self._look(ticket, VOLUMES))):
                    yield from self._reset_volume(admin, volume)
        elif (yield from admin.lists_servers()):
            for server in self._servers((yield from self._look(ticket, SERVERS)), target):
                state = "active" if server.host is not None else "error"
                yield from admin.server_action(server.uuid, "os-resetState", state=state)

    def _reset_volume(self, admin: Administrator, volume: Volume) -> Steps:
        status = "in-use" if volume.volume_attachment else "available"
        uri = f"/v3/volumes/{volume.id}/action"
        yield from admin.ask("cinder-api", "volumes.reset_status", "POST", uri, volume_id=volume.id, status=status)

    # --- delete-stuck -------------------------------------------------------------------------------------------

    def _delete_stuck(self, target: Component, ticket: Ticket) -> Steps:
        """Delete what failed requests left: servers and volumes in ERROR or stuck, ports whose server is gone."""
        admin = Administrator(self.site, ticket)
        if not (yield from admin.begin()):
            return
        match target.kind:
            case "neutron-server":
                yield from self._purge_ports(admin, ticket)
            case "cinder-volume":
                if (yield from admin.lists_volumes()):
                    for volume in self._volumes((yield from self._look(ticket, VOLUMES))):
                        if not volume.volume_attachment:
                            yield from self._delete_volume(admin, volume)
            case _:
                if (yield from admin.lists_servers()):
                    for server in self._servers((yield from self._look(ticket, SERVERS)), target):
                        yield from self._delete_server(admin, server)

    def _delete_server(self, admin: Administrator, server: Server) -> Steps:
        if server.task_state is not None:  # nova takes no second deletion of one that it believes to delete
            yield from admin.server_action(server.uuid, "os-resetState", state="error")
        uri = f"/v2.1/servers/{server.uuid}"
        yield from admin.ask("nova-api", "servers.delete", "DELETE", uri, server_id=server.uuid)

    def _delete_volume(self, admin: Administrator, volume: Volume) -> Steps:
        uri = f"/v3/volumes/{volume.id}/action"
        yield from admin.ask("cinder-api", "volumes.force_delete", "POST", uri, volume_id=volume.id)

    def _purge_ports(self, admin: Administrator, ticket: Ticket) -> Steps:
        answer = yield from admin.ask("neutron-server", "ports.list", "GET", "/v2.0/ports?device_owner=compute:nova")
        if answer.status >= 400 or not (yield from admin.lists_servers()):
            return
        for one in (yield from self._look(ticket, {"leaked port"})):
            yield from admin.ask(
                "neutron-server", "ports.delete", "DELETE", f"/v2.0/ports/{one.item}", port_id=one.item
            )

    # --- force-detach -------------------------------------------------------------------------------------------

    def _force_detach(self, target: Component, ticket: Ticket) -> Steps:
        """`cinder attachment-delete` of attachments that no server knows of."""
        admin = Administrator(self.site, ticket)
        if not (yield from admin.begin()):
            return
        if not (yield from admin.lists_volumes()) or not (yield from admin.lists_servers()):
            return
        for one in (yield from self._look(ticket, {"orphaned attachment"})):
            uri = f"/v3/attachments/{one.item}"
            yield from admin.ask("cinder-api", "attachments.delete", "DELETE", uri, attachment_id=one.item)

    # --- heal-allocations ---------------------------------------------------------------------------------------

    def _heal_allocations(self, target: Component, ticket: Ticket) -> Steps:
        """`nova-manage placement audit --delete`, then `heal_allocations`.

        The tool reads nova's database itself, and asks placement for the rest.
        """
        site = self.site
        yield self.world.clock.timeout(COMMAND)
        context = admin_context(self.world, *name_of(self.world, ticket))
        assert target is site.placement
        try:
            yield from site.database.execute(site.placement, 4 + 2 * len(site.computes), context)
        except CloudError:
            return
        for one in (yield from self._look(ticket, {"allocation without a server"})):
            yield from self._placement(ticket, "release", consumer=one.item, host=one.where)
        for one in (yield from self._look(ticket, {"server without an allocation"})):
            server = site.tables.servers.get(one.item)
            if server is not None:
                resources = server.resources()
                yield from self._placement(ticket, "claim", consumer=one.item, host=one.where, flavor=resources)

    def _placement(self, ticket: Ticket, operation: str, consumer: str, **arguments: object) -> Steps:
        context = admin_context(self.world, *name_of(self.world, ticket), operation, consumer)
        method, uri = {"release": "DELETE", "claim": "PUT"}[operation], f"/allocations/{consumer}"
        response: Response = yield self.site.endpoint("placement").serve(
            context, operation, method, uri, consumer=consumer, **arguments
        )
        return response.status < 400
