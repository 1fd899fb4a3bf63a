"""nginx's upstream: its peers, which of them are left out, and the limits in front of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from twin.mechanics.serving import FAIL_TIMEOUT, MAX_FAILS, RATE_LIMIT_BURST

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Peer(Generic[T]):
    """One server of an upstream block."""

    server: T
    address: str
    fails: int = 0
    checked: float = -math.inf
    """When it last failed, or was last tried after failures."""
    served: int = 0


class Upstream(Generic[T]):
    """Round robin over peers. One with `max_fails` failures is left out for `fail_timeout`, then tried again.

    A peer that is the only one is never left out (ngx_http_upstream_module, `max_fails`).
    """

    def __init__(self, servers: Sequence[tuple[T, str]]) -> None:
        self.peers = [Peer(server, address) for server, address in servers]
        self._next = 0

    def pick(self, now: float, tried: Sequence[Peer[T]] = ()) -> Peer[T] | None:
        """The peer whose turn it is, or None where none is live."""
        for offset in range(len(self.peers)):
            peer = self.peers[(self._next + offset) % len(self.peers)]
            if peer not in tried and self.live(peer, now):
                self._next = (self._next + offset + 1) % len(self.peers)
                if peer.fails:
                    peer.checked = now
                peer.served += 1
                return peer
        return None

    def live(self, peer: Peer[T], now: float) -> bool:
        """Whether requests are sent to a peer."""
        return len(self.peers) == 1 or peer.fails < MAX_FAILS or now - peer.checked > FAIL_TIMEOUT

    def failed(self, peer: Peer[T], now: float) -> None:
        """An attempt ended with an error or a time-out."""
        peer.fails += 1
        peer.checked = now

    def answered(self, peer: Peer[T]) -> None:
        """An attempt brought a response's header."""
        peer.fails = 0


class RateLimit:
    """limit_req: a leaky bucket of `burst` requests above the rate, without delay."""

    def __init__(self, burst: float = RATE_LIMIT_BURST) -> None:
        self.burst = burst
        self.excess = 0.0
        """Requests above the rate, at the last accepted one."""
        self._last = -math.inf

    def admits(self, now: float, rate: float) -> float | None:
        """None where a request is let in, else the excess that it would make."""
        first = self._last == -math.inf
        # In thousandths, as nginx reckons.
        excess = 0.0 if first else max(0.0, round(self.excess - rate * (now - self._last) + 1.0, 3))
        if excess > self.burst:
            return excess
        self.excess, self._last = excess, now
        return None
