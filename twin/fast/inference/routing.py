"""To which replicas requests go, as Serve's handle decides by what it knows of their queues."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def shares(load: Array, takes: Array, preference: Array) -> Array:
    """[R] what share of requests each replica gets: of two chosen at random the one with the shorter queue. Queues vary
    about their mean `load` [R]; `preference` says how much a difference of means tells."""
    among = takes.sum()
    pairs = takes[:, None] & takes[None, :] & ~jnp.eye(load.shape[0], dtype=bool)
    wins = jax.nn.sigmoid(preference * (load[None, :] - load[:, None]))
    share = (pairs * wins).sum(axis=1) / jnp.maximum(among * (among - 1) / 2.0, 1.0)
    return jnp.where(among > 1, share, takes.astype(jnp.float32))


def routed(count: Array, share: Array, room: Array) -> Array:
    """[R] of `count` requests by their shares, as far as there is room; what one has no room for another takes."""
    first = jnp.minimum(count * share, room)
    left, room = count - first.sum(), room - first
    return first + jnp.minimum(left, room.sum()) * room / jnp.maximum(room.sum(), 1e-6)
