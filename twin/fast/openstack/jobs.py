"""What goes on behind an answer: servers are built on hosts, deleted, rebooted; volumes are made. A job is a chain of
stages, each begun by a message to who owns it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast import draws
from twin.fast.once import once
from twin.fast.openstack import mutations
from twin.fast.openstack.components import ROLE
from twin.fast.openstack.episodes import Episode
from twin.fast.openstack.felt import Felt
from twin.fast.openstack.flows import QUANTILES
from twin.fast.openstack.lookup import read, stacked
from twin.fast.openstack.services import Services
from twin.fast.openstack.state import DONE, ERROR, LOST, WAITS, WIRED, WIRES, WORKS, State
from twin.mechanics.neutron import AGENT_DOWN_TIME, FILTER_PORT, POLLING_INTERVAL, REMOVE_PORT, SCAN, WIRE_PORT
from twin.mechanics.openstack import (
    MAX_ATTEMPTS,
    PUBLISH,
    RPC,
    SERVICE_DOWN_TIME,
    STATEMENT,
    VIF_PLUGGING_TIMEOUT,
)

CREATION, DELETION = 1, 2
COMPUTE = ROLE["nova-compute"]
PASS = ("get_devices_details_list_and_failed_devices", "security_group_info_for_devices", "update_device_list")
"""What an agent asks neutron in a pass, one after the other: what is new, its groups; and it says what is wired."""
OBJECTS = RPC["object_action"]
RESTARTED = 2.0 * (2.0 * PUBLISH + OBJECTS.python + OBJECTS.statements * STATEMENT)
"""Seconds until a nova-compute that starts takes up what the one before has left: first it asks nova-conductor for the
servers of its host and for those that were evacuated."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Told:
    """Of this tick: [M] creations judged well, badly, and the seconds of those that came to be (0 of others)."""

    good: Array
    bad: Array
    took: Array
    begun: Array
    """[M] the stage that has begun; -1."""


def alive(world: Episode, state: State, channel: Felt, now: Array) -> Array:
    """[H] whether nova takes a host's service for alive: its last heartbeat, by the asking service's clock."""
    single = jnp.asarray(world.components.single)
    ahead = channel.of("skewed")[single[ROLE["nova-api"]]]
    return ~state.hosts.forced & (jnp.abs(now + ahead - state.hosts.heard) <= SERVICE_DOWN_TIME)


def on_hosts(state: State, hosts: int) -> Array:
    """[H] servers on each host: tenants', and those of runs."""
    at = (jnp.arange(hosts)[:, None] == state.runs.host[None, :]) & state.runs.active[None, :]
    return at.sum(axis=1) + (state.hosts.running + state.hosts.dead).sum(axis=0)


def candidates(world: Episode, state: State, channel: Felt, now: Array) -> Array:
    """[H] hosts that the scheduler may choose: placement has room, they are enabled and alive."""
    hosts = world.spare.shape[0]
    computes = jnp.maximum(jnp.asarray(world.components.hosted[0]), 0)
    there = (jnp.asarray(world.components.hosted[0]) >= 0) & state.programs.present[computes]
    offered = jnp.asarray(world.processors) * (1.0 - channel.of("offered")[computes])
    used = on_hosts(state, hosts)
    room = (used < jnp.asarray(world.room)) & (used < jnp.floor(offered + 1e-3))
    return there & room & ~state.hosts.disabled & alive(world, state, channel, now)


def live(
    world: Episode, state: State, services: Services, channel: Felt, gone: Array, came: Array, now: Array, dt: float,
    luck: Array, limit: Array,
) -> tuple[State, Told]:  # fmt: skip
    """A tick of all jobs. `gone`, `came` [N]: programs that went or came up in it; `limit` []: of a creation."""
    runs = state.runs
    size, hosts = runs.active.shape[0], world.spare.shape[0]
    end = now + dt
    place = jnp.maximum(runs.host, 0)
    single = jnp.maximum(jnp.asarray(world.components.single), 0)
    agent = jnp.maximum(jnp.asarray(world.components.hosted[2]), 0)
    stages = read(_stages(world, services, gone, single), jnp.maximum(runs.job, 0))
    at_host = read(_at_hosts(world, state, services, channel, agent, gone, came, now), place)
    stages, at_host = once((stages, at_host))
    at_compute, following, known, ownerless, wired = stages[:5] > 0.0
    rest, on_host, messages, share, after, longer, spread = stages[4:11]
    listens, full, hung, deaf, went, returned = at_host[:6] > 0.0
    slow, late = at_host[6:]

    # A host for who has none: those that have failed least, then those with most room.
    usable = candidates(world, state, channel, now)
    best, anywhere = once(_chosen(state, usable, draws.uniform(luck, state.tick, 11, size)))

    # Messages that are taken up.
    heard = jnp.where(at_compute, listens, known)
    waits = (runs.state == WAITS) & (runs.until < end)
    begins = waits & heard
    homeless = at_compute & (runs.host < 0)
    creation = runs.kind == CREATION
    glance = single[ROLE["glance-api"]]
    spoiled = world.own_image & ((channel.of("corrupt")[glance] > 0.0) | (channel.of("closed")[glance] > 0.0))
    unbound = at_compute & wired & deaf  # neutron takes the host's agent for dead and binds no port there
    local = at_compute & wired & (full | spoiled | unbound)
    fails = draws.uniform(luck, state.tick, 12, size) < share
    usual = draws.quantile(draws.uniform(luck, state.tick, 13, size), stages[11:], QUANTILES)
    fails, usual = once((fails, usual))
    wavers = draws.normal(draws.uniform(luck, state.tick, 14, size)) * spread
    longer = jnp.maximum(longer + wavers, 0.0)
    longer = longer + at_compute * (on_host * (slow - 1.0) + messages * late)
    longer = once(longer)
    takes = jnp.where(fails, after, usual + longer)
    takes = jnp.where(local & ~fails, jnp.minimum(usual, 1.0) + longer, takes)
    never = at_compute & hung & ~fails
    way = runs.way
    code = jnp.zeros(size)
    if world.faults.condition.shape[0]:  # scenarios without mutations pay nothing
        stage = jnp.maximum(runs.job, 0)
        spoilt = mutations.spoilt(world.faults, services.mutated, stage, runs.host, runs.turns, luck)
        spoilt = jnp.where(begins & creation & ~fails & ~local, spoilt, 0)
        at = jnp.maximum(spoilt - 1, 0)
        code = jnp.where(spoilt > 0, jnp.asarray(world.faults.flaw)[at], 0.0)
        takes = jnp.where(spoilt > 0, jnp.asarray(world.faults.after)[at] + longer, takes)
        never = never | (code == mutations.NEVER)
        way = jnp.where(spoilt > 0, spoilt, way).astype(jnp.int32)
    start = jnp.where(runs.until < now - 2.0 * dt, now, runs.until)  # it has waited for somebody
    until = jnp.where(begins, jnp.where(never, jnp.inf, start + takes), runs.until)
    flaw = jnp.where(begins, jnp.where(fails, 1.0, jnp.where(local, jnp.where(unbound, 1.0, 2.0), code)), runs.fails)
    phase = jnp.where(begins, WORKS, runs.state)
    begins, until, flaw, phase, longer = once((begins, until, flaw, phase, longer))

    # Stages that end, short ones in the tick in which they begin.
    ended = until
    ends = (phase == WORKS) & (ended < end)
    broken = ends & (flaw > 0.0)
    again = broken & (flaw == 2.0) & creation & at_compute & anywhere & (runs.attempts < MAX_ATTEMPTS)
    lost = broken & ~again
    plugs = ends & ~broken & at_compute & wired
    passed = (ends & ~broken & ~plugs) | ((runs.state == WIRED) & (runs.until < end))
    again, lost, plugs, passed = once((again, lost, plugs, passed))
    more = passed & (runs.left > 0)
    placing = more & following & (runs.host < 0)
    nowhere = placing & ~anywhere
    phase = jnp.where(plugs, WIRES, phase)
    phase = jnp.where(again | (more & ~nowhere), WAITS, phase)
    phase = jnp.where(lost | nowhere, ERROR, phase)
    phase = jnp.where(passed & ~more, DONE, phase)
    job = jnp.where(more & ~nowhere, runs.job + 1, runs.job)
    left = jnp.where(more & ~nowhere, runs.left - 1, runs.left)
    host = jnp.where((placing & anywhere) | again, best, runs.host)
    host = jnp.where((lost | nowhere) & creation, -1, host)
    homeless = homeless & (host < 0)
    attempts = jnp.where(placing & anywhere, 1.0, jnp.where(again, runs.attempts + 1.0, runs.attempts))
    here = jnp.arange(hosts)[:, None] == place[None, :]
    failed = ((broken & creation & at_compute)[None, :] & here).sum(axis=1)
    worked = ((passed & ~more & creation & at_compute)[None, :] & here).any(axis=1)
    failures = jnp.where(worked, 0.0, state.hosts.failures) + failed

    phase, more, passed, again, failures = once((phase, more, passed, again, failures))

    # Ports that wait for their host's agent, all of a pass together.
    waiting = (phase == WIRES) & (until < end)
    count = (waiting[None, :] & here).sum(axis=1)
    idle = (count > 0) & (state.hosts.wiring < end) & state.programs.up[agent] & services.broker[agent]
    phased = draws.uniform(luck, state.tick, 15, hosts)
    earliest = jnp.where(waiting[None, :] & here, until[None, :], jnp.inf).min(axis=1)
    begun = jnp.where(state.hosts.wiring > earliest, state.hosts.wiring, earliest + phased * POLLING_INTERVAL)
    begun = jnp.maximum(begun, now - dt)
    each = (WIRE_PORT + FILTER_PORT) * services.slow + services.wiring
    finished = begun + SCAN * services.slow + count * each + 2.0 * len(PASS) * services.late
    # Ports that go take the agent a pass, too.
    removed = ((passed & ~more & (runs.kind == DELETION))[None, :] & here).sum(axis=1)
    removal = (SCAN + REMOVE_PORT) * services.slow + services.wiring
    wiring = jnp.where(idle, finished, state.hosts.wiring)
    wiring = jnp.where(removed > 0, jnp.maximum(wiring, now) + removed * removal, wiring)
    passes, through = read(stacked(idle, finished), place)
    passes, through = once((passes, through))
    taken = waiting & (passes > 0.0)
    overdue = (phase == WIRES) & ~taken & (now - until > VIF_PLUGGING_TIMEOUT)
    until = jnp.where(taken, through + rest + longer, until)
    phase = jnp.where(taken, WIRED, phase)
    phase = jnp.where(overdue, ERROR, phase)
    failures = failures + ((overdue & creation)[None, :] & here).sum(axis=1)

    # Who worked on it is gone; who starts anew looks at what was left.
    busy = (phase == WORKS) | (phase == WIRES) | (phase == WIRED)
    orphaned = busy & jnp.where(at_compute, went, ownerless)
    phase = jnp.where(orphaned, LOST, phase)
    found = (phase == LOST) & at_compute & returned
    phase = jnp.where(found, jnp.where(runs.kind == DELETION, WAITS, ERROR), phase)
    phase, until, failures = once((phase, until, failures))
    until = jnp.where((phase == WAITS) & found, now + RESTARTED, until)
    until = jnp.where((again | more) & (phase == WAITS), jnp.maximum(ended, now - dt), until)

    # How creations are judged.
    phase, until = once((phase, until))
    open_ = jnp.isfinite(runs.opened)
    built = (phase == DONE) & (runs.state != DONE) & creation & open_
    gone_bad = (((phase == ERROR) & (runs.state != ERROR)) | (runs.kind == DELETION)) & open_ & (runs.kind != 0)
    took = jnp.where(built, ended - runs.opened, 0.0)
    late = open_ & ~built & ~gone_bad & (end - runs.opened > limit)
    good = built & (took <= limit)
    bad = (built & (took > limit)) | gone_bad | late
    life = jnp.where(built | ((phase == DONE) & (runs.state != DONE)), ended, runs.alive)
    after = replace(
        runs,
        job=job,
        left=left,
        state=phase.astype(jnp.int32),
        until=until,
        fails=flaw,
        host=host,
        attempts=attempts,
        opened=jnp.where(good | bad, jnp.inf, runs.opened),
        alive=life,
        way=jnp.where(again, 0, way),
    )
    state = replace(state, runs=after, hosts=replace(state.hosts, failures=failures, wiring=wiring))
    return state, Told(good, bad, jnp.where(built & (took > 0.0), took, 0.0), jnp.where(begins, runs.job, -1))


def _stages(world: Episode, services: Services, gone: Array, single: Array) -> Array:
    """[11 + Q, V] what is asked of the stage of a job: whose it is, who takes it, how it goes, the quantiles of its
    seconds."""
    work = world.work
    owner = jnp.asarray(work.owner)
    of_compute, role = owner == COMPUTE, jnp.maximum(owner, 0)
    following = jnp.concatenate([of_compute[1:], of_compute[-1:]])
    host = jnp.where(of_compute, jnp.asarray(work.host), 0.0)
    messages = 2.0 * (jnp.asarray(work.http).sum(axis=1) + jnp.asarray(work.calls).sum(axis=1))
    return stacked(
        of_compute, following, services.owner[role], gone[single[role]], jnp.asarray(work.after), host, messages,
        services.fails, services.after, services.longer, services.spread, jnp.asarray(work.seconds).T,
    )  # fmt: skip


def _at_hosts(
    world: Episode, state: State, services: Services, channel: Felt, agent: Array, gone: Array, came: Array, now: Array
) -> Array:
    """[8, H] what is asked of the host of a job: who is there, and how long its work and its messages take."""
    parts, programs = world.components, state.programs
    compute = jnp.maximum(jnp.asarray(parts.hosted[0]), 0)
    libvirt = jnp.maximum(jnp.asarray(parts.hosted[1]), 0)
    machine = jnp.maximum(jnp.asarray(parts.machine), 0)
    full = channel.of("full")[machine] > 0.0
    hung = (channel.of("hung")[libvirt] > 0.0) | ~programs.up[libvirt]
    deaf = ~programs.up[agent] & (now - programs.born[agent] > AGENT_DOWN_TIME)
    return stacked(services.host, full, hung, deaf, gone[compute], came[compute], services.slow, services.late)


def _chosen(state: State, usable: Array, luck: Array) -> tuple[Array, Array]:
    """[M] the best host for a server that leaves its own, and whether there is one: hosts that have failed least, then
    those with most room, then as `luck` [M] has it."""
    hosts = usable.shape[0]
    crowd = on_hosts(state, hosts)
    best, least = jnp.zeros(luck.shape, jnp.int32), jnp.full(luck.shape, jnp.inf)
    for host in range(hosts):
        drawn = luck * 97.0 + host * 0.37
        cost = state.hosts.failures[host] * 1e4 + crowd[host] + 0.5 * (drawn - jnp.floor(drawn))
        cost = jnp.where(usable[host] & (state.runs.host != host), cost, jnp.inf)
        best, least = jnp.where(cost < least, host, best), jnp.minimum(cost, least)
    return best, jnp.isfinite(least)
