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
from twin.fast.openstack.flows import QUANTILES, build
from twin.fast.openstack.lookup import read, stacked
from twin.fast.openstack.services import Services
from twin.fast.openstack.state import DONE, ERROR, LOST, TOLD, WAITS, WIRED, WIRES, WORKS, State
from twin.mechanics.neutron import (
    AGENT_DOWN_TIME,
    FILTER_PORT,
    POLLING_INTERVAL,
    REFRESH_FILTER,
    REMOVE_PORT,
    SCAN,
    SEND_EVENTS_INTERVAL,
    WIRE_PORT,
)
from twin.mechanics.openstack import (
    MAX_ATTEMPTS,
    PUBLISH,
    RPC,
    SERVICE_DOWN_TIME,
    SPREAD,
    STATEMENT,
    VIF_PLUGGING_TIMEOUT,
)
from twin.openstack.tenants.capacity import USERS

CREATION, DELETION = 1, 2
COMPUTE = ROLE["nova-compute"]
PASS = ("get_devices_details_list_and_failed_devices", "security_group_info_for_devices", "update_device_list")
"""What an agent asks neutron in a pass, one after the other: what is new, its groups; and it says what is wired."""
TELLING, STATEMENTS = build()["telling"], build()["telling statements"]
"""Seconds of an agent's message that interfaces are wired or gone, and the statements in it."""
LOOKED_AT = 0.1 * WIRE_PORT + REFRESH_FILTER
"""Seconds of a pass for an interface that has become ACTIVE: the agent treats it once more, as an update."""
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
    guest, rest, on_host, messages, share, after, longer, spread = stages[4:12]
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
    usual = draws.quantile(draws.uniform(luck, state.tick, 13, size), stages[12:], QUANTILES)
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

    # Neutron tells nova at once that a port is wired, and then gathers what comes for a while.
    news = (runs.state == WIRED) & (until < end)
    others = (begins | (runs.state == WORKS)) & (until < end) & ((at_compute & wired) | (runs.kind == DELETION))
    moments = jnp.where(news | others, until, jnp.inf)
    sent, notified = _sent(moments, state.notified)
    until = jnp.where(news, sent + rest, until)
    phase = jnp.where(news, TOLD, phase)
    until, phase, news, notified = once((until, phase, news, notified))

    # Stages that end, short ones in the tick in which they begin.
    ended = until
    ends = (phase == WORKS) & (ended < end)
    broken = ends & (flaw > 0.0)
    again = broken & (flaw == 2.0) & creation & at_compute & anywhere & (runs.attempts < MAX_ATTEMPTS)
    lost = broken & ~again
    plugs = ends & ~broken & at_compute & wired
    passed = (ends & ~broken & ~plugs) | ((phase == TOLD) & (ended < end))
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

    # Ports whose guest is there wait for their host's agent, which wires all of a pass together. A pass begins an
    # interval after the one before, or when that ends; with nothing to wire it is shorter than that and delays nobody.
    until = jnp.where(plugs, ended + guest * slow, until)
    ready = until - SCAN  # the agent looks at the bridge for so long, and then knows what is there
    waiting = (phase == WIRES) & (ready < end)
    earliest = jnp.where(waiting[None, :] & here, ready[None, :], jnp.inf).min(axis=1)
    works = state.programs.up[agent] & services.broker[agent]
    luck_of_hosts = draws.uniform(luck, state.tick, 15, 2 * hosts)
    at_rest = earliest + luck_of_hosts[:hosts] * POLLING_INTERVAL
    moment = jnp.where(state.hosts.wiring > earliest, state.hosts.wiring, at_rest)
    moment = jnp.maximum(moment, now - dt)
    starts = works & (moment < end)
    taken_here = waiting[None, :] & here & (ready[None, :] <= moment[:, None]) & starts[:, None]
    count = taken_here.sum(axis=1)
    usual_pass = jnp.exp(SPREAD * draws.normal(luck_of_hosts[hosts:])) * services.slow
    each = (SCAN + count * (WIRE_PORT + FILTER_PORT) + state.hosts.stirred) * usual_pass
    finished = moment + each + 2.0 * len(PASS) * services.late
    telling = TELLING * services.slow + STATEMENTS * services.statement
    over = finished + telling + state.hosts.leaving * REMOVE_PORT * services.slow
    wiring = jnp.where(starts, over, jnp.where(jnp.isfinite(earliest) & works, moment, state.hosts.wiring))
    # What comes while the agent is at a pass is worked off in the next: before it tells what it has wired, ports that
    # are ACTIVE now and filters of those in a group that another has come to or left; afterwards, ports that have gone.
    busy_agent = ~starts & (state.hosts.wiring > now)
    removes = passed & ~more & (runs.kind == DELETION)
    at_hosts = here & (runs.active & (runs.host >= 0))[None, :]
    guests = (at_hosts & (runs.state == DONE)[None, :]).sum(axis=1)
    comes = (news[None, :] & at_hosts).sum(axis=1)
    removed = (removes[None, :] & at_hosts).sum(axis=1)
    refreshed = (plugs.sum() + removes.sum()) * guests / USERS
    fresh = comes * LOOKED_AT + refreshed * REFRESH_FILTER
    stirred = jnp.where(starts, fresh, jnp.where(busy_agent, state.hosts.stirred + fresh, 0.0))
    leaving = jnp.where(starts, removed, jnp.where(busy_agent, state.hosts.leaving + removed, 0.0))
    (through,) = once(read(stacked(finished), place))
    taken = once(taken_here.any(axis=0))
    overdue = (phase == WIRES) & ~taken & (now - until > VIF_PLUGGING_TIMEOUT)
    until = jnp.where(taken, through, until)
    phase = jnp.where(taken, WIRED, phase)
    phase = jnp.where(overdue, ERROR, phase)
    failures = failures + ((overdue & creation)[None, :] & here).sum(axis=1)

    # Who worked on it is gone; who starts anew looks at what was left.
    busy = (phase == WORKS) | (phase == WIRES) | (phase == WIRED) | (phase == TOLD)
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
    state = replace(
        state,
        runs=after,
        hosts=replace(state.hosts, failures=failures, wiring=wiring, stirred=stirred, leaving=leaving),
        notified=notified,
    )
    return state, Told(good, bad, jnp.where(built & (took > 0.0), took, 0.0), jnp.where(begins, runs.job, -1))


def _sent(moments: Array, notified: Array) -> tuple[Array, Array]:
    """[M] when news of `moments` [M] of a tick (infinite: none) is sent to nova, and when the last is. Those before are
    sent at `notified` []: what comes until then goes with them, what comes within the interval after it at its end."""
    rest = jnp.where(moments > notified, moments, jnp.inf)
    first = jnp.maximum(rest.min(), notified + SEND_EVENTS_INTERVAL)
    late = jnp.isfinite(rest) & (rest > first)
    sent = jnp.where(moments <= notified, notified, jnp.where(late, first + SEND_EVENTS_INTERVAL, first))
    return sent, jnp.where(jnp.isfinite(first), jnp.where(late.any(), first + SEND_EVENTS_INTERVAL, first), notified)


def _stages(world: Episode, services: Services, gone: Array, single: Array) -> Array:
    """[12 + Q, V] what is asked of the stage of a job: whose it is, who takes it, how it goes, the quantiles of its
    seconds."""
    work = world.work
    owner = jnp.asarray(work.owner)
    of_compute, role = owner == COMPUTE, jnp.maximum(owner, 0)
    following = jnp.concatenate([of_compute[1:], of_compute[-1:]])
    host = jnp.where(of_compute, jnp.asarray(work.host), 0.0)
    messages = 2.0 * (jnp.asarray(work.http).sum(axis=1) + jnp.asarray(work.calls).sum(axis=1))
    return stacked(
        of_compute, following, services.owner[role], gone[single[role]],
        jnp.asarray(work.guest), jnp.asarray(work.after) + jnp.asarray(work.later) * services.statement, host, messages,
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
