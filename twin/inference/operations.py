"""What operators do to the inference cluster beyond its single parts: placing, moving, replacing, and steering load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from twin.actions import Operation, Steps, Ticket, drain
from twin.actions.operation import target_and_residents
from twin.actions.renewal import OPERATIONS, interrupt_and_renew
from twin.actions.swap import away_for_repair, hand_over
from twin.components import Component
from twin.inference.messages import serve
from twin.inference.replica import Replica
from twin.inference.router import Router
from twin.inference.spare_parts import Spares
from twin.inference.steering import Steering
from twin.mechanics.durations import DURATIONS, REPLACE_GPU, seconds_of
from twin.mechanics.layers import RESETS
from twin.node import Node
from twin.process import Process, State

if TYPE_CHECKING:
    from twin.inference.gateway import Gateway

FEWEST_SEQUENCES = 8
"""limit-kv halves the sequences of an engine down to this."""


class Operations:
    """The operators of one cluster: what they can do, and what they remember of it (who is cordoned)."""

    def __init__(self, router: Router, gateway: Gateway) -> None:
        self.world = router.world
        self.router = router
        self.spares = Spares(router.replicas, self.world.in_flight)
        self.steering = Steering(router, gateway)
        self._deployed = {replica.name: replica.settings for replica in router.replicas}
        """The engine settings of the last good revision."""
        self.table: dict[str, Operation] = {
            "recreate": Operation(self._no_recreate, interrupt_and_renew),
            "rollback-config": Operation(OPERATIONS["rollback-config"].refusal, self._roll_back),
            "limit-kv": Operation(self._no_limit, self._limit),
            "replace": Operation(self._no_replacement, self._replace, self._occupied_by_replacement),
            "cordon": Operation(self._no_cordon, self._cordon),
            "uncordon": Operation(self._no_uncordon, self._uncordon),
            "drain": Operation(self._no_drain, self._drain, self._occupied_by_moves),
            "migrate": Operation(self._no_migration, self._migrate, self._occupied_by_moves),
            "scale-out": Operation(self._no_scale_out, self._scale_out, self._occupied_by_scaling),
            "scale-in": Operation(self._no_scale_in, self._scale_in),
            "fail-over-head": Operation(self._no_fail_over, self._fail_over),
            **self.steering.table,
        }

    # --- pods where they are ----------------------------------------------------------------------------------

    def _no_recreate(self, target: Component) -> str:
        if any(place.name in self.spares.cordoned for place in target.places()):
            return "its node is cordoned: a new pod would not be placed there"
        return OPERATIONS["recreate"].refusal(target)

    def _roll_back(self, target: Component, ticket: Ticket) -> Steps:
        if isinstance(target, Replica):
            target.settings = self._deployed[target.name]
        yield from interrupt_and_renew(target, ticket)

    def _no_limit(self, target: Component) -> str:
        if not isinstance(target, Replica):
            return "it is no replica"
        if target.state is State.ABSENT:
            return "it does not run anywhere"
        return "" if target.settings.max_num_seqs > FEWEST_SEQUENCES else "its engine takes as few as it may already"

    def _limit(self, target: Component, ticket: Ticket) -> Steps:
        """Redeploy with half the sequences in a batch, and so half the KV blocks that a batch can want."""
        assert isinstance(target, Replica)
        fewer = max(FEWEST_SEQUENCES, target.settings.max_num_seqs // 2)
        target.settings = target.settings.model_copy(update={"max_num_seqs": fewer})
        yield from interrupt_and_renew(target, ticket)

    # --- where pods may go ------------------------------------------------------------------------------------

    def _no_cordon(self, target: Component) -> str:
        if target.kind != "node":
            return "it is no node"
        return "it is cordoned already" if target.name in self.spares.cordoned else ""

    def _cordon(self, target: Component, ticket: Ticket) -> Steps:
        yield self.world.clock.timeout(DURATIONS["cordon"])
        self.spares.cordoned.add(target.name)

    def _no_uncordon(self, target: Component) -> str:
        return "" if target.name in self.spares.cordoned else "it is not cordoned"

    def _uncordon(self, target: Component, ticket: Ticket) -> Steps:
        yield self.world.clock.timeout(DURATIONS["uncordon"])
        self.spares.cordoned.discard(target.name)

    # --- moving -----------------------------------------------------------------------------------------------

    def _no_migration(self, target: Component) -> str:
        if not isinstance(target, Replica):
            return "it is no replica"
        if target.state is State.ABSENT:
            return "it does not run anywhere"
        return "" if self.spares.slots(besides=target.node) else "no spare node"

    def _migrate(self, target: Component, ticket: Ticket) -> Steps:
        """A new pod of the replica on a spare node; its old GPU becomes the spare."""
        assert isinstance(target, Replica)
        yield from self._move([target], ticket)

    def _no_drain(self, target: Component) -> str:
        if target.kind != "node":
            return "it is no node"
        there = _replicas_on(target)
        if not there:
            return "no replica runs on it"
        if any(isinstance(c, Process) and c not in there and c.state is not State.ABSENT for c in target.residents):
            return "it carries the control plane: fail over the head first"
        return "" if len(self.spares.slots(besides=target)) >= len(there) else "no spare node"

    def _drain(self, target: Component, ticket: Ticket) -> Steps:
        """Cordon the node and evict its replicas: each starts on a spare node."""
        yield from self._cordon(target, ticket)
        yield from self._move(_replicas_on(target), ticket)

    def _move(self, replicas: list[Replica], ticket: Ticket) -> Steps:
        """Stop replicas, exchange their places with spare ones, start them there."""
        for replica in replicas:
            self.router.log(serve.MIGRATING, self.router.replica_id(replica), replica.node.name)
        if ticket.action.parameter == "gentle":
            yield from drain(self.world, list(replicas))
        free = self.spares.slots(ticket, besides=replicas[0].node)  # a spare may have gone meanwhile
        for replica in replicas[len(free) :]:
            replica.resume()
        pairs = list(zip(replicas, free, strict=False))
        ticket.relieved += replicas[0].node.conditions if pairs else []
        for replica, spare in pairs:
            replica.stop(ticket.action.category)
            ticket.relieved += replica.reset(RESETS["migrate"], by=str(ticket.action))
            ticket.relieved += [c for gpu in replica.gpus for c in gpu.conditions]
            replica.exchange(spare)
        yield self.world.clock.timeout(DURATIONS["migrate"])
        for replica, _ in pairs:
            replica.start()

    def _occupied_by_moves(self, target: Component) -> Iterator[Component]:
        """The target, what is on it, and the spare slots that will be taken."""
        yield from target_and_residents(target)
        needed = len(_replicas_on(target)) if target.kind == "node" else 1
        yield from self.spares.slots(besides=_node_of(target))[:needed]

    # --- number of replicas -----------------------------------------------------------------------------------

    def _no_scale_out(self, target: Component) -> str:
        if not isinstance(target, Router):
            return "the deployment is scaled through Ray's head"
        return "" if self.spares.slots() else "no spare node"

    def _occupied_by_scaling(self, target: Component) -> Iterator[Component]:
        """Ray's head, and the spare slot that will be taken."""
        yield from target_and_residents(target)
        yield from self.spares.slots()[:1]

    def _scale_out(self, target: Component, ticket: Ticket) -> Steps:
        """One more replica on a spare node."""
        spare = self.spares.slots(ticket)[0]
        if not target.up:  # nobody answers the order, which whoever gave it could not know
            yield self.world.clock.timeout(DURATIONS["scale-out"])
            return
        count = len(self._present())
        self.router.log(serve.UPSCALING, count, count + 1)
        self.router.log(serve.ADDING)
        yield self.world.clock.timeout(DURATIONS["scale-out"])
        self.world.clock.process(self._place(spare, ticket))

    def _place(self, spare: Replica, ticket: Ticket) -> Steps:
        """Start a replica that is wanted, as soon as a controller that acts and a GCS that answers see to it.

        The order has been taken, so that Ray's head is free for others: a restart of it may be what is needed.
        """
        self.world.in_flight[spare.name] = ticket
        yield from self.router.create_actor()
        del self.world.in_flight[spare.name]
        spare.start()

    def _no_scale_in(self, target: Component) -> str:
        if not isinstance(target, Replica):
            return "it is no replica"
        if target.state is State.ABSENT:
            return "it does not run anywhere"
        return "" if len(self._present()) > 1 else "it is the last replica"

    def _scale_in(self, target: Component, ticket: Ticket) -> Steps:
        """Give a replica up: its place becomes a spare."""
        assert isinstance(target, Replica)
        if self.router.up:
            self.router.log(serve.REMOVING)
        if ticket.action.parameter == "gentle":
            yield from drain(self.world, [target])
        yield self.world.clock.timeout(DURATIONS["scale-in"])
        target.stop("scale-in")
        ticket.relieved += target.reset(RESETS["scale-in"], by=str(ticket.action))
        target.state = State.ABSENT

    def _present(self) -> list[Replica]:
        return [r for r in self.router.replicas if r.state is not State.ABSENT]

    # --- replacing hardware -----------------------------------------------------------------------------------

    def _no_replacement(self, target: Component) -> str:
        if target.kind not in ("node", "gpu"):
            return "it is neither a node nor a GPU"
        return "" if self.spares.machine_for(target) else "no spare node"

    def _replace(self, target: Component, ticket: Ticket) -> Steps:
        """Give the role of the target to a spare machine or card; what was there goes away for repair."""
        node, by = _node_of(target), str(ticket.action)
        spare = self.spares.machine_for(target, ticket)
        assert node is not None
        assert spare is not None
        processes = [c for c in node.all_residents() if isinstance(c, Process) and c.state is not State.ABSENT]
        if ticket.action.parameter == "gentle":
            yield from drain(self.world, processes)
        for process in processes:
            process.stop("replace")
        node.taken_down("replace")
        yield self.world.clock.timeout(seconds_of("replace") if target is node else REPLACE_GPU)
        ticket.relieved += target.reset(RESETS["replace"], by=by)
        hand_over(spare, target, by)
        for replica in _replicas_on(node) if target is node else ():
            if replica.store is not None:
                replica.store.forget(replica.node)  # another disk came with the machine
        spare.taken_down("replace")
        self.spares.cordoned.discard(node.name)
        for device in (node, *node.all_residents()):
            device.brought_back("replace")
        for process in processes:
            process.start()
        self.world.clock.process(away_for_repair(spare, ticket))

    def _occupied_by_replacement(self, target: Component) -> Iterator[Component]:
        """The machines that take part, and what is on them."""
        node = _node_of(target)
        for machine in (node, self.spares.machine_for(target)):
            if machine is not None:
                yield from target_and_residents(machine)

    # --- the head ---------------------------------------------------------------------------------------------

    def _no_fail_over(self, target: Component) -> str:
        if not isinstance(target, Router):
            return "it is not Ray's head"
        return "" if self._other_nodes(target) else "no other node can take it"

    def _fail_over(self, target: Component, ticket: Ticket) -> Steps:
        """A new head pod on another node: requests in it are lost, the replicas stay.

        They stay because the GCS keeps its tables in an external store (`twin.inference.ray.gcs`). Without one the new
        head would not know the old workers and end them (Ray's documentation, GCS fault tolerance in KubeRay).
        """
        assert isinstance(target, Router)
        if ticket.action.parameter == "gentle":
            yield from drain(self.world, [target])
        target.stop("fail-over-head")
        if target.place is not None:
            ticket.relieved += target.place.conditions
        ticket.relieved += target.reset(RESETS["fail-over-head"], by=str(ticket.action))
        places = self._other_nodes(target)
        if places:
            target.move(places[0])
        yield self.world.clock.timeout(DURATIONS["fail-over-head"])
        target.start()

    def _other_nodes(self, head: Router) -> list[Component]:
        """Nodes that could take the head, idle ones first."""
        nodes = [
            c
            for c in self.world.components.values()
            if isinstance(c, Node)
            and c is not head.place
            and c.up
            and c.name not in self.spares.cordoned
            and c.name not in self.world.in_flight
        ]
        return sorted(nodes, key=lambda node: len(_replicas_on(node)))


def _replicas_on(node: Component) -> list[Replica]:
    return [r for r in node.all_residents() if isinstance(r, Replica) and r.state is not State.ABSENT]


def _node_of(target: Component) -> Component | None:
    chain: Iterable[Component] = (target, *target.places())
    return next((place for place in chain if place.kind == "node"), None)
