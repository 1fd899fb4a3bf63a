"""How often what programs log of happened (`recording.EVENTS`), counted in the arrays."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from twin.fast.inference.episodes import GATEWAY, HEAD, STORE, Episode
from twin.fast.inference.told import Counts
from twin.fast.scraping import Reading


def events(world: Episode, told: Reading) -> dict[str, Array]:
    """By kind: [R, events] how often what `EVENTS` names happened to each component in a decision."""
    counts: Counts = told.counts
    replicas, nodes = world.exists.shape[0], world.exposed.node.shape[0]
    home = jnp.asarray(world.node_of_seat)[told.gauges.seat]
    life = jnp.stack([counts.died, counts.failed_starts, counts.came], axis=1)
    requests = jnp.stack([counts.completed, counts.lost, counts.cancelled], axis=1)
    of_replica = jnp.concatenate([counts.ran[:replicas, None], requests, life[:replicas]], axis=1)
    on = (home[None, :] == jnp.arange(nodes)[:, None]).astype(jnp.float32)
    total = of_replica[:, 1:].sum(axis=0)
    head, gateway, store = (jnp.append(counts.ran, 0.0)[replicas + i] for i in (HEAD, GATEWAY, STORE))
    began = counts.came[replicas:]
    total = total.at[2].add(counts.given_up - counts.unheard)
    return {
        "vllm": of_replica,
        "node": jnp.concatenate([counts.awake[:, None], on @ life[:replicas]], axis=1),
        "ray-head": jnp.concatenate([head[None], total, jnp.stack([counts.hung, began[HEAD]])])[None],
        "nginx": jnp.stack([gateway, *total[:3], counts.refused, counts.unheard, began[GATEWAY]])[None],
        "model-store": jnp.stack([store, began[STORE]])[None],
    }
