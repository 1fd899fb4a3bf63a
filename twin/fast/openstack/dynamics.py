"""One tick of a cloud: operators, programs, services, jobs, clients, objectives; in this order."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast import draws, objectives
from twin.fast.cluster import Tick
from twin.fast.once import once
from twin.fast.openstack import guests, jobs, lookup, operations, programs, runs, services
from twin.fast.openstack.components import ROLE, WEB
from twin.fast.openstack.episodes import Episode
from twin.fast.openstack.features import Counts
from twin.fast.openstack.felt import Felt, felt
from twin.fast.openstack.state import WIRED, State
from twin.mechanics.openstack import MYSQL_THREADS, STATEMENT
from twin.mechanics.rabbitmq import ELECTION, SILENT_LEADER

MEMORY = 100.0
"""Calls and stages over which the mean of their statements is taken."""


def live(world: Episode, state: State, dt: float, chance: bool = True) -> tuple[State, Tick]:
    """One tick of `dt` seconds. Without `chance`, luck is the same in every life."""
    now = state.tick * dt
    luck = draws.seed(state.luck) if chance else jnp.uint32(0)
    parts = world.components
    single = jnp.maximum(jnp.asarray(parts.single), 0)
    channel = once(felt(world, state, now + 0.5 * dt))
    asked = state.programs.up[single[ROLE["nova-api"]]] & state.programs.up[single[ROLE["keystone"]]]
    state, stopped = once(operations.progress(world, state, asked, now))
    broker = once(services.brokered(world, state, channel, now))
    conductor = state.programs.up[single[ROLE["nova-conductor"]]]
    was = state.programs.up
    state, gone = programs.live(world, state, channel, stopped, broker, conductor, now, dt)
    gone = gone | (was & ~state.programs.up)
    came = state.programs.up & ~was
    state = _groups(world, state, channel, gone, stopped, now)
    state, gone, came = once((state, gone, came))
    answers = once(services.look(world, state, channel, now))

    objective = jnp.asarray(world.objective)
    before = state.runs
    alive = jobs.alive(world, state, channel, now)
    state, built = jobs.live(world, state, answers, channel, gone, came, now, dt, luck, objective[2, 1])
    state, built = once((state, built))
    reached = runs.reachable(world, state, channel)
    state, told = runs.live(world, state, answers, channel, reached, alive, now, dt, luck, objective[1, 1])
    state, told = once((state, told))
    good, bad, looked, asked_too = runs.reads(world, state, answers, luck, objective[1, 1])
    state = guests.live(world, state, answers, channel, came, now, dt)

    tenants = jnp.asarray(world.tenants).sum()
    down = state.hosts.down.sum()
    goods = jnp.stack([told.well, told.good + good, built.good.sum().astype(jnp.float32), (tenants - down) * dt])
    bads = jnp.stack([told.badly, told.bad + bad, built.bad.sum().astype(jnp.float32), down * dt])
    judged, loss, violated = objectives.judge(state.judged, objective, goods, bads, state.tick)
    calls = told.calls + asked_too
    done = calls + lookup.counts(built.begun, calls.shape[0], [jnp.ones(built.begun.shape)])[0]
    wired = ((state.runs.state == WIRED) & (before.state != WIRED)).sum()
    each = services.BACKGROUND["statements"] * dt + services.BACKGROUND["statements of a server"] * wired
    work = (done @ jnp.asarray(world.work.sql)[:, 0] + each) * STATEMENT * answers.slowdown
    number = done.sum() + each / services.BACKGROUND["statements of a transaction"]
    share = jnp.minimum(1.0, number / MEMORY)
    batch = state.batch + (work / jnp.maximum(number, 1e-3) - state.batch) * share
    crowd = 2.0 * (state.backlog + work) / jnp.maximum(batch, 1e-3)
    backlog = jnp.maximum(state.backlog + work - jnp.minimum(MYSQL_THREADS, crowd) * dt, 0.0)
    # Those that have a thread, for as long as they have it; and those that wait for one at the end.
    at_work = (state.backlog + work - backlog) / dt
    in_line = jnp.maximum(2.0 * backlog / jnp.maximum(batch, 1e-3) - MYSQL_THREADS, 0.0)
    sessions = jnp.where(answers.database, at_work + in_line, 0.0)
    backlog = jnp.where(answers.database, backlog, 0.0)
    after = replace(state, tick=state.tick + 1, judged=judged, backlog=backlog, batch=batch)
    created = runs.bins(built.took, (built.took > 0.0).astype(jnp.float32))
    failed = (told.failed @ _own(world)) if calls.shape else told.failed
    counts = Counts(
        requests=calls @ _own(world),
        failed=failed,
        seconds=told.seconds @ _own(world),
        queries=done @ jnp.asarray(world.work.sql)[:, 0] + each,
        threads=1.0 + jnp.minimum(sessions, 1e4),
    )
    tick = Tick(
        loss=loss,
        violated=violated,
        arrived=told.arrived,
        completed=told.well,
        failed=told.badly,
        queue=after.runs.active.sum().astype(jnp.float32) + after.waiting,
        latency=jnp.stack([told.latency + looked, created]),
        counts=counts,
    )
    return after, tick


def _own(world: Episode) -> Array:
    """[V, W] whose request a call is: the service that its client asks."""
    http = jnp.asarray(world.work.http)
    calls = (jnp.asarray(world.work.owner) < 0)[:, None]
    return calls * (http > 0.5) * jax.nn.one_hot(jnp.argmax(jnp.asarray(world.work.think)[:, : len(WEB)], 1), len(WEB))


def _groups(world: Episode, state: State, channel: Felt, gone: Array, stopped: Array, now: Array) -> State:
    """Who belongs to the database and the broker after this tick's deaths and cuts."""
    parts = world.components
    members = jnp.asarray(parts.group)
    at = jnp.maximum(members, 0)
    cut = channel.of("cut")[at] > 0.0
    up = state.programs.up[at] & (channel.of("dark")[at] == 0.0) & (members >= 0)
    alone = up & cut
    together = up & ~cut
    heard = jnp.where(together.sum(axis=1, keepdims=True) > 0, together, alone)
    state = programs.settled(world, state, heard[0], gone, stopped, now)
    silent = (gone[at[1]] & (channel.of("dark")[at[1]] > 0.0)).any()
    lost = (gone[at[1]] & (members[1] >= 0)).any()
    elects = jnp.where(lost, now + ELECTION[1] + jnp.where(silent, SILENT_LEADER, 0.0), state.elects)
    return replace(state, elects=elects)
