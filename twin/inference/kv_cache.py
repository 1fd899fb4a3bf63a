"""The paged KV cache with automatic prefix caching, counted in blocks.

vLLM gives every full block the hash of its tokens and of all before them, so that equal beginnings share blocks. A
freed block keeps its content until it is needed: the free queue is the order of eviction, and a request's last blocks
are freed first (vllm/v1/core: block_pool.py, kv_cache_manager.py).

Here blocks of one chain of hashes are a `Segment`, for who shares a beginning shares it from the start: whoever uses
block 7 uses blocks 0 to 6. Then in-use blocks are the segment's first ones, free ones its last, and both sharing and
eviction are counts. Of two copies of a block only the first is found again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from twin.inference.request import Request
from twin.mechanics.engine_step import BLOCK_TOKENS

Key = tuple[int | str, int]
"""Who shares a segment, and the number of blocks before it."""


@dataclass(slots=True, eq=False)
class Segment:
    """Consecutive full blocks of one chain."""

    key: Key
    length: int = 0
    """Blocks that have content: in use or free."""
    used: int = 0
    """Of these, in use: the first ones."""
    depths: list[int] = field(default_factory=list)
    """How many blocks each request that uses it uses."""
    layers: list[list[int]] = field(default_factory=list)
    """Counts of its free blocks in the free queue, those freed last (the first of the chain) at the end."""


@dataclass(slots=True, eq=False)
class Hold:
    """A request's use of the first `depth` blocks of a segment."""

    segment: Segment
    depth: int


def blocks_of(tokens: int) -> int:
    """Blocks for that many tokens."""
    return -(-tokens // BLOCK_TOKENS)


class KvCache:
    """`free` blocks plus those that requests hold is `blocks`, at every moment."""

    def __init__(self, blocks: int, prefix_caching: bool = True) -> None:
        self.blocks = self.free = blocks
        self.caching = prefix_caching
        self._segments: dict[Key, Segment] = {}
        self._queue: deque[tuple[Segment | None, list[int]]] = deque([(None, [blocks])])
        """Free blocks in the order of eviction: (segment whose content they hold, [count])."""

    # --- admission --------------------------------------------------------------------------------------------

    def hit(self, request: Request) -> tuple[list[Hold], int]:
        """What the cache has of a request's beginning: the uses it could make, and their blocks in all.

        At least one token is left to compute.
        """
        holds: list[Hold] = []
        found = 0
        if not self.caching:
            return holds, found
        most = (request.length - 1) // BLOCK_TOKENS
        for key, end in _chain(request):
            segment = self._segments.get(key)
            if segment is None or most <= found:
                break
            depth = min(segment.length, end - key[1], most - found)
            if depth:
                holds.append(Hold(segment, depth))
                found += depth
            if depth < end - key[1]:
                break
        return holds, found

    def fits(self, request: Request, holds: list[Hold], found: int) -> bool:
        """Whether blocks for the whole request as it is are free beside those found (scheduler_reserve_full_isl)."""
        revived = sum(max(0, hold.depth - hold.segment.used) for hold in holds)
        return blocks_of(request.length) - found + revived <= self.free

    def reuse(self, request: Request, holds: list[Hold]) -> None:
        """Take the blocks that `hit` found."""
        request.holds = holds
        for hold in holds:
            self._use(hold.segment, hold.depth)

    # --- growth -----------------------------------------------------------------------------------------------

    def grow(self, request: Request, tokens: int) -> bool:
        """Hold blocks for the request's first `tokens` tokens; False, and nothing changed, where too few are free."""
        held = sum(hold.depth for hold in request.holds) + request.loose
        new = blocks_of(tokens) - held
        if new > self.free:
            return False
        if new > 0:
            self.take(new)
            request.loose += new
        self._publish(request, tokens // BLOCK_TOKENS)
        return True

    def take(self, count: int) -> None:
        """Take that many blocks from the head of the free queue; what they held is evicted."""
        self.free -= count
        queue = self._queue
        while count:
            segment, left = queue[0]
            taken = min(count, left[0])
            left[0] -= taken
            count -= taken
            if segment is not None and taken:
                segment.length -= taken
                if not segment.length:
                    self._segments.pop(segment.key, None)
            if not left[0]:
                queue.popleft()
                if segment is not None and segment.layers and segment.layers[0] is left:
                    del segment.layers[0]

    def taken_for(self, request: Request, tokens: int) -> None:
        """Note that blocks for its first `tokens` tokens have been taken for the request while it decoded."""
        held = sum(hold.depth for hold in request.holds) + request.loose
        request.loose += blocks_of(tokens) - held
        self._publish(request, tokens // BLOCK_TOKENS)

    # --- the end ----------------------------------------------------------------------------------------------

    def release(self, request: Request) -> None:
        """Free all that a request holds, its last blocks first."""
        if request.loose:
            self._queue.append((None, [request.loose]))
            self.free += request.loose
            request.loose = 0
        for hold in reversed(request.holds):
            segment = hold.segment
            segment.depths.remove(hold.depth)
            used = max(segment.depths, default=0)
            freed = segment.used - used
            if freed:
                layer = [freed]
                segment.used = used
                segment.layers.append(layer)
                self._queue.append((segment, layer))
                self.free += freed
        request.holds = []

    # --- segments ---------------------------------------------------------------------------------------------

    def _use(self, segment: Segment, depth: int) -> None:
        segment.depths.append(depth)
        revived = depth - segment.used
        if revived > 0:
            segment.used = depth
            self.free -= revived
            while revived:
                layer = segment.layers[-1]
                taken = min(revived, layer[0])
                layer[0] -= taken
                revived -= taken
                if not layer[0]:
                    segment.layers.pop()

    def _publish(self, request: Request, full: int) -> None:
        """Let others find the request's first `full` blocks: move them from loose ones to segments."""
        if not self.caching or not request.loose:
            return
        held = {hold.segment.key: hold for hold in request.holds}
        for key, end in _chain(request):
            start = key[1]
            if full <= start:
                return
            wanted = min(full, end) - start
            hold = held.get(key)
            segment = hold.segment if hold else self._segments.get(key)
            depth = hold.depth if hold else 0
            if wanted > depth and (segment.length if segment else 0) == depth:
                if segment is None:
                    segment = self._segments[key] = Segment(key)
                if hold:
                    segment.depths.remove(depth)
                    hold.depth = wanted
                else:
                    request.holds.append(Hold(segment, wanted))
                segment.depths.append(wanted)
                segment.length = segment.used = wanted
                request.loose -= wanted - depth


def _chain(request: Request) -> list[tuple[Key, int]]:
    """(key, end) of the segments of a request, in blocks: what it shares, then what is its own."""
    chain: list[tuple[Key, int]] = []
    start = 0
    for sharer, tokens in request.prefix:
        end = tokens // BLOCK_TOKENS
        if end > start:
            chain.append(((sharer, start), end))
            start = end
    chain.append(((request.id, start), 1 << 60))
    return chain
