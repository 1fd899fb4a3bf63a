"""What the conditions that hold do to each program, or machine, in this tick: a level for each channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import Array

from twin.fast.inference.channels import CHANNEL, STRONGEST

if TYPE_CHECKING:
    from twin.fast.inference.episodes import Episode


@dataclass(frozen=True)
class Levels:
    """Levels of one or more programs, by the name of a channel. A channel that no condition of these episodes has is a
    constant 0, so that all that follows from it is left out when the tick is compiled."""

    shape: tuple[int, ...]
    """Of the programs: [P] of several, [] of one."""
    found: Mapping[str, Array]

    def __getitem__(self, channel: str) -> Array:
        """The level of each program in a channel."""
        known = self.found.get(channel)
        return jnp.zeros(self.shape) if known is None else known

    def of(self, programs: Any) -> Levels:
        """Those of one program (a number), or of some (a slice)."""
        chosen = {name: level[programs] for name, level in self.found.items()}
        return Levels(jnp.zeros(self.shape)[programs].shape, chosen)


def levels(world: Episode, hits: Array) -> Levels:
    """The levels of P programs: the strongest, or the sum, of the conditions that touch each, `hits` [K, P]."""
    values = jnp.asarray(world.conditions.channels)
    found: dict[str, Array] = {}
    for names, combine in (
        ([name for name in world.used if name in STRONGEST], jnp.max),
        ([name for name in world.used if name not in STRONGEST], jnp.sum),
    ):
        if names:
            columns = jnp.stack([values[:, CHANNEL[name]] for name in names])
            each = combine(jnp.where(hits[None], columns[:, :, None], 0.0), axis=1)
            found |= {name: each[i] for i, name in enumerate(names)}
    return Levels(hits.shape[1:], found)
