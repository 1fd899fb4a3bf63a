"""Requests that only decode, counted instead of visited.

Every step gives each of them one token, so one number says where all of them are: the engine's step count. Of each the
batch knows what it had computed when it joined; per step it needs how many they are, the sum of their contexts, how
many begin a new block (a context grows by one a step: a count by residue) and who ends first (a heap).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush

from twin.inference.request import Request
from twin.mechanics.engine_step import BLOCK_TOKENS


class Decoding:
    """The decoding requests of an engine. `step` is the engine's count of finished steps."""

    def __init__(self, running: Mapping[int, Request]) -> None:
        self.size = 0
        self.context = 0
        """Tokens that they have computed, in all."""
        self.newest = 0
        """Highest running order of those that were ever in the batch."""
        self._running = running
        """The engine's running requests by order: who is not there has left, and its entries below are stale."""
        self._beginning = [0] * BLOCK_TOKENS
        """How many of them begin a block at the steps of each residue."""
        self._ends: list[tuple[int, int, Request, int]] = []
        """(step count at its end, order, request, when it joined)."""

    def join(self, request: Request, step: int) -> None:
        """From the step after `step` on, a request only decodes."""
        request.joined = step
        self.size += 1
        self.context += request.computed
        self.newest = max(self.newest, request.order)
        self._beginning[(step - request.computed) % BLOCK_TOKENS] += 1
        heappush(self._ends, (step + request.remaining, request.order, request, step))

    def leave(self, request: Request, step: int) -> int:
        """Give a request what it has gained since it joined; returns the number of its steps."""
        steps = step - request.joined
        request.computed += steps
        request.generated += steps
        request.joined = -1
        self.size -= 1
        self.context -= request.computed
        self._beginning[(step - request.computed) % BLOCK_TOKENS] -= 1
        return steps

    def forget_ends(self) -> None:
        """Everybody has left."""
        self._ends.clear()

    def next_end(self) -> int:
        """The step count at which the first of them ends."""
        ends = self._ends
        while self._stale(*ends[0]):
            heappop(ends)
        return ends[0][0]

    def ended(self, step: int) -> Iterator[Request]:
        """Those that end with step number `step`, in running order."""
        ends = self._ends
        while ends and ends[0][0] <= step:
            entry = heappop(ends)
            if not self._stale(*entry):
                yield entry[2]

    def blocks(self, first: int, steps: int) -> int:
        """Blocks that they begin in `steps` steps from the one after `first` finished ones on."""
        cycles, rest = divmod(steps, BLOCK_TOKENS)
        count = cycles * self.size
        for step in range(first, first + rest):
            count += self._beginning[step % BLOCK_TOKENS]
        return count

    def steps_within(self, free: int, step: int, wanted: int) -> int:
        """How many of the `wanted` next steps `free` blocks are enough for."""
        if self.size * (wanted // BLOCK_TOKENS + 1) <= free:
            return wanted
        cycles, free = divmod(free, self.size)
        possible = cycles * BLOCK_TOKENS
        while possible < wanted:
            free -= self._beginning[(step + possible) % BLOCK_TOKENS]
            if free < 0:
                break
            possible += 1
        return min(wanted, possible)

    def _stale(self, end: int, order: int, request: Request, joined: int) -> bool:
        return request.joined != joined or self._running.get(order) is not request
