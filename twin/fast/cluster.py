"""What the fast twin needs to know of a kind of cluster: a module of functions for each (`inference`, `openstack`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from twin.fast.scraping import Block, Reading

if TYPE_CHECKING:
    from twin.world import World


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tick:
    """What is told of a tick. Requests, seconds."""

    loss: Array
    """[] the largest bad share over the objectives."""
    violated: Array
    """[] whether the window violates the SLO."""
    arrived: Array
    """[]"""
    completed: Array
    """[]"""
    failed: Array
    """[]"""
    queue: Array
    """[] requests that somebody works on or that wait."""
    latency: Array
    """[S, B] what was completed, by its latency (`twin.fast.latency`), for each of `Cluster.LATENCIES`."""
    counts: Any
    """What exporters are told to have happened in it."""


class Cluster(Protocol):
    """The functions of a kind of cluster. An episode is one life of a scenario as arrays: everything random is drawn
    in it. It has `role` [N], `since` [], `conditions` and `objective` [S, 2]; a state has `tick`, `luck`, `healed` and
    `orders`."""

    LATENCIES: Sequence[str]
    """Signals of the SLO whose latencies ticks tell."""
    CARRIED_OUT: frozenset[str]
    """Categories of actions."""
    TIMED: Sequence[str]
    """Fields of an episode that have a row for each tick from its `since` on."""

    @staticmethod
    def shape(worlds: Sequence[World], tick: float, padded: int) -> Any:
        """The sizes that hold the episodes of all these worlds, whose observations are padded to `padded`."""

    @staticmethod
    def episode(world: World, tick: float, shape: Any) -> Any:
        """The episode of a world that has not lived yet. Raises NotCompiledError."""

    @staticmethod
    def first(episode: Any, luck: Array, window: int, tick: float) -> Any:
        """The state in which it begins; `window`: ticks of the SLO's."""

    @staticmethod
    def live(episode: Any, state: Any, dt: float, chance: bool) -> tuple[Any, Tick]:
        """One tick of `dt` seconds. Without `chance`, what is drawn in it is as it is expected."""

    @staticmethod
    def gauges(episode: Any, state: Any, now: Array) -> Any:
        """How what exporters are told of is at second `now`."""

    @staticmethod
    def order(episode: Any, state: Any, action: Array, now: Array) -> tuple[Any, Array]:
        """Begin an action [3]; an illegal one changes nothing. Returns whether it was legal (waiting is)."""

    @staticmethod
    def legal(episode: Any, state: Any, now: Array) -> Array:
        """[C, N] what may be ordered now; the row of waiting is empty."""

    @staticmethod
    def occupied(episode: Any, state: Any) -> Array:
        """[N] on what an action is in flight."""

    @staticmethod
    def remembered(episode: Any) -> Any:
        """What exporters remember before they have been asked for the first time."""

    @staticmethod
    def exporters(
        episode: Any, memory: Any, reading: Reading, now: Array, seconds: float, sizes: Mapping[str, int]
    ) -> tuple[Any, dict[str, Block]]:
        """What they show at second `now`, by kind, given what was told of the `seconds` since the last scrape, counts a
        second; and what they remember of it. `sizes`: components of each kind."""

    SEEN: Mapping[str, frozenset[str]]
    """By kind: the features that exporters compute."""

    EVENTS: Mapping[str, tuple[str, ...]]
    """By kind: what happens that components of it log of (`twin.fast.lines`)."""

    @staticmethod
    def events(episode: Any, told: Reading) -> dict[str, Array]:
        """By kind: [R, events] how often it happened in a decision."""

    @staticmethod
    def holders(episode: Any) -> Mapping[str, NDArray[np.int32]]:
        """Field of a state, or the path of one in what is told -> the number of the component that each position of its
        first axis belongs to (one number where all of it is one's), -1 where there is none; others are the whole
        cluster's."""
