"""The network between the head and what it talks to, as arrays: what messages of each hop meet.

A hop is a direction between the head and one of its peers: a replica, or the gateway. A condition on either end's own
interface, or on its machine's where the other end is on another one, counts by its direction and by whom it is about
(`twin.network`); TCP makes lateness of loss (`twin.mechanics.network`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from twin.mechanics.network import (
    LAN_ROUND_TRIP,
    LARGEST_RETRANSMISSION_TIMEOUT,
    LEAST_RETRANSMISSION_TIMEOUT,
    PARAMETERS,
)

if TYPE_CHECKING:
    from twin.components import Component
    from twin.mechanics.conditions import Condition

LATENCY, JITTER, LOSS, SLOTH, DUPLICATE, BLOCKED = range(6)
"""Columns: seconds, seconds, -log(1 - share), seconds a byte, share, yes or no."""
CERTAIN: Final = 30.0
"""-log of the share that survives where nothing does."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hops:
    """L conditions about packets. M = programs and then nodes."""

    of: NDArray[np.int32]
    """[L] the slot of the condition."""
    values: NDArray[np.float32]
    """[L, 6]"""
    ways: NDArray[np.bool_]
    """[L, 2] whether it is about what its carrier sends, about what it receives."""
    near: NDArray[np.bool_]
    """[L, M] about which programs (or those on which nodes) of its own machine."""
    far: NDArray[np.bool_]
    """[L, M] about what is exchanged with which."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Paths:
    """What messages meet: [H] hops each, of the replicas and last of the gateway; row 0 from the head, row 1 to it."""

    delay: Array
    """[2, H] mean seconds that a message takes longer, without loss."""
    jitter: Array
    """[2, H] standard deviation of that."""
    lost: Array
    """[2, H] share of messages that are lost at first."""
    again: Array
    """[2, H] mean seconds until such a message is there after all."""
    sloth: Array
    """[2, H] seconds a byte where a token bucket is in the way."""
    passes: Array
    """[H] whether packets pass both ways."""


def hops(found: list[tuple[int, Component, Condition]], numbers: Mapping[str, int], size: int, most: int) -> Hops:
    """The conditions about packets of an episode: (slot, carrier, condition), padded to `most`. `numbers`: of the
    programs and nodes by name, below `size`."""
    of, values = np.zeros(most, np.int32), np.zeros((most, 6), np.float32)
    ways, near = np.zeros((most, 2), bool), np.zeros((most, size), bool)
    far = np.zeros((most, size), bool)
    for i, (slot, _, condition) in enumerate(found):
        traffic = condition.traffic
        of[i] = slot
        values[i] = _values(condition)
        ways[i] = traffic.direction in ("to", "both"), traffic.direction in ("from", "both")
        near[i], far[i] = _named(traffic.own, numbers, size), _named(traffic.peers, numbers, size)
    return Hops(of, values, ways, near, far)


def about_packets(condition: Condition) -> bool:
    """Whether a condition is one of these."""
    return condition.parameter in PARAMETERS


def _values(condition: Condition) -> list[float]:
    value, row = condition.value, [0.0] * 6
    match condition.parameter:
        case "latency":
            row[LATENCY] = value
        case "jitter":
            row[JITTER] = value
        case "loss" | "corruption":
            row[LOSS] = CERTAIN if value >= 1.0 else float(-np.log1p(-value))
        case "bandwidth":
            row[SLOTH] = 1.0 / max(value, 1.0)
        case "duplicate":
            row[DUPLICATE] = value
        case "blocked":
            row[BLOCKED] = float(value > 0)
    return row  # a correlation of delays is within the jitter that messages of one time share


def _named(names: frozenset[str], numbers: Mapping[str, int], size: int) -> NDArray[np.bool_]:
    """Everything, where nobody is named."""
    if not names:
        return np.ones(size, bool)
    found = np.zeros(size, bool)
    for name in names:
        if name in numbers:
            found[numbers[name]] = True
    return found


def paths(hops: Hops, on: Array, itself: Array, machine: Array, node: Array, head: int, peers: Array) -> Paths:
    """What messages meet now. `on` [K]: conditions that hold; `itself`, `machine` [K, P]: whether a condition is
    carried by a program, by its machine; `node` [P] int; `head` and `peers` [H] int: numbers of programs."""
    count = peers.shape[0]
    if hops.of.shape[0] == 0:
        nothing = jnp.zeros((2, count))
        return Paths(nothing, nothing, nothing, nothing, nothing, jnp.ones(count, bool))
    programs = node.shape[0]
    of = jnp.asarray(hops.of)
    near, far = jnp.asarray(hops.near), jnp.asarray(hops.far)
    sends, receives = jnp.asarray(hops.ways)[:, :1], jnp.asarray(hops.ways)[:, 1:]
    holds = on[of] & (jnp.asarray(hops.values) != 0.0).any(axis=1)
    to = far[:, :programs] | far[:, programs:][:, node]
    about = near[:, :programs] | near[:, programs:][:, node]
    apart = (node[peers] != node[head])[None, :]
    own, place = itself[of], machine[of] & about
    at_peer = (own[:, peers] | (place[:, peers] & apart)) & to[:, head][:, None]
    at_head = (own[:, head][:, None] | (place[:, head][:, None] & apart)) & to[:, peers]
    from_head = ((at_head & sends) | (at_peer & receives)) & holds[:, None]
    to_head = ((at_peer & sends) | (at_head & receives)) & holds[:, None]
    met = jnp.stack([from_head, to_head]).astype(jnp.float32)  # [2, L, H]
    values = jnp.einsum("wlh,lc->cwh", met, jnp.asarray(hops.values))
    lost = 1.0 - jnp.exp(-values[LOSS])
    blocked = (values[BLOCKED] > 0.0) | (lost > 0.999)
    round_trip = values[LATENCY].sum(axis=0) + LAN_ROUND_TRIP
    first = round_trip + LEAST_RETRANSMISSION_TIMEOUT
    # Lost once: after the time-out; twice: after thrice that; the series in 2 p, cut where the time-outs are.
    twice = jnp.minimum(2.0 * lost, 0.95)
    again = jnp.minimum(first / (1.0 - twice), LARGEST_RETRANSMISSION_TIMEOUT)
    return Paths(
        delay=values[LATENCY],
        jitter=values[JITTER] / np.sqrt(3.0),
        lost=jnp.where(blocked, 0.0, lost),
        again=again,
        sloth=values[SLOTH] * (1.0 + values[DUPLICATE]),
        passes=~blocked.any(axis=0),
    )
