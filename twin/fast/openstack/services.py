"""How well the services answer in a tick: for each call and stage, the share that fails, how long that takes, and how
much longer the others take than in a healthy cloud."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from twin.fast.openstack import mutations
from twin.fast.openstack.components import ROLE, SINGLE, WEB
from twin.fast.openstack.episodes import CALLED, Episode
from twin.fast.openstack.felt import Felt
from twin.fast.openstack.flows import measured, request
from twin.fast.openstack.state import State
from twin.mechanics import galera, haproxy
from twin.mechanics import openstack as facts
from twin.mechanics.keystone import HANDSHAKE
from twin.openstack.oslo.clients import LOOKUP_TIMEOUT

SURE = 1.0 - 1e-6
"""A chance that logarithms still bear."""
QUICK = request()
"""Seconds until an error comes back that nothing waits for."""
BACKGROUND = measured()["background"]
CALLED_SINGLE = np.array([ROLE[name] for name in CALLED[:-1]])
WEB_ROLES = np.array([ROLE[name] for name in WEB])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Services:
    """V calls and stages, H hosts, N components. Shares, seconds."""

    fails: Array
    """[V] share that fails."""
    after: Array
    """[V] seconds until it has."""
    longer: Array
    """[V] seconds that the others take longer, on average."""
    spread: Array
    """[V] deviation of that."""
    owner: Array
    """[roles] whether messages of a role of which there is one are taken."""
    host: Array
    """[H] whether a host's nova-compute takes messages."""
    slow: Array
    """[H] how many times longer work of a host takes."""
    late: Array
    """[H] seconds that a message to or from a host takes longer."""
    database: Array
    """[] whether it executes statements."""
    broker: Array
    """[N] whether a client there could publish."""
    queries: Array
    """[] whether nova's API answers."""
    statement: Array
    """[] seconds that a statement takes longer."""
    slowdown: Array
    """[] times longer a statement takes that is alone."""
    mutated: Array
    """[U] whether the program whose mutation leads runs astray in each of U ways is at work."""


def look(world: Episode, state: State, channel: Felt, now: Array) -> Services:
    """Those of this tick."""
    parts, programs, work = world.components, state.programs, world.work
    single = jnp.asarray(parts.single)

    def of(name: str) -> Array:
        return channel.of(name)

    def at(role: str, values: Array) -> Array:
        return values[single[ROLE[role]]]

    node = jnp.asarray(parts.node)
    control = node[single[ROLE["haproxy"]]]
    dark, cut = of("dark") > 0.0, of("cut") > 0.0
    on = programs.up & ~dark
    meets = (node == control) | ~(cut | cut[control])
    broker = brokered(world, state, channel, now)
    takes = on & broker

    # --- the database ---------------------------------------------------------------------------------------------
    members = jnp.asarray(parts.group[0])
    at_member = jnp.maximum(members, 0)
    usable = (members >= 0) & programs.trusted[at_member] & ~state.drained
    chosen = at_member[jnp.argmax(usable)]
    serves = on[chosen] & (state.member & (at_member == chosen)).any() & meets[chosen] & usable.any()
    balanced = at("haproxy", on)
    crowded = of("crowded")[chosen] >= 1.0
    nameless = at("haproxy", of("nameless")) > 0.0
    database = serves & balanced & ~crowded & ~nameless
    waits = jnp.where(programs.trusted[chosen] & ~on[chosen], 4 * haproxy.RETRY_PAUSE, 0.0)
    waits = jnp.where(~meets[chosen] | dark[chosen], galera.CONNECT_TIMEOUT, waits)
    waits = jnp.where(nameless, LOOKUP_TIMEOUT, waits)
    times = 1.0 + of("slow")[chosen]
    # Statements in progress share the threads: with work of `backlog` seconds there are so many at a time.
    crowd = 2.0 * state.backlog / jnp.maximum(state.batch, 1e-3)
    times = times * jnp.maximum(1.0, crowd / facts.MYSQL_THREADS)
    statement = facts.STATEMENT * (times - 1.0)
    locked, hold = of("locked")[chosen], jnp.minimum(of("hold")[chosen], galera.LOCK_WAIT_TIMEOUT)
    deadlock = locked * locked
    retries = deadlock * (galera.DB_RETRY_INTERVAL + deadlock * 2.0 * galera.DB_RETRY_INTERVAL)
    held = locked * (1.0 - locked) / jnp.maximum(1.0 - deadlock, 1e-3)
    write = held * hold / 2.0 + retries
    spread = held * hold * hold / 3.0 + deadlock * galera.DB_RETRY_INTERVAL**2 - write * write
    unsettled = jnp.maximum(state.settles - now, 0.0)
    full = of("full")[chosen] > 0.0

    # --- requests to services -------------------------------------------------------------------------------------
    webs = single[WEB_ROLES]
    up = on[webs] & meets[webs]
    away = ~up | ~balanced
    dropped = of("dropped")[webs]
    nobody = dropped**4
    fails = jnp.where(away | ~programs.trusted[webs], 1.0, nobody)
    lasts = jnp.where(programs.trusted[webs], (haproxy.RETRIES + 1) * haproxy.RETRY_PAUSE, 0.0)
    lasts = jnp.where(~meets[webs] | dark[webs], (haproxy.RETRIES + 1) * haproxy.CONNECT_TIMEOUT, lasts)
    lasts = jnp.where(~balanced, 0.0, lasts)  # refused at once
    held_up = ((of("held") > 0.0) & (state.workers == 0.0))[webs]  # a worker that came later is free
    fails, lasts = jnp.where(held_up, 1.0, fails), jnp.where(held_up & ~away, haproxy.SERVER_TIMEOUT, lasts)
    distrusted = at("haproxy", of("distrusted")) > 0.0
    fails, lasts = jnp.where(distrusted, 1.0, fails), jnp.where(distrusted, HANDSHAKE, lasts)
    fails, lasts = jnp.where(nameless, 1.0, fails), jnp.where(nameless & ~away, LOOKUP_TIMEOUT, lasts)
    tries = (dropped + dropped**2 + dropped**3) * haproxy.RETRY_PAUSE
    other = at("keystone", of("mismatched"))
    mixed = 2.0 * other * (1.0 - other)
    # A service's own token is refused twice (503), or its client's (401), which asks for a new one and tries once more.
    well, refused = (1.0 - mixed * mixed) * (1.0 - mixed), (1.0 - mixed * mixed) * mixed
    refusals = 1.0 - well * (1.0 + refused)

    # --- messages that somebody waits for -------------------------------------------------------------------------
    owner = takes[jnp.maximum(single, 0)] & (single >= 0)
    computes = jnp.maximum(jnp.asarray(parts.hosted[0]), 0)
    there = (jnp.asarray(parts.hosted[0]) >= 0) & programs.present[computes]
    host = there & takes[computes]
    answering = jnp.concatenate([owner[CALLED_SINGLE], (host.sum() >= 0.5 * there.sum())[None]])
    # nova-compute's objects and the scheduler's answers come by way of the broker and the database.

    # --- calls ----------------------------------------------------------------------------------------------------
    http, calls, sql = jnp.asarray(work.http), jnp.asarray(work.calls), jnp.asarray(work.sql)
    stage = jnp.asarray(work.owner) >= 0
    webbed = -jnp.log(1.0 - jnp.minimum(fails, SURE))
    hazard_web, lasting_web = (http @ jnp.stack([webbed, webbed * lasts], axis=1)).T
    hazard_call = calls @ jnp.where(answering, 0.0, -jnp.log(1.0 - SURE))
    hazard_sql = sql[:, 1] * jnp.where(database, 0.0, -jnp.log(1.0 - SURE))
    hazard_full = sql[:, 2] * jnp.where(full, -jnp.log(1.0 - SURE), 0.0)
    silent = ~at("nova-api", broker)
    hazard_cast = jnp.where(silent & ~stage, jnp.asarray(work.casts) * -jnp.log(1.0 - SURE), 0.0)
    closed = at("glance-api", of("closed")) > 0.0
    pool = at("volume-backend", of("full")) + at("volume-backend", of("closed")) + ~at("volume-backend", on)
    hazard_data = (jnp.asarray(work.uploads) & closed) | (jnp.asarray(work.stores) & (pool > 0.0))
    hazard_data = hazard_data * -jnp.log(1.0 - SURE)
    hazard_keys = -jnp.asarray(work.validated) * jnp.log(1.0 - refusals)
    hazards = [hazard_web, hazard_call, hazard_sql, hazard_full, hazard_cast, hazard_data, hazard_keys]
    seconds: list[Array | float] = [
        lasting_web / jnp.maximum(hazard_web, 1e-9), facts.RPC_RESPONSE_TIMEOUT, waits,
        haproxy.SERVER_TIMEOUT, haproxy.SERVER_TIMEOUT, QUICK, QUICK,
    ]  # fmt: skip
    total = jnp.stack(hazards).sum(axis=0)
    lasting = jnp.stack([hazard * taken for hazard, taken in zip(hazards, seconds, strict=True)]).sum(axis=0)
    slow = channel.of("slow")[jnp.maximum(single[: len(SINGLE)], 0)]
    longer = jnp.asarray(work.think) @ slow + sql[:, 3] * statement
    longer = longer + sql[:, 2] * write + (sql[:, 2] > 0.0) * unsettled + http @ tries
    late = of("late")
    hop = jnp.maximum(late[control], late[webs].max())
    longer = longer + 2.0 * hop * http.sum(axis=1)
    machine = jnp.maximum(jnp.asarray(parts.machine), 0)
    return Services(
        fails=1.0 - jnp.exp(-total),
        after=lasting / jnp.maximum(total, 1e-9),
        longer=longer,
        spread=jnp.sqrt(jnp.maximum(sql[:, 2] * spread, 0.0)),
        owner=owner,
        host=host,
        slow=1.0 + of("slow")[machine],
        late=late[machine],
        database=database,
        broker=broker,
        queries=at("keystone", on) & at("nova-api", on) & (on[at_member] & state.member & (members >= 0)).any(),
        statement=statement,
        slowdown=1.0 + of("slow")[chosen],
        mutated=mutations.active(world.faults, world.conditions, state.healed, on, now),
    )


def brokered(world: Episode, state: State, channel: Felt, now: Array) -> Array:
    """[N] whether a client there reaches a node of the broker that has its majority, and may publish."""
    parts = world.components
    members = jnp.asarray(parts.group[1])
    at_member = jnp.maximum(members, 0)
    cut = channel.of("cut") > 0.0
    on = state.programs.up & (channel.of("dark") == 0.0)
    serves = (members >= 0) & on[at_member]
    apart = serves & (cut[at_member] | (channel.of("apart")[at_member] > 0.0))
    together = serves & ~apart
    majority = 2 * together.sum() > (members >= 0).sum()
    serving = together & majority
    serving = jnp.where((members >= 0).sum() == 1, serves, serving)
    node = jnp.asarray(parts.node)
    same = node[at_member][:, None] == node[None, :]
    reach = ((same | ~(cut[at_member][:, None] | cut[None, :])) & serving[:, None]).any(axis=0)
    full = channel.of("full")[at_member] > 0.0
    blocking = (serves & ((channel.of("blocking")[at_member] > 0.0) | full)).any()
    return reach & ~blocking & (now >= state.elects)
