"""Who dies, who is stopped, who starts: processes and what keeps them (kubelet, systemd, Serve's controller)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import Array

from twin.fast.conditions import LAYER
from twin.fast.inference.episodes import GATEWAY, GPU, HEAD, NODE, PROGRAM, STORE
from twin.fast.once import once
from twin.mechanics.durations import DURATIONS
from twin.mechanics.layers import Layer
from twin.mechanics.serving import NODE_CHECK_FAILURES, NODE_CHECK_PERIOD, NODE_CHECK_TIMEOUT
from twin.mechanics.supervision import (
    CRASH_LOOP_BASE,
    CRASH_LOOP_LIMIT,
    CRASH_LOOP_RESET,
    PRESSURE_TRANSITION,
    PROBE_FAILURES,
    PROBE_PERIOD,
    RELIST,
    TERMINATION_GRACE,
)
from twin.mechanics.vllm import EXECUTE_TIMEOUT

if TYPE_CHECKING:
    from twin.fast.inference.episodes import Episode
    from twin.fast.inference.hosts import Hosts
    from twin.fast.inference.levels import Levels
    from twin.fast.inference.state import State

PROCESS, CONTEXT = LAYER[Layer.PROCESS], LAYER[Layer.CONTEXT]
DECLARED_DEAD = NODE_CHECK_FAILURES * NODE_CHECK_TIMEOUT + NODE_CHECK_PERIOD / 2.0
"""Seconds without an answer after which the GCS gives a pod up."""


@dataclass(frozen=True)
class Touched:
    """What conditions that hold are on: [K, P] each."""

    itself: Array
    seat: Array
    machine: Array

    @property
    def any(self) -> Array:
        """[K, P]"""
        return self.itself | self.seat | self.machine


def touched(world: Episode, on: Array, seat: Array, node: Array) -> Touched:
    """Which programs the conditions that hold touch: itself, the GPUs of its seat, its machine."""
    place = jnp.maximum(jnp.asarray(world.conditions.place), 0)
    role, index = jnp.asarray(world.role)[place][:, None], jnp.asarray(world.index)[place][:, None]
    numbers = jnp.arange(seat.shape[0])[None, :]
    here = on[:, None]
    program, gpu, machine = role == PROGRAM, role == GPU, role == NODE
    return Touched(
        program & (index == numbers) & here,
        gpu & (index == seat[None, :]) & here,
        machine & (index == node[None, :]) & here,
    )


def lives(
    world: Episode,
    state: State,
    channel: Levels,
    hits: Array,
    hosts: Hosts,
    passes: Array,
    stopped: Array,
    seat: Array,
    now: Array,
    dt: float,
) -> tuple[State, Array]:
    """One tick of all programs. Returns [P] who went down by itself, too."""
    replicas, programs = world.exists.shape[0], state.up.shape[0]
    engine = jnp.arange(programs) < replicas
    wanted = jnp.concatenate([state.deployed, jnp.ones(programs - replicas, bool)])

    def on(name: str) -> Array:
        return channel[name] > 0.0

    def padded(of_replicas: Array) -> Array:
        return jnp.concatenate([of_replicas, jnp.zeros(programs - replicas, of_replicas.dtype)])

    head, up = channel.of(replicas + HEAD), state.up[:replicas]
    doomed, dark = on("doomed"), on("dark")
    # The kubelet stops a pod for want of disk or memory, and starts it when that has been over for long.
    evicts = on("evicted") | padded(hosts.evicted)
    pressed = jnp.where(evicts[:replicas], now + PRESSURE_TRANSITION, state.pressed)
    halted = on("halted") | (engine & (padded(pressed) > now) & (evicts | ~state.up))
    # A container that is frozen misses its probes; it does not hear SIGTERM.
    frozen = on("frozen")[:replicas] & up
    begins = frozen & ~jnp.isfinite(state.killing)
    look = jnp.asarray(world.looks)
    noticed = jnp.ceil((now - look) / PROBE_PERIOD) * PROBE_PERIOD + look + (PROBE_FAILURES - 1) * PROBE_PERIOD
    killing = jnp.where(begins, noticed + TERMINATION_GRACE, jnp.where(frozen, state.killing, jnp.inf))
    # The GCS gives up whom it does not reach; who hears of that later ends itself.
    silent = jnp.where(passes | ~state.deployed, 0.0, state.silent + dt)
    returns = state.gone & passes & up
    gone = (state.gone | (silent > DECLARED_DEAD)) & ~passes
    # What was rolled out comes with a new pod.
    rolled = channel["sequences"][:replicas] + 1e4 * channel["utilization"][:replicas]
    rolls = padded(up & (rolled != state.rolled))
    overdue = padded((state.hung > EXECUTE_TIMEOUT) & ~frozen)
    falls = padded(hosts.killed | (killing <= now) | returns) & state.up
    died = state.up & (doomed | halted | dark | overdue | falls | rolls)
    takes = jnp.take_along_axis(jnp.asarray(world.start), state.fresh[:, None], axis=1)[:, 0]
    # A start on a slow host, or from a slow disk, comes nearer by less than the time that passes.
    slow = jnp.concatenate([hosts.slowdown, jnp.ones(programs - replicas)])
    slow = slow * (1.0 + channel["loading"] / jnp.maximum(takes, 1.0))
    ready = jnp.where(~state.up, state.ready + dt * (1.0 - 1.0 / slow), state.ready)
    arrives = ~state.up & (now >= ready)
    # nginx looks its upstream up when it starts; an engine the store, where it has to fetch from it.
    seeks = (state.fresh == 2) | (jnp.arange(programs) == replicas + GATEWAY)
    refused = doomed | on("unstartable") | (on("nameless") & seeks)
    came = arrives & ~(refused | halted | dark)
    # Who cannot live finds out with its weights loaded; what is fetched before that has been fetched.
    fetched = jnp.where(state.fresh == 2, world.start[:, 2] - world.start[:, 1], 0.0)
    tried = jnp.maximum(now - (ready - takes) - fetched, 0.0)
    fails = ~state.up & jnp.isfinite(ready) & refused & ((tried >= world.fails) | arrives)
    again = (died & (doomed | overdue | falls)) | fails
    forgets = now - state.born > CRASH_LOOP_RESET
    deaths = jnp.where(again, jnp.where(forgets, 0.0, state.deaths) + 1.0, state.deaths)
    delay = jnp.where(
        deaths <= 1.0, 0.0, jnp.minimum(CRASH_LOOP_LIMIT, CRASH_LOOP_BASE * 2.0 ** jnp.clip(deaths - 2.0, 0.0, 9.0))
    )
    delay = jnp.where(engine, jnp.maximum(delay, RELIST), delay)
    ready = jnp.where(again, now + delay + takes, ready)
    ready = jnp.where(rolls & ~again, now + takes, ready)
    boots = jnp.where(dark, DURATIONS["reboot"], 0.0)
    ready = jnp.where(
        (halted | dark) & wanted & ~stopped & (state.up | jnp.isfinite(ready)), now + takes + boots, ready
    )
    # Nothing is obtained from a store that gives nothing: whoever needs it waits. So does whom nobody places.
    store = channel.of(replicas + STORE)["storeless"] > 0.0
    unmanaged = (head["unmanaged"] > 0.0) | ~state.up[replicas + HEAD]
    held = ~state.up & engine & ((state.fresh == 2) & store | unmanaged | padded(~passes))
    ready = jnp.where(held & jnp.isfinite(ready), jnp.maximum(ready, now + takes), ready)
    starting = ~state.up & ~died & jnp.isfinite(ready) & (now >= ready - takes)
    died, came, starting, deaths, ready = once((died, came, starting, deaths, ready))
    after = replace(
        state,
        healed=state.healed | _begun_anew(world, starting, hits, seat),
        up=(state.up & ~died) | came,
        ready=jnp.where(came, jnp.inf, ready),
        born=jnp.where(again, now + delay, state.born),
        deaths=deaths,
        fresh=jnp.where(came, 0, state.fresh),
        pressed=pressed,
        killing=killing,
        silent=silent,
        gone=gone & ~died[:replicas],
        rolled=rolled,
        leaked=hosts.leaked,
        stressed=hosts.stressed,
        foreign=hosts.foreign,
    )
    return after, died


def _begun_anew(world: Episode, starting: Array, hits: Array, seat: Array) -> Array:
    """[K] conditions that a new process leaves behind: on its own memory, and on its context on the GPUs."""
    place = jnp.maximum(jnp.asarray(world.conditions.place), 0)
    role, layer = jnp.asarray(world.role)[place], jnp.asarray(world.conditions.layer)
    volatile = ((role == PROGRAM) & (layer == PROCESS)) | ((role == GPU) & (layer == CONTEXT))
    return volatile & (hits & starting[None, :]).any(axis=1)


def entrance(state: State, gateway: Levels, replicas: int) -> Array:
    """[] whether the gateway can hand requests on."""
    return state.up[replicas + HEAD] & state.up[replicas + GATEWAY] & (gateway["refuses"] == 0.0)
