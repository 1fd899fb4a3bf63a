"""What changes while a cluster lives: one lane's arrays."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast import objectives, orders
from twin.fast.inference import heat
from twin.fast.inference.episodes import OTHERS, SIGNALS, Episode
from twin.fast.objectives import Judged
from twin.fast.orders import Orders
from twin.inference.clients import RESERVE

STAGES = 8
"""Stages of an answer: requests move through them at the pace of their engine."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """R replicas, P programs, K conditions, J operations, S stages, W ticks of the SLO's window. Seconds, requests."""

    tick: Array
    """[] int32: ticks lived."""
    healed: Array
    """[K] whether a condition is gone before its time."""
    up: Array
    """[P] whether a program runs."""
    ready: Array
    """[P] when the one that starts will run; infinite where nobody starts it."""
    born: Array
    """[P] when it was started."""
    deaths: Array
    """[P] since its supervisor last forgot."""
    fresh: Array
    """[P] which start the next one is: 0 as before, 1 in a new container, 2 on another node."""
    seat: Array
    """[R] int32: whose seat a replica has."""
    deployed: Array
    """[R] whether a replica is wanted."""
    decoding: Array
    """[R, S] requests that get their answers, by how far they are."""
    queued: Array
    """[R] requests whose prompt is not computed yet."""
    waiting: Array
    """[] requests that wait for a replica."""
    hung: Array
    """[R] seconds for which its steps have not ended."""
    excluded: Array
    """[R] until when it is sent nothing."""
    sequences: Array
    """[R] that its engine takes at a time."""
    asked: Array
    """[3] tokens of prompts, of answers, and of prompts that must be computed, of late."""
    rate: Array
    """[R] requests a second that each replica got of late."""
    luck: Array
    """The key of its draws."""
    limit: Array
    """[] requests a second that the gateway lets in; infinite where it lets all."""
    limited: Array
    """[] until when."""
    cordoned: Array
    """[D] nodes on which nothing is placed."""
    orders: Orders
    spare: Array
    """[J] int32: the replica whose seat it has reserved, -1 where none."""
    judged: Judged
    served: Array
    """[] requests a second that were answered, over a minute or so; the best of the time so far is what a load limit is
    a share of."""
    best: Array
    """[]"""

    # --- requests on their way ------------------------------------------------------------------------------------
    undelivered: Array
    """[R] that have not reached their replica, because nothing passes."""
    answered: Array
    """[R] answers that have not reached the head."""
    unsent: Array
    """[] answers that the head does not hand on."""
    mute: Array
    """[] seconds for which it has not."""
    known: Array
    """[R] queue lengths as the router last heard them."""
    entering: Array
    """[] requests a second that the gateway took in of late."""

    # --- clients --------------------------------------------------------------------------------------------------
    thinking: Array
    """[] users who think before they ask again."""
    pausing: Array
    """[A] who pause after a first, second, … attempt in vain."""
    mix: Array
    """[A + 1] shares of first, second, … attempts in flight."""
    credit: Array
    """[] retries that the clients' budget allows."""

    # --- machines -------------------------------------------------------------------------------------------------
    warm: Array
    """[H, 2] temperature of GPUs' cores and memories, C."""
    worked: Array
    """[R, 2] shares of the last tick that engines spent in decode steps and in prompts."""
    leaked: Array
    """[R] bytes by which processes have grown."""
    stressed: Array
    """[R] bytes of foreign processes in containers."""
    foreign: Array
    """[D] the same on machines."""

    # --- supervision ----------------------------------------------------------------------------------------------
    pressed: Array
    """[R] until when the kubelet does not start a pod that it evicted."""
    killing: Array
    """[R] when it kills a container that does not answer."""
    silent: Array
    """[R] seconds for which the head has not reached a replica."""
    gone: Array
    """[R] whether the GCS has given it up."""
    rolled: Array
    """[R] which settings it runs with, as one number."""
    rolled_out: Array
    """[] int32: replicas that scheduled deployments have replaced so far."""
    rests: Array
    """[] until when a deployment pauses."""


def first(world: Episode, luck: Array, window: int, tick: float) -> State:
    """All that is deployed runs; nobody has come yet. `window`: ticks of the SLO's."""
    replicas, programs = world.exists.shape[0], world.exists.shape[0] + OTHERS
    conditions, nodes = world.conditions.place.shape[0], world.gpus_of_node.shape[0]
    up = jnp.concatenate([jnp.asarray(world.active), jnp.ones(OTHERS, bool)])
    attempts = world.pauses.shape[0]
    lengths, rate = _usual(world, tick)
    return State(
        tick=jnp.int32(0),
        healed=jnp.zeros(conditions, bool),
        up=up,
        ready=jnp.full(programs, jnp.inf),
        born=jnp.zeros(programs),
        deaths=jnp.zeros(programs),
        fresh=jnp.zeros(programs, jnp.int32),
        seat=jnp.arange(replicas, dtype=jnp.int32),
        deployed=jnp.asarray(world.active),
        decoding=jnp.zeros((replicas, STAGES)),
        queued=jnp.zeros(replicas),
        waiting=jnp.float32(0.0),
        hung=jnp.zeros(replicas),
        excluded=jnp.zeros(replicas),
        sequences=jnp.full(replicas, world.most[0]),
        asked=lengths,
        rate=jnp.where(world.active, rate / jnp.maximum(world.active.sum(), 1), 0.0),
        luck=luck,
        limit=jnp.float32(jnp.inf),
        limited=jnp.float32(0.0),
        cordoned=jnp.zeros(nodes, bool),
        orders=orders.none(),
        spare=jnp.full(orders.SLOTS, -1, jnp.int32),
        judged=objectives.none(len(SIGNALS), window),
        served=jnp.float32(0.0),
        best=jnp.float32(0.0),
        undelivered=jnp.zeros(replicas),
        answered=jnp.zeros(replicas),
        unsent=jnp.float32(0.0),
        mute=jnp.float32(0.0),
        known=jnp.zeros(replicas),
        entering=rate,
        thinking=jnp.float32(0.0),
        pausing=jnp.zeros(attempts),
        mix=jnp.zeros(attempts + 1).at[0].set(1.0),
        credit=jnp.float32(RESERVE),
        warm=heat.still(world.heat),
        worked=jnp.zeros((replicas, 2)),
        leaked=jnp.zeros(replicas),
        stressed=jnp.zeros(replicas),
        foreign=jnp.zeros(nodes),
        pressed=jnp.zeros(replicas),
        killing=jnp.full(replicas, jnp.inf),
        silent=jnp.zeros(replicas),
        gone=jnp.zeros(replicas, bool),
        rolled=jnp.zeros(replicas),
        rolled_out=jnp.int32(0),
        rests=jnp.float32(0.0),
    )


def _usual(world: Episode, tick: float) -> tuple[Array, Array]:
    """Mean lengths [3] and rate [] of the episode, as the service has seen them before."""
    arrivals = jnp.asarray(world.arrivals)
    requests = jnp.maximum(arrivals[:, 0].sum(), 1.0)
    lengths = (arrivals[:, :1] * arrivals[:, 1:]).sum(axis=0) / requests
    return lengths, arrivals[:, 0].mean() / tick
