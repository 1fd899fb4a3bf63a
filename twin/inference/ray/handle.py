"""The deployment handle in Serve's proxy: which replica a request goes to (power of two choices), and who waits.

It knows replicas by the controller's broadcasts and their queue lengths by what it sent and what came back; both can be
out of date. A replica is known by the process it was then: the process that takes its place is another one.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twin.inference.cgroup import PROMPT_BYTES_PER_TOKEN
from twin.inference.messages import serve
from twin.inference.request import Request
from twin.mechanics.serving import QUEUE_LENGTH_CACHE, queue_length_deadline, router_backoff
from twin.process import State

if TYPE_CHECKING:
    from twin.inference.replica import Replica
    from twin.inference.router import Router


@dataclass(slots=True, eq=False)
class Target:
    """A replica as the handle knows it."""

    replica: Replica
    pid: int
    length: int | None
    """Its queue length as last heard or reckoned; None where the handle has no idea."""
    heard: float
    """When."""
    sent: dict[int, Request] = field(default_factory=dict)
    """Requests given to it that have not ended."""

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return self.replica.pid == self.pid and self.replica.state in (State.RUNNING, State.DRAINING)


class Handle:
    """Routes requests to replicas with room; the others wait in the order they came."""

    def __init__(self, head: Router) -> None:
        self.head = head
        self.targets: dict[str, Target] = {}
        self.waiting: OrderedDict[int, Request] = OrderedDict()
        self.excluded: set[str] = set()
        """Replicas that an operator took out of the routing table."""
        self.routed = 0
        self.sent_bytes = 0.0
        self._sent_at: dict[int, float] = {}
        """When each request was given to its replica."""
        self._assigned: dict[int, Target] = {}
        self._attempt = 0
        self._timer_set = False

    @property
    def stale(self) -> bool:
        """Whether broadcasts and queue lengths no longer reach it."""
        return bool(self.head.value("router_stale"))

    # --- the controller's broadcasts --------------------------------------------------------------------------

    def add(self, replica: Replica) -> None:
        """A replica runs; one that was taken out by hand is in again with its new process."""
        self.excluded.discard(replica.name)
        if not self.stale:
            self.targets[replica.name] = Target(replica, replica.pid, 0, self.head.world.now)
            self.dispatch()

    def remove(self, replica: Replica) -> None:
        """A replica no longer takes requests; those it has, it may finish."""
        if not self.stale:
            self.targets.pop(replica.name, None)

    def refresh(self) -> None:
        """Hear everything missed while stale."""
        running = self.head.controller.running
        for name, target in list(self.targets.items()):
            known = running.get(name)
            if known is None or known.pid != target.pid:
                del self.targets[name]
            else:
                target.length, target.heard = len(target.sent), self.head.world.now
        for name, known in running.items():
            if name not in self.targets:
                self.targets[name] = Target(known.replica, known.pid, 0, self.head.world.now)
        self.dispatch()

    def clear(self) -> list[Request]:
        """The proxy's process is gone; returns the requests that were sent to replicas, which see it hang up."""
        sent = [request for target in self._busy() for request in target.sent.values()]
        for request in sent:
            self.cancel(request)
        self.waiting.clear()
        self.targets.clear()
        return sent

    # --- requests ---------------------------------------------------------------------------------------------

    def assign(self, request: Request) -> None:
        """Route a request, let it wait, or refuse it when too many do."""
        limit = self.head.value("queue_limit")
        if len(self.waiting) >= min(limit, self.head.max_queued):
            self.head.log(serve.BACKPRESSURE, len(self.waiting), int(min(limit, self.head.max_queued)))
            self.head.proxy.end(request, 503)
            return
        self.routed += 1
        target = None if self.waiting else self._choose(request)
        if target is not None:
            self._send(target, request)
            return
        self.waiting[request.id] = request
        if len(self.waiting) == 1:
            if not self.targets:
                self.head.log(serve.NO_REPLICA)
            self._try_later()

    def dispatch(self) -> None:
        """Route those who wait, as far as there is room."""
        while self.waiting:
            request = next(iter(self.waiting.values()))
            target = self._choose(request)
            if target is None:
                self._try_later()
                return
            del self.waiting[request.id]
            attempt, self._attempt = self._attempt, 0
            self._send(target, request)
            if request.id in self.waiting:  # it came back at once: pause before the next attempt
                self._attempt = attempt
                return

    def finished(self, request: Request) -> bool:
        """A request came back complete; whether it was expected."""
        return self._ended(request) is not None

    def cancel(self, request: Request) -> None:
        """Nobody wants the answer any more: its replica is told."""
        if self.waiting.pop(request.id, None) is not None:
            return
        target = self._ended(request)
        if target is not None:
            network = self.head.world.network

            def arrive() -> None:
                if target.alive and request.remaining > 0:
                    target.replica.abort(request)

            network.deliver(self.head, target.replica, arrive, (request.id, "cancel"))

    def lost(self, replica: Replica, pid: int) -> list[Request]:
        """The process of a replica is gone: returns the requests that went with it."""
        targets = [t for t in self._busy() if t.replica is replica and t.pid == pid]
        gone = [request for target in targets for request in target.sent.values()]
        for request in gone:
            self._ended(request)
        return gone

    def _busy(self) -> list[Target]:
        """Targets with requests, in the order in which they got the oldest."""
        return list(dict.fromkeys(self._assigned.values()))

    # --- sending ----------------------------------------------------------------------------------------------

    def _send(self, target: Target, request: Request) -> None:
        target.sent[request.id] = request
        self._sent_at[request.id] = self.head.world.now
        self.sent_bytes += PROMPT_BYTES_PER_TOKEN * request.prompt
        self._assigned[request.id] = target
        if target.length is not None and not self.stale:
            target.length += 1
            target.heard = self.head.world.now
        network = self.head.world.network
        network.deliver(self.head, target.replica, lambda: self._arrive(target, request), (request.id, "request"))

    def _arrive(self, target: Target, request: Request) -> None:
        """At the replica: it takes the request, or refuses because it is full, or is not there any more."""
        if self._assigned.get(request.id) is not target:
            return  # cancelled on its way
        network, replica = self.head.world.network, target.replica
        if not target.alive:
            if replica.node.up:  # its kernel refuses the connection; a machine that is off says nothing
                network.deliver(replica, self.head, lambda: self._gone(target, request), (request.id, "gone"))
        elif replica.ongoing >= self.head.max_ongoing:
            length = replica.ongoing
            network.deliver(replica, self.head, lambda: self._rejected(target, request, length), (request.id, "full"))
        else:
            replica.submit(request)

    def _rejected(self, target: Target, request: Request, length: int) -> None:
        if self._release(request) is None:
            return
        self._heard(target, length)
        self._again(request)

    def _gone(self, target: Target, request: Request) -> None:
        """No process answered. With the GCS, the handle knows that the actor died; without, it can only try again."""
        if self._release(request) is None:
            return
        head = self.head
        if not head.gcs.answers:
            head.log(serve.UNAVAILABLE, head.replica_id(target.replica))
            target.length = None
            self._again(request)
        elif self.stale:
            head.proxy.fail(request, serve.ACTOR_DIED)
        else:
            if self.targets.get(target.replica.name) is target:
                del self.targets[target.replica.name]
            self._again(request)

    def _again(self, request: Request) -> None:
        """Back to the front of those who wait."""
        self.waiting[request.id] = request
        self.waiting.move_to_end(request.id, last=False)
        self._attempt += 1
        self._try_later()

    def _ended(self, request: Request) -> Target | None:
        """A request that its replica had taken has ended, one way or another."""
        sent = self._sent_at.get(request.id, 0.0)
        target = self._release(request)
        if target is not None and target.replica.waypoint is not None:
            target.replica.waypoint.observe(self.head.world.now - sent)
        return target

    def _release(self, request: Request) -> Target | None:
        target = self._assigned.pop(request.id, None)
        self._sent_at.pop(request.id, None)
        if target is not None:
            del target.sent[request.id]
            if target.length and not self.stale:
                target.length -= 1
                target.heard = self.head.world.now
        return target

    # --- choosing ---------------------------------------------------------------------------------------------

    def _choose(self, request: Request) -> Target | None:
        """The shorter queue of two replicas drawn at random; None when none is known to have room.

        Where both are full Serve pauses and draws again, until it finds one that is not; here it does so at once.
        """
        targets = list(self.targets.values())
        ready = self._with_room(self._two_of(targets, request))
        if not ready:
            ready = self._two_of(self._with_room(targets), request)
        known = [t for t in ready if self._known(t)]
        if len(known) < len(ready):
            for target in [t for t in ready if t not in known]:
                self._probe(target)
                if not known and self._known(target):
                    known.append(target)
        return min(known, key=lambda t: t.length or 0) if known else None

    def _two_of(self, targets: list[Target], request: Request) -> list[Target]:
        if len(targets) <= 2:
            return targets
        draw, attempt = self.head.world.streams["router"], self._attempt
        first = draw.integer(0, len(targets) - 1, request.id, 2 * attempt)
        second = draw.integer(0, len(targets) - 2, request.id, 2 * attempt + 1)
        return [targets[first], targets[second + (second >= first)]]

    def _with_room(self, targets: list[Target]) -> list[Target]:
        """Those that may be sent requests and are not known to be full. A stale handle is told by refusals only."""
        limit = math.inf if self.stale else self.head.max_ongoing
        return [t for t in targets if (t.length is None or t.length < limit) and self._routable(t)]

    def _routable(self, target: Target) -> bool:
        if target.replica.name in self.excluded:
            return False
        if target.replica.state is not State.DRAINING or target.replica.pid != target.pid:
            return True
        return not (self.head.controller.acts and not self.stale)

    def _known(self, target: Target) -> bool:
        if target.length is None or self.stale:
            return self.stale
        if target.length >= self.head.max_ongoing:
            return False
        return self.head.world.now - target.heard <= QUEUE_LENGTH_CACHE

    def _probe(self, target: Target) -> None:
        """Ask a replica for its queue length; what comes late counts for later requests only."""
        world, head, asked = self.head.world, self.head, self.head.world.now
        deadline = queue_length_deadline(self._attempt)
        key = ("probe", target.pid, int(1000.0 * asked))
        answered = False

        def answer(length: int) -> None:
            nonlocal answered
            answered = True
            self._heard(target, length)
            if world.now > asked:
                self.dispatch()

        def arrive() -> None:
            if target.alive:
                length = target.replica.ongoing
                world.network.deliver(target.replica, head, lambda: answer(length), key)

        world.network.deliver(head, target.replica, arrive, key)
        if answered:
            return

        def late(_: object) -> None:
            if not answered and head.up and self.targets.get(target.replica.name) is target:
                head.log(serve.NO_QUEUE_LENGTH, head.replica_id(target.replica), deadline)

        world.clock.at(world.now + deadline, late)

    def _heard(self, target: Target, length: int) -> None:
        if not self.stale:
            target.length, target.heard = length, self.head.world.now

    def _try_later(self) -> None:
        """Look again after the router's pause, whatever else happens before."""
        if self._timer_set or not self.waiting:
            return
        self._timer_set = True
        world = self.head.world

        def again(_: object) -> None:
            self._timer_set = False
            if self.waiting:
                self._attempt += 1
                self.dispatch()

        world.clock.at(world.now + max(router_backoff(1), router_backoff(self._attempt)), again)
