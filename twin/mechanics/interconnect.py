"""All-reduce among the GPUs of one node."""

from __future__ import annotations

from twin.mechanics.hardware import Link

LINK_EFFICIENCY = 0.55
"""Share of a link's bandwidth that an all-reduce of tens of megabytes reaches (2, 4 and 8 A100 of a DGX: 155, 165 and
173 GB/s of 300; microsoft/vidur's profile, MIT)."""


def all_reduce(link: Link, gpus: int, health: float = 1.0) -> tuple[float, float]:
    """Seconds of an all-reduce among `gpus`: a fixed part, and one per byte of the message.

    Every GPU sends and receives 2 (n - 1) / n of the message (ring or halving, Thakur et al. 2005). `health` is the
    ratio of the link's bandwidth to a sound one.
    """
    if gpus < 2:
        return 0.0, 0.0
    share = 2.0 * (gpus - 1) / gpus
    return link.latency, share / (link.bandwidth * LINK_EFFICIENCY * health)
