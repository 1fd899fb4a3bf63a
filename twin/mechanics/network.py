"""Network mechanics: what netem and a token bucket do to packets, and what TCP makes of it.

Conditions of one direction of a path are combined into a `Path`. TCP hides loss and corruption (a bad checksum is a
loss) behind retransmissions, so an application sees neither: it sees messages that come late, in order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from twin.mechanics.conditions import Condition, effective

SEGMENT = 1448
"""Bytes of payload of a TCP segment on an Ethernet of 1,500 bytes, with time stamps."""

LAN_ROUND_TRIP = 2e-4
"""Seconds of a round trip between two servers of one rack (assumed); only bulk transfers and time-outs feel it."""

NIC_BYTES_PER_SECOND = 1.25e9
"""10 Gbit/s of Ethernet (assumed)."""

WINDOW = 6 * 2**20
"""Largest receive window: Linux' default tcp_rmem[2]."""

LEAST_RETRANSMISSION_TIMEOUT = 0.2
"""Linux' TCP_RTO_MIN."""

LARGEST_RETRANSMISSION_TIMEOUT = 120.0
"""Linux' TCP_RTO_MAX."""

RETRANSMISSIONS = 15
"""Linux' default tcp_retries2: after that many the connection is given up (924.6 s at the least time-outs)."""


@dataclass(frozen=True, slots=True)
class Path:
    """One direction between two components. Seconds, shares in [0, 1], bytes/s."""

    latency: float = 0.0
    jitter: float = 0.0
    correlation: float = 0.0
    loss: float = 0.0
    """Share of packets that do not arrive, or arrive with a bad checksum."""
    duplicate: float = 0.0
    bandwidth: float = math.inf
    blocked: bool = False

    def delay(self, own: float, shared: float) -> float:
        """Seconds that a packet takes, by two draws in [0, 1).

        netem draws evenly from latency +- jitter and mixes each draw with the one before by the correlation. Here it is
        mixed with a draw `shared` by the messages of its time, so that it does not depend on who else sends.
        """
        draw = own + (shared - own) * self.correlation
        return max(0.0, self.latency + self.jitter * (2.0 * draw - 1.0))

    def survives(self, draw: float) -> bool:
        """Whether a packet arrives, by a draw in [0, 1)."""
        return not self.blocked and draw >= self.loss


HEALTHY = Path()
"""A path with nothing in the way."""

PARAMETERS = ("latency", "jitter", "correlation", "loss", "corruption", "duplicate", "bandwidth", "blocked")
"""The parameters of conditions that concern packets."""


def path(conditions: Iterable[Condition]) -> Path:
    """The path under these conditions."""
    present = [c for c in conditions if c.parameter in PARAMETERS]
    if not present:
        return HEALTHY

    def value(parameter: str) -> float:
        return effective(present, parameter)

    return Path(
        latency=value("latency"),
        jitter=value("jitter"),
        correlation=value("correlation"),
        loss=1.0 - (1.0 - value("loss")) * (1.0 - value("corruption")),
        duplicate=value("duplicate"),
        bandwidth=value("bandwidth"),
        blocked=value("blocked") > 0,
    )


def retransmission_timeout(round_trip: float, attempt: int) -> float:
    """Seconds until the next transmission after `attempt` failed ones before: Linux' minimum above the round trip,
    doubled each time."""
    first = max(round_trip, LAN_ROUND_TRIP) + LEAST_RETRANSMISSION_TIMEOUT
    return float(min(LARGEST_RETRANSMISSION_TIMEOUT, first * 2.0 ** min(attempt, 16)))


def transfer_rate(bandwidth: float, round_trip: float, loss: float) -> float:
    """Bytes a second of a long TCP transfer: the link, the window in flight per round trip, and what loss leaves
    (MSS / (RTT sqrt(2 p / 3)), Mathis et al., CCR 1997)."""
    round_trip = max(round_trip, LAN_ROUND_TRIP)
    rate = min(bandwidth, NIC_BYTES_PER_SECOND, WINDOW / round_trip)
    if loss >= 1.0:
        return 0.0
    return rate if loss <= 0.0 else min(rate, SEGMENT / (round_trip * math.sqrt(2.0 * loss / 3.0)))
