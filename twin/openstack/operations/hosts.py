"""What operators do to an OpenStack site beyond its single parts: emptying, closing, replacing and adding hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from twin.actions import Operation, Steps, Ticket, drain
from twin.actions.operation import target_and_residents
from twin.actions.swap import away_for_repair, hand_over
from twin.components import Component
from twin.mechanics import openstack as facts
from twin.mechanics.durations import DURATIONS, seconds_of
from twin.mechanics.layers import RESETS
from twin.node import Node
from twin.openstack.nova import logs
from twin.openstack.nova.compute.service import NovaCompute
from twin.openstack.nova.conductor.service import NovaConductor
from twin.openstack.operations import moving
from twin.openstack.operations.administrator import Administrator
from twin.openstack.operations.backing import Backing
from twin.openstack.operations.guests import Guests
from twin.openstack.operations.inventory import Inventory
from twin.openstack.operations.states import States
from twin.openstack.oslo.service import Service
from twin.openstack.oslo.wsgi import ApiService
from twin.openstack.site import Site
from twin.process import Process, State

MOST_WORKERS = 4
"""Workers that scaling out may add to one service."""


class Operations:
    """The operators of one site."""

    def __init__(self, site: Site, inventory: Inventory) -> None:
        self.site = site
        self.world = site.world
        self.inventory = inventory
        self._added: dict[str, int] = {}
        self.table: dict[str, Operation] = {
            "migrate": Operation(self._no_migration, self._migrate),
            "scale-out": Operation(self._no_scale_out, self._scale_out),
            "cordon": Operation(self._no_cordon, self._cordon),
            "uncordon": Operation(self._no_uncordon, self._uncordon),
            "replace": Operation(self._no_replacement, self._replace, self._occupied_by_replacement),
            **Guests(site, inventory).table,
            **States(site).table,
            **Backing(site).table,
        }

    # --- hosts in and out of scheduling -----------------------------------------------------------------------

    def _no_cordon(self, target: Component) -> str:
        seen = self.inventory.hosts.get(target.name)
        if seen is None:
            return "it is no compute host that takes servers"
        return "" if seen.enabled else "it is disabled already"

    def _cordon(self, target: Component, ticket: Ticket) -> Steps:
        """`openstack compute service set --disable`: placement and the scheduler pass it by."""
        yield from self._set_service(target, ticket, status="disabled")

    def _no_uncordon(self, target: Component) -> str:
        seen = self.inventory.hosts.get(target.name)
        return "" if seen is not None and (seen.forced_down or not seen.enabled) else "it is not disabled"

    def _uncordon(self, target: Component, ticket: Ticket) -> Steps:
        """`openstack compute service set --enable --up`."""
        yield from self._set_service(target, ticket, status="enabled", forced_down=False)

    def _set_service(self, target: Component, ticket: Ticket, **changes: Any) -> Steps:
        admin = Administrator(self.site, ticket)
        if (yield from admin.begin()):
            uri = f"/v2.1/os-services/{target.name}"
            yield from admin.ask("nova-api", "os-services.update", "PUT", uri, host=target.name, **changes)

    # --- migrate ----------------------------------------------------------------------------------------------

    def _no_migration(self, target: Component) -> str:
        """A compute host or its nova-compute, with servers on it, and another host that takes some."""
        compute = self._compute(target)
        if compute is None:
            return "it is no compute host"
        if not self.inventory.servers_on(compute.node.name):
            return "no server is on it"
        if compute.node.name in self.world.in_flight:
            return "an action on it is in flight"
        return "" if self.inventory.room_besides(compute.node.name) else "no other host has room"

    def _migrate(self, target: Component, ticket: Ticket) -> Steps:
        """Empty the host: disable it for scheduling, then move its servers one after the other.

        Live while the host answers, by evacuation (a rebuild elsewhere) where it does not. The host stays disabled
        until somebody enables it.
        """
        compute = self._compute(target)
        assert compute is not None
        yield from moving.empty(self.site, compute, ticket)
        if not self.site.tables.count_on(compute.node.name):
            ticket.relieved += [*compute.node.conditions, *compute.conditions]

    def _compute(self, target: Component) -> NovaCompute | None:
        found = self.site.computes.get(target.name) if target.kind == "node" else target
        return found if isinstance(found, NovaCompute) and found.state is not State.ABSENT else None

    # --- scale out --------------------------------------------------------------------------------------------

    def _no_scale_out(self, target: Component) -> str:
        """The APIs and nova-conductor take more workers; nova-scheduler discovers a spare compute host."""
        if target is self.site.scheduler:
            return "" if self._spares() else "no spare node"
        if not isinstance(target, ApiService | NovaConductor):
            return "it takes no more workers"
        return "" if self._added.get(target.name, 0) < MOST_WORKERS else "it has the most workers already"

    def _scale_out(self, target: Component, ticket: Ticket) -> Steps:
        """Add a worker, or start nova-compute on the first spare host."""
        yield self.world.clock.timeout(DURATIONS["scale-out"])
        assert isinstance(target, Service)
        if not target.up:  # nobody answers the order, which whoever gave it could not know
            return
        if target is self.site.scheduler:
            spare = next((spare for spare in self._spares() if spare.node.up), None)
            if spare is not None:
                scheduler, name = self.site.scheduler, spare.node.name
                scheduler.say(logs.HOST_DISCOVERED, None, name, self._provider(spare.node))
                scheduler.say(logs.NEW_HOSTS, None, 1, f"cell1:{name}")
                spare.start()
            return
        self._added[target.name] = self._added.get(target.name, 0) + 1
        target.python.grow(1)
        target.connections.grow(facts.POOL_SIZE)

    def _spares(self, ticket: Ticket | None = None) -> Sequence[NovaCompute]:
        """Hosts that answered last but have no nova-compute, and are not on their way into another one's role."""
        in_flight = self.world.in_flight
        return [
            c
            for host, c in self.site.computes.items()
            if c.state is State.ABSENT and self.inventory.answered(host) and in_flight.get(host, ticket) is ticket
        ]

    def _provider(self, node: Node) -> str:
        return self.world.streams["placement/provider"].uuid(node.name)

    # --- replacing hardware -----------------------------------------------------------------------------------

    def _no_replacement(self, target: Component) -> str:
        """A compute host without servers: their disks are on it and would be gone."""
        compute = self._compute(target) if target.kind == "node" else None
        if compute is None:
            return "it is no compute host that takes servers"
        if self.inventory.servers_on(compute.node.name):
            return "servers are on it: migrate them first"
        return "" if self._spares() else "no spare node"

    def _replace(self, target: Component, ticket: Ticket) -> Steps:
        """A spare host takes the role of an empty one, which goes away for repair.

        Who goes to do it leaves it where the spare is dark, or servers have come meanwhile.
        """
        spare = self._spares(ticket)[0].node
        if not spare.up or self.site.tables.count_on(target.name):
            return
        processes = [c for c in target.all_residents() if isinstance(c, Process) and c.state is not State.ABSENT]
        if ticket.action.parameter == "gentle":
            yield from drain(self.world, processes)
        for process in processes:
            process.stop("replace")
        target.taken_down("replace")
        yield self.world.clock.timeout(seconds_of("replace"))
        ticket.relieved += target.reset(RESETS["replace"], by=str(ticket.action))
        hand_over(spare, target, str(ticket.action))
        spare.taken_down("replace")
        target.brought_back("replace")
        for process in processes:
            process.start()
        self.world.clock.process(away_for_repair(spare, ticket))

    def _occupied_by_replacement(self, target: Component) -> Iterator[Component]:
        yield from target_and_residents(target)
        yield from target_and_residents(self._spares()[0].node)
