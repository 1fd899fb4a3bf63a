"""What goes on behind an answer: servers are built on hosts, deleted, rebooted; volumes are made. A job is a chain of
stages, each begun by a message to who owns it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast import draws
from twin.fast.openstack.channels import CHANNEL
from twin.fast.openstack.components import ROLE
from twin.fast.openstack.episodes import Episode
from twin.fast.openstack.flows import QUANTILES
from twin.fast.openstack.services import Services
from twin.fast.openstack.state import DONE, ERROR, LOST, WAITS, WIRED, WIRES, WORKS, State
from twin.mechanics.neutron import AGENT_DOWN_TIME, FILTER_PORT, POLLING_INTERVAL, REMOVE_PORT, SCAN, WIRE_PORT
from twin.mechanics.openstack import MAX_ATTEMPTS, SERVICE_DOWN_TIME, VIF_PLUGGING_TIMEOUT

CREATION, DELETION = 1, 2
COMPUTE = ROLE["nova-compute"]
ASKED = 6
"""Messages of an agent's pass, one after the other: what is new, its groups, what is wired; and the answers."""
RESTARTED = 3.0
"""Seconds in which a service that starts takes up what the one before has left."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Told:
    """Creations of this tick: [M] those judged well, badly, and the seconds of those that came to be (0 of others)."""

    good: Array
    bad: Array
    took: Array


def alive(world: Episode, state: State, channel: Array, now: Array) -> Array:
    """[H] whether nova takes a host's service for alive: its last heartbeat, by the asking service's clock."""
    single = jnp.asarray(world.components.single)
    ahead = channel[single[ROLE["nova-api"]], CHANNEL["skewed"]]
    return ~state.hosts.forced & (jnp.abs(now + ahead - state.hosts.heard) <= SERVICE_DOWN_TIME)


def on_hosts(state: State, hosts: int) -> Array:
    """[H] servers on each host: tenants', and those of runs."""
    at = (state.runs.host[:, None] == jnp.arange(hosts)[None, :]) & state.runs.active[:, None]
    return at.sum(axis=0) + (state.hosts.running + state.hosts.dead).sum(axis=0)


def candidates(world: Episode, state: State, channel: Array, now: Array) -> Array:
    """[H] hosts that the scheduler may choose: placement has room, they are enabled and alive."""
    hosts = world.spare.shape[0]
    computes = jnp.maximum(jnp.asarray(world.components.hosted[0]), 0)
    there = (jnp.asarray(world.components.hosted[0]) >= 0) & state.programs.present[computes]
    offered = jnp.asarray(world.processors) * (1.0 - channel[computes, CHANNEL["offered"]])
    used = on_hosts(state, hosts)
    room = (used < jnp.asarray(world.room)) & (used < jnp.floor(offered + 1e-3))
    return there & room & ~state.hosts.disabled & alive(world, state, channel, now)


def live(
    world: Episode, state: State, services: Services, channel: Array, gone: Array, came: Array, now: Array, dt: float,
    luck: Array, limit: Array,
) -> tuple[State, Told]:  # fmt: skip
    """A tick of all jobs. `gone`, `came` [N]: programs that went or came up in it; `limit` []: of a creation."""
    runs, work = state.runs, world.work
    size, hosts = runs.active.shape[0], world.spare.shape[0]
    numbers = jnp.arange(hosts)
    end = now + dt
    stage = jnp.maximum(runs.job, 0)
    owner = jnp.asarray(work.owner)[stage]
    at_compute = owner == COMPUTE
    single = jnp.maximum(jnp.asarray(world.components.single), 0)
    computes = jnp.maximum(jnp.asarray(world.components.hosted[0]), 0)
    place = jnp.maximum(runs.host, 0)

    # A host for who has none: those that have failed least, then those with most room.
    usable = candidates(world, state, channel, now)
    u = draws.uniform(luck, state.tick, 11, size)
    crowd = on_hosts(state, hosts)
    tie = jnp.abs((u[:, None] * 97.0 + numbers[None, :] * 0.37) % 1.0)
    cost = state.hosts.failures[None, :] * 1e4 + crowd[None, :] + 0.5 * tie
    cost = jnp.where(usable[None, :] & (numbers[None, :] != runs.host[:, None]), cost, jnp.inf)
    best = jnp.argmin(cost, axis=1).astype(jnp.int32)
    anywhere = jnp.isfinite(cost.min(axis=1))

    # Messages that are taken up.
    heard = jnp.where(at_compute, services.host[place], services.owner[jnp.maximum(owner, 0)])
    waits = (runs.state == WAITS) & (runs.until < end)
    begins = waits & heard
    homeless = at_compute & (runs.host < 0)
    chance = draws.uniform(luck, state.tick, 12, size)
    agent = jnp.maximum(jnp.asarray(world.components.hosted[2]), 0)
    libvirt = jnp.maximum(jnp.asarray(world.components.hosted[1]), 0)
    machine = jnp.maximum(jnp.asarray(world.components.machine), 0)
    full = channel[machine, CHANNEL["full"]] > 0.0
    hung = (channel[libvirt, CHANNEL["hung"]] > 0.0) | ~state.programs.up[libvirt]
    creation = runs.kind == CREATION
    wired = jnp.asarray(work.after)[stage] > 0.0
    images = channel[single[ROLE["glance-api"]]]
    spoiled = world.own_image & ((images[CHANNEL["corrupt"]] > 0.0) | (images[CHANNEL["closed"]] > 0.0))
    deaf = ~state.programs.up[agent] & (now - state.programs.born[agent] > AGENT_DOWN_TIME)
    unbound = at_compute & wired & deaf[place]  # neutron takes the host's agent for dead and binds no port there
    local = at_compute & wired & (full[place] | spoiled | unbound)
    fails = chance < services.fails[stage]
    u = draws.uniform(luck, state.tick, 13, size)
    usual = draws.quantile(u, jnp.asarray(work.seconds)[stage], QUANTILES)
    on_host = jnp.where(at_compute, jnp.asarray(work.host)[stage], 0.0)
    messages = 2.0 * (jnp.asarray(work.http)[stage].sum(axis=1) + jnp.asarray(work.calls)[stage].sum(axis=1))
    wavers = draws.normal(draws.uniform(luck, state.tick, 14, size)) * services.spread[stage]
    longer = jnp.maximum(services.longer[stage] + wavers, 0.0)
    longer = longer + at_compute * (on_host * (services.slow[place] - 1.0) + messages * services.late[place])
    takes = jnp.where(fails, services.after[stage], usual + longer)
    takes = jnp.where(local & ~fails, jnp.minimum(usual, 1.0) + longer, takes)
    never = at_compute & hung[place] & ~fails
    start = jnp.where(runs.until < now - 2.0 * dt, now, runs.until)  # it has waited for somebody
    until = jnp.where(begins, jnp.where(never, jnp.inf, start + takes), runs.until)
    flaw = jnp.where(begins, jnp.where(fails, 1.0, jnp.where(local, jnp.where(unbound, 1.0, 2.0), 0.0)), runs.fails)
    phase = jnp.where(begins, WORKS, runs.state)

    # Stages that end.
    ends = (runs.state == WORKS) & (runs.until < end) & ~begins
    broken = ends & (runs.fails > 0.0)
    again = broken & (runs.fails == 2.0) & creation & at_compute & anywhere & (runs.attempts < MAX_ATTEMPTS)
    lost = broken & ~again
    plugs = ends & ~broken & at_compute & wired
    passed = (ends & ~broken & ~plugs) | ((runs.state == WIRED) & (runs.until < end))
    more = passed & (runs.left > 0)
    following = jnp.asarray(work.owner)[jnp.minimum(stage + 1, work.owner.shape[0] - 1)] == COMPUTE
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
    here = numbers[None, :] == place[:, None]
    failed = ((broken & creation & at_compute)[:, None] & here).sum(axis=0)
    worked = ((passed & ~more & creation & at_compute)[:, None] & here).any(axis=0)
    failures = jnp.where(worked, 0.0, state.hosts.failures) + failed

    # Ports that wait for their host's agent, all of a pass together.
    waiting = (phase == WIRES) & (until < end)
    count = (waiting[:, None] & here).sum(axis=0)
    idle = (count > 0) & (state.hosts.wiring < end) & state.programs.up[agent] & services.broker[agent]
    phased = draws.uniform(luck, state.tick, 15, hosts)
    earliest = jnp.where(waiting[:, None] & here, until[:, None], jnp.inf).min(axis=0)
    begun = jnp.where(state.hosts.wiring > earliest, state.hosts.wiring, earliest + phased * POLLING_INTERVAL)
    begun = jnp.maximum(begun, now - dt)
    each = (WIRE_PORT + FILTER_PORT) * services.slow + services.wiring
    finished = begun + SCAN * services.slow + count * each + ASKED * services.late
    # Ports that go take the agent a pass, too.
    removed = ((passed & ~more & (runs.kind == DELETION))[:, None] & here).sum(axis=0)
    removal = (SCAN + REMOVE_PORT) * services.slow + services.wiring
    wiring = jnp.where(idle, finished, state.hosts.wiring)
    wiring = jnp.where(removed > 0, jnp.maximum(wiring, now) + removed * removal, wiring)
    taken = waiting & idle[place]
    rest = jnp.asarray(work.after)[stage] + longer
    overdue = (phase == WIRES) & ~taken & (now - until > VIF_PLUGGING_TIMEOUT)
    until = jnp.where(taken, finished[place] + rest, until)
    phase = jnp.where(taken, WIRED, phase)
    phase = jnp.where(overdue, ERROR, phase)
    failures = failures + ((overdue & creation)[:, None] & here).sum(axis=0)

    # Who worked on it is gone; who starts anew looks at what was left.
    busy = (phase == WORKS) | (phase == WIRES) | (phase == WIRED)
    orphaned = busy & jnp.where(at_compute, gone[computes][place], gone[single[jnp.maximum(owner, 0)]])
    phase = jnp.where(orphaned, LOST, phase)
    found = (phase == LOST) & at_compute & came[computes][place]
    phase = jnp.where(found, jnp.where(runs.kind == DELETION, WAITS, ERROR), phase)
    until = jnp.where((phase == WAITS) & found, now + RESTARTED, until)
    until = jnp.where((again | more) & (phase == WAITS), jnp.maximum(runs.until, now - dt), until)

    # How creations are judged.
    open_ = jnp.isfinite(runs.opened)
    built = (phase == DONE) & (runs.state != DONE) & creation & open_
    gone_bad = (((phase == ERROR) & (runs.state != ERROR)) | (runs.kind == DELETION)) & open_ & (runs.kind != 0)
    took = jnp.where(built, runs.until - runs.opened, 0.0)
    late = open_ & ~built & ~gone_bad & (end - runs.opened > limit)
    good = built & (took <= limit)
    bad = (built & (took > limit)) | gone_bad | late
    life = jnp.where(built | ((phase == DONE) & (runs.state != DONE)), runs.until, runs.alive)
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
    )
    state = replace(state, runs=after, hosts=replace(state.hosts, failures=failures, wiring=wiring))
    return state, Told(good, bad, jnp.where(built & (took > 0.0), took, 0.0))
