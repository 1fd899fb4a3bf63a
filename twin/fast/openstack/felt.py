"""What components feel of conditions, channel by channel: only those that somebody asks for are computed."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast import conditions
from twin.fast.openstack.channels import CHANNEL
from twin.fast.openstack.episodes import Episode
from twin.fast.openstack.state import State


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Felt:
    """K conditions, N components, E channels."""

    hits: Array
    """[K, N] whether a condition holds on a component, or on what that is placed on."""
    channels: Array
    """[K, E]"""

    def of(self, name: str) -> Array:
        """[N] a channel: the strongest; what clocks are off adds up."""
        values = jnp.where(self.hits, self.channels[:, CHANNEL[name], None], 0.0)
        return values.sum(axis=0) if name == "skewed" else values.max(axis=0)


def felt(world: Episode, state: State, now: Array) -> Felt:
    """What holds now."""
    held, parts = world.conditions, world.components
    channels = jnp.asarray(held.channels)
    on = conditions.present(held, state.healed, now - channels[:, CHANNEL["after"]])
    place = jnp.maximum(jnp.asarray(held.place), 0)
    below = jnp.asarray(parts.below)[place]
    itself = place[:, None] == jnp.arange(below.shape[1])[None, :]
    return Felt((itself | below) & on[:, None], channels)
