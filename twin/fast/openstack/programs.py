"""Who dies, who starts, who runs; and whom the load balancer takes for up."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jax import Array

from twin.fast import draws
from twin.fast.conditions import LAYER
from twin.fast.openstack.components import AMQP, ROLE, ROLES
from twin.fast.openstack.episodes import Episode
from twin.fast.openstack.felt import Felt
from twin.fast.openstack.state import Programs, State
from twin.mechanics import galera
from twin.mechanics import openstack as facts
from twin.mechanics.durations import DURATIONS
from twin.mechanics.haproxy import FALL, INTER, RISE
from twin.mechanics.layers import Layer

NEEDS_BROKER = np.array([name in AMQP for name in (*ROLES, "")])
PROCESS = LAYER[Layer.PROCESS]


def live(
    world: Episode, state: State, channel: Felt, stopped: Array, broker: Array, conductor: Array, now: Array, dt: float
) -> tuple[State, Array]:
    """A tick of the programs. `stopped` [N] by operators, `broker` [N] whether a client there reaches the broker,
    `conductor` [] whether nova-conductor answers. Returns [N] who is gone that was there, too."""
    parts, was = world.components, state.programs
    role = jnp.asarray(world.role)
    process = jnp.asarray(parts.process)

    def has(name: str) -> Array:
        return channel.of(name) > 0.0

    refused, dark = has("refused") & jnp.asarray(NEEDS_BROKER)[role], has("dark")
    halted = has("halted") | refused
    doomed = has("doomed") & process
    gone = was.up & (doomed | halted | dark | stopped)
    started = jnp.asarray(parts.startup) * (1.0 + jnp.where(process, channel.of("slow"), 0.0))
    arrives = was.present & ~was.up & (now >= was.ready)
    room = ~((role == ROLE["mysql"]) & has("full"))
    answered = ~((role == ROLE["nova-compute"]) & ~conductor)
    reached = ~jnp.asarray(NEEDS_BROKER)[role] | broker
    came = arrives & ~(doomed | halted | dark | stopped) & room & answered & reached
    died = (gone & doomed & ~(halted | dark | stopped)) | (arrives & (doomed | ~room) & ~(halted | dark))
    forgets = now - was.born > facts.RESTART_FORGET
    deaths = jnp.where(died, jnp.where(forgets & gone, 0.0, was.deaths) + 1.0, jnp.where(stopped, 0.0, was.deaths))
    delays = jnp.asarray(parts.delays)
    delay = jnp.minimum(delays[:, 0] * (1 << jnp.clip(deaths - 1.0, 0.0, 8.0).astype(jnp.int32)), delays[:, 1])
    boots = jnp.where(dark, DURATIONS["reboot"], 0.0)
    ready = jnp.where(died, now + delay + started, was.ready)
    ready = jnp.where((halted | dark) & was.present & ~stopped & process, now + started + boots, ready)
    ready = jnp.where(dark & ~process & ~stopped, now + boots, ready)
    starting = ~was.up & process & jnp.isfinite(ready) & (now >= ready - started) & ~died & ~dark & ~halted
    up = (was.up & ~gone) | came
    round_ = jnp.floor(now / INTER).astype(jnp.int32)
    connects = draws.uniform(draws.seed(state.luck), round_, 50, up.shape[0]) >= channel.of("dropped")
    trusted, streak = _checked(was, up & ~dark & (channel.of("cut") == 0.0) & connects, dt)
    after = Programs(
        up=up,
        ready=jnp.where(came, jnp.inf, ready),
        born=jnp.where(came | (gone & ~came), now, was.born),
        deaths=deaths,
        present=was.present,
        trusted=trusted,
        streak=streak,
    )
    place = jnp.maximum(jnp.asarray(world.conditions.place), 0)
    anew = (
        (jnp.asarray(world.conditions.layer) == PROCESS) & starting[place] & (jnp.asarray(world.conditions.place) >= 0)
    )
    begun = jnp.asarray(world.conditions.begins) <= now
    return replace(state, programs=after, healed=state.healed | (anew & begun)), gone


def _checked(was: Programs, answers: Array, dt: float) -> tuple[Array, Array]:
    """Checks every `INTER` seconds: after so many in a row the balancer changes its mind."""
    streak = jnp.where(answers == was.trusted, 0.0, was.streak + dt)
    turns = streak >= jnp.where(was.trusted, FALL * INTER, RISE * INTER)
    return was.trusted ^ turns, jnp.where(turns, 0.0, streak)


def settled(world: Episode, state: State, heard: Array, gone: Array, stopped: Array, now: Array) -> State:
    """Who is in the database's primary component. `heard` [3]: servers that run and hear the first of them."""
    group = jnp.maximum(jnp.asarray(world.components.group[0]), 0)
    exists = jnp.asarray(world.components.group[0]) >= 0
    left, politely = gone[group] & exists, stopped[group]
    suspects = state.member & ((left & ~politely) | (state.programs.up[group] & ~heard & exists))
    after = state.member & ~(left & politely)
    begins = suspects.any() & (state.settles < now) & (exists.sum() > 1)
    settles = jnp.where(begins, now + galera.SUSPECT_TIMEOUT + galera.INSTALL_VIEW, state.settles)
    done = (settles <= now) & (state.settles > 0.0)
    staying = after & heard
    quorum = 2 * staying.sum() > after.sum()
    after = jnp.where(done & quorum, staying, after)
    returns = exists & heard & (2 * (after & heard).sum() > after.sum())
    return replace(state, settles=jnp.where(done, 0.0, settles), member=after | returns)
