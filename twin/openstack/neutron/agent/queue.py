"""neutron.agent.common.resource_processing_queue: updates of one resource one after the other, of others meanwhile."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twin.mechanics.neutron import ROUTER_UPDATE_TRIES
from twin.openstack.oslo.context import Context, branch
from twin.openstack.oslo.pool import Pool
from twin.openstack.oslo.service import Service, Steps


@dataclass(slots=True)
class ResourceUpdate:
    """What is to be done with a resource (a network, a router)."""

    id: str
    action: str
    resource: tuple[Context, Any]
    """Who asked for it, and what it is like where that is known."""
    priority: int = 0
    created: float = 0.0
    tries: int = ROUTER_UPDATE_TRIES
    number: int = 0
    """Among those of its resource."""


class ResourceProcessingQueue:
    """Hands updates to `process`, a generator function, on a pool of threads. It lives as long as its process."""

    def __init__(self, service: Service, threads: int, process: Callable[[ResourceUpdate], Steps]) -> None:
        self.service = service
        self.threads = threads
        self.process = process
        self._numbers: Counter[str] = Counter()
        self.clear()

    def clear(self, held: bool = False) -> None:
        """A new process begins with nothing; its threads with `held` not before `release`."""
        self._pool = Pool(self.service.clock, self.threads)
        self._pool.hold(self.threads if held else 0)
        self._waiting: dict[str, deque[ResourceUpdate]] = {}

    def release(self) -> None:
        """The threads begin."""
        self._pool.hold(0)

    def add(self, update: ResourceUpdate) -> None:
        """Have an update processed as soon as no other of its resource is."""
        self._numbers[update.id] += 1
        update.number = self._numbers[update.id]
        context, resource = update.resource
        update.resource = branch(context, update.id), resource
        if not update.created:
            update.created = self.service.world.now
        waiting = self._waiting.get(update.id)
        if waiting is not None:
            waiting.append(update)
            return
        self._waiting[update.id] = deque([update])
        self.service.spawn(self._work(update.id))

    def _work(self, id: str) -> Steps:
        waiting = self._waiting[id]
        try:
            with self._pool.slot() as slot:
                if slot.turn is not None:
                    yield slot.turn
                while waiting:
                    update = waiting.popleft()
                    try:
                        yield from self.process(update)
                    except Exception as error:  # the thread's own end; what it prints goes to no log
                        self.service.unexpected(error)
        finally:
            if self._waiting.get(id) is waiting:
                del self._waiting[id]
