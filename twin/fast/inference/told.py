"""What a tick of the inference cluster tells those who watch it, and how it is at the end of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from twin.fast import orders
from twin.fast.inference.episodes import NODE, Episode
from twin.fast.inference.state import State
from twin.fast.orders import NUMBER, among
from twin.mechanics.layers import RESETS, Layer, Part

TARGET_RELOADS, RESIDENTS_RELOAD = (
    np.array([any(r.part is part and Layer.GPU in r.layers for r in RESETS[c]) for c in NUMBER])
    for part in (Part.TARGET, Part.RESIDENTS)
)
"""[C] categories after which the driver of the target, or of the target's residents, is a new one."""
NEVER_READY: Final = 1e9
"""Seconds at which nobody will ever start: a time that has not come, as a number."""
DARKENS: Final = ("reboot", "power-cycle", "replace")
"""Categories that take a machine down."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Counts:
    """What happened in a tick: [R] of each replica, but where it says otherwise."""

    routed: Array
    """Requests that it was given."""
    admitted: Array
    """Requests whose prompts were computed."""
    first_token: Array
    """Seconds to first token, summed over them."""
    queue_time: Array
    """Seconds that those who were answered had waited for their prompt, summed."""
    tokens: Array
    """Output tokens but for the first ones."""
    gaps: Array
    """Seconds between tokens, summed over requests that decode."""
    completed: Array
    whole: Array
    """Seconds to the last token, summed over those."""
    broken: Array
    """Requests that had their first token and ended without the last one."""
    failed: Array
    """Requests that ended without any."""
    lost: Array
    """Requests that ended with their replica's process."""
    cancelled: Array
    """Requests that the gateway gave up."""
    given_up: Array
    """[] of them, those that no replica had."""
    died: Array
    """[P] whether a process died while it ran."""
    failed_starts: Array
    """[P] whether one died in its start."""
    came: Array
    """[P] whether one began to run."""
    upstream: Array
    """[] seconds that the gateway had waited for its upstream, summed over requests that failed."""
    decode: Array
    """Seconds of kernels of decode steps."""
    prefill: Array
    """Seconds of kernels of steps with prompts."""
    arrived: Array
    """[] requests at the gateway."""
    refused: Array
    """[] of them, those that no replica was asked for."""
    unheard: Array
    """[] of them, those that Serve's proxy took and did not hear."""
    hung: Array
    """[] seconds in which Serve's proxy hung."""
    reloaded: Array
    """[G] whether a GPU's driver was loaded anew."""
    booted: Array
    """[D] whether a machine booted."""
    met: Array
    """[K] whether a condition held."""
    ran: Array
    """[P] seconds in which it ran."""
    awake: Array
    """[D] seconds in which no operation had taken it down."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Gauges:
    """How it is at the end of a tick. [R], but where it says otherwise."""

    running: Array
    """Requests that get their answers."""
    queued: Array
    """Requests whose prompt is not computed."""
    tokens: Array
    """Tokens of context that they hold."""
    waiting: Array
    """[] at the router."""
    up: Array
    """[P]"""
    ready: Array
    """[P] when those that start will run; `NEVER_READY` of others."""
    fresh: Array
    """[P] which start it is."""
    seat: Array
    lengths: Array
    """[3] tokens of prompts, of answers, and of prompts that are computed."""
    inside: Array
    """[] requests that somebody works on or that wait, wherever."""
    grown: Array
    """Bytes of memory beyond an engine's usual: of its own, and of foreign processes in its container."""
    foreign: Array
    """[D] bytes of foreign processes on machines."""
    healed: Array
    """[K]"""
    down: Array
    """[D] machines that an operation has taken down."""


def gauges(world: Episode, state: State, now: Array) -> Gauges:
    """How it is at second `now`."""
    running = state.decoding.sum(axis=1)
    return Gauges(
        running=running,
        queued=state.queued,
        tokens=running * (state.asked[0] + state.asked[1] / 2.0),
        waiting=state.waiting,
        up=state.up,
        ready=jnp.minimum(state.ready, NEVER_READY),
        fresh=state.fresh,
        seat=state.seat,
        lengths=state.asked,
        inside=running.sum() + (state.queued + state.undelivered + state.answered).sum() + state.waiting + state.unsent,
        grown=state.leaked + state.stressed,
        foreign=state.foreign,
        healed=state.healed,
        down=down(world, state, now),
    )


def down(world: Episode, state: State, now: Array) -> Array:
    """[D] the machines that an operation has taken down at second `now`."""
    return (_darkened(world, state) & (now >= state.orders.interrupts)[:, None]).any(axis=0)


def reloads(world: Episode, state: State, now: Array) -> tuple[Array, Array]:
    """[G] drivers and [D] machines that operations which are done at second `now` have started anew."""
    finishing = orders.finishing(state.orders, now)[:, None]
    category, target = state.orders.category, state.orders.target
    seat = jnp.asarray(world.exposed.seat)
    node = _machine(world, target)[:, None]
    itself = jnp.asarray(world.exposed.card)[target][:, None] == jnp.arange(seat.shape[0])[None, :]
    below = node == jnp.asarray(world.node_of_seat)[seat][None, :]
    drivers = itself & jnp.asarray(TARGET_RELOADS)[category][:, None]
    drivers = drivers | (below & jnp.asarray(RESIDENTS_RELOAD)[category][:, None])
    return (drivers & finishing).any(axis=0), (_darkened(world, state) & finishing).any(axis=0)


def _machine(world: Episode, target: Array) -> Array:
    """[J] which node each target is; -1 of what is none."""
    return jnp.where(jnp.asarray(world.role)[target] == NODE, jnp.asarray(world.index)[target], -1)


def _darkened(world: Episode, state: State) -> Array:
    """[J, D] the machines that each operation takes down at some time."""
    machines = jnp.arange(world.exposed.node.shape[0])
    node = _machine(world, state.orders.target)[:, None] == machines[None, :]
    return node & among(state.orders.category, DARKENS)[:, None] & state.orders.active[:, None]
