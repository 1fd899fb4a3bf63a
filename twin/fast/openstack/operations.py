"""Recovery actions in flight: whether they may be ordered, what they stop, what they renew, whom they move, and when.

What each renews and how long it takes is in `twin.mechanics`; orders to OpenStack's APIs take what the measured jobs
take (`twin.fast.openstack.flows`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import Array

from twin.actions import CATEGORIES
from twin.fast import orders
from twin.fast.conditions import LAYER
from twin.fast.once import once
from twin.fast.openstack.components import MEMBERS, ROLE, SCALED
from twin.fast.openstack.episodes import Episode
from twin.fast.openstack.flows import MEDIAN, measured
from twin.fast.openstack.lookup import read, stacked
from twin.fast.openstack.state import DONE, ERROR, LOST, NONE, WAITS, State
from twin.fast.orders import NUMBER, among
from twin.mechanics import openstack as facts
from twin.mechanics.durations import COMMAND, DRAIN_LIMIT, DURATIONS, LOOK_AGAIN
from twin.mechanics.layers import Layer
from twin.mechanics.neutron import FILTER_PORT, POLLING_INTERVAL, SCAN, WIRE_PORT
from twin.openstack.operations.guests import UPLOAD
from twin.openstack.operations.hosts import MOST_WORKERS

RENEWING: Final = ("restart", "recreate", "rollback-config", "reboot", "power-cycle", "replace", "heal-broker")
"""What stops programs, renews layers and starts them again."""
MOVING: Final = ("migrate", "evacuate", "live-migrate", "cold-migrate")
OF_GUESTS: Final = (*MOVING, "hard-reboot")
THROUGH_API: Final = (
    *OF_GUESTS, "cordon", "uncordon", "reset-state", "force-detach", "delete-stuck", "heal-allocations",
)  # fmt: skip
CARRIED_OUT: Final = frozenset(
    (
        *RENEWING, *THROUGH_API, "noop", "rebuild", "scale-out", "fail-over-database", "purge-queue", "free-disk",
        "renew-certificate",
    )
)  # fmt: skip
"""Categories that the fast twin carries out."""
_SECONDS = np.array([DURATIONS[category] for category in CATEGORIES], np.float32)


def _measured(load: str, phase: str) -> float:
    """Median seconds of a job of a script."""
    step = next(step for step in measured()["scripts"][load] if step["phase"] == phase and step["job"])
    return float(sum(stage["seconds"][MEDIAN] for stage in step["job"]))


REBUILD = _measured("storage", "server rebuild")
REBOOT = _measured("deployment", "server reboot")
RESIZE = _measured("operations", "server resize") + _measured("operations", "server confirmResize")
TOKEN = float(measured()["calls"]["keystone token"]["seconds"][MEDIAN])
REQUEST = float(measured()["calls"]["nova-api servers.action:reboot"]["seconds"][MEDIAN])
WIRE = WIRE_PORT + FILTER_PORT
LIVE = (
    facts.MIGRATION_SETUP
    + facts.FLAVORS[facts.DEFAULT_FLAVOR].memory_mb * 2**20 * facts.RESIDENT_SHARE / facts.MIGRATION_BANDWIDTH
    + POLLING_INTERVAL / 2.0 + SCAN + WIRE
)  # fmt: skip
"""Seconds of one live migration."""


def legal(world: Episode, state: State, now: Array) -> Array:
    """[C, N] whether an action could be ordered now; the row of waiting is empty."""
    parts, programs, hosts = world.components, state.programs, state.hosts
    role, host = jnp.asarray(world.role), jnp.asarray(parts.host)
    at = jnp.maximum(host, 0)
    compute = jnp.maximum(jnp.asarray(parts.hosted[0]), 0)
    machine = jnp.maximum(jnp.asarray(parts.machine), 0)
    serves = (programs.present[compute] & (jnp.asarray(parts.hosted[0]) >= 0))[at] & (host >= 0)
    busy = occupied(world, state)
    servers = hosts.seen[at] > 0.0
    room = (hosts.takes[None, :] & (jnp.arange(hosts.takes.shape[0])[None, :] != at[:, None])).any(axis=1)
    spares = _spares(world, state)
    enabled = ~hosts.disabled[at]
    on_host = serves & servers & ~busy[machine[at]]
    group = jnp.asarray(parts.group[0])
    usable = (group >= 0) & programs.trusted[jnp.maximum(group, 0)] & ~state.drained
    writer = group[jnp.argmax(usable)]
    numbers = jnp.arange(role.shape[0])
    process = jnp.asarray(parts.process)
    scaled = jnp.asarray(np.isin(np.arange(len(ROLE) + 1), [ROLE[name] for name in SCALED]))[role]
    rows = {
        **dict.fromkeys(("restart", "recreate", "rollback-config"), process & programs.present),
        "reboot": programs.up,
        "cordon": serves & enabled,
        "uncordon": serves & (~enabled | hosts.forced[at]),
        **dict.fromkeys(MOVING, on_host & room),
        "hard-reboot": on_host,
        "rebuild": (role == ROLE["glance-api"]) | (on_host & hosts.broken[at]),
        "replace": serves & ~servers & spares.any(),
        "scale-out": jnp.where(scaled, state.workers < MOST_WORKERS, spares.any()),
        **dict.fromkeys(("reset-state", "delete-stuck"), programs.present),
        "fail-over-database": (numbers == writer) & (usable.sum() > 1),
        "heal-broker": jnp.broadcast_to((jnp.asarray(parts.group[1]) >= 0).sum() > 1, role.shape),
    }
    everything = jnp.ones(role.shape, bool)
    able = jnp.asarray(parts.able)
    return jnp.stack([rows.get(name, everything) for name in CATEGORIES]) & able & ~busy


def occupied(world: Episode, state: State) -> Array:
    """[N] whether an action in flight is on a component, on what is placed on it, or has reserved it."""
    active, target = state.orders.active, state.orders.target
    below = jnp.asarray(world.components.below)
    here = (target[:, None] == jnp.arange(below.shape[0])[None, :]) | below[target]
    spare = _first(_spares(world, state, among_all=True))
    machine = jnp.maximum(jnp.asarray(world.components.machine), 0)[spare]
    replaces = (active & (state.orders.category == NUMBER["replace"])).any()
    reserved = replaces & ((jnp.arange(below.shape[0]) == machine) | below[machine])
    return (here & active[:, None]).any(axis=0) | reserved


def order(world: Episode, state: State, action: Array, now: Array) -> tuple[State, Array]:
    """Begin an action [3] (category, target, parameter); an illegal one changes nothing. Returns whether it was legal
    (waiting is)."""
    category, target, gentle = action[0], action[1], action[2] == 0
    slot = orders.free(state.orders)
    allowed = legal(world, state, now)[category, target] & slot.any()
    host = jnp.maximum(jnp.asarray(world.components.host)[target], 0)
    servers = state.hosts.seen[host]
    building = ((state.runs.host == host) & (state.runs.state != DONE) & (state.runs.state != NONE)).any()
    is_compute = jnp.asarray(world.role)[target] == ROLE["nova-compute"]
    drains = jnp.where(gentle & among(category, RENEWING), jnp.where(is_compute & building, DRAIN_LIMIT / 2, 1.0), 0.0)
    answered = COMMAND + TOKEN + REQUEST
    glance = jnp.asarray(world.role)[target] == ROLE["glance-api"]
    takes: dict[str, Array | float] = {
        "evacuate": answered + servers * REQUEST + REBUILD + servers * WIRE + jnp.where(gentle, LOOK_AGAIN, 0.0),
        "live-migrate": answered + jnp.where(gentle, 1.0, servers) * (REQUEST + LIVE),
        "cold-migrate": answered + jnp.where(gentle, servers * (RESIZE + REQUEST), RESIZE + servers * WIRE),
        "migrate": answered + servers * (REQUEST + LIVE),
        "hard-reboot": answered + servers * REQUEST + REBOOT,
        "rebuild": jnp.where(glance, UPLOAD, answered + REQUEST + REBUILD),
        "fail-over-database": DURATIONS["fail-over-database"] + jnp.where(gentle, DRAIN_LIMIT, 0.0),
        **dict.fromkeys(
            ("cordon", "uncordon", "reset-state", "force-detach", "delete-stuck", "heal-allocations"), answered
        ),
    }
    seconds = jnp.asarray(_SECONDS)[category]
    for name, value in takes.items():
        seconds = jnp.where(category == NUMBER[name], value, seconds)
    begun = replace(state, orders=orders.begun(state.orders, slot & allowed, action, now, drains, seconds))
    return begun, allowed | (category == 0)


def progress(world: Episode, state: State, queries: Array, now: Array) -> tuple[State, Array]:
    """What operations do at this moment; `queries` []: nova's API answers. Returns the state and [N], what is
    stopped."""
    parts = world.components
    current = state.orders
    category, target = current.category, current.target
    stopping = orders.interrupting(current, now, RENEWING)
    finishing = orders.finishing(current, now)
    numbers = jnp.arange(jnp.asarray(world.role).shape[0])
    below = jnp.asarray(parts.below)[target]
    itself = target[:, None] == numbers[None, :]
    affected = once((itself | below) & state.programs.present[None, :])
    stopped = (affected & (stopping & ~finishing)[:, None]).any(axis=0)
    starts = (affected & (stopping & finishing)[:, None]).any(axis=0)
    healed = state.healed | _renewed(world, state, finishing)
    process = jnp.asarray(parts.process)
    startup = jnp.where(process, jnp.asarray(parts.startup), 0.0)
    adds = finishing & (category == NUMBER["scale-out"]) & state.programs.up[target]
    scheduler = jnp.asarray(world.role)[target] == ROLE["nova-scheduler"]
    more = (itself & (adds & ~scheduler)[:, None]).any(axis=0)
    spare = _first(_spares(world, state))
    discovers = (adds & scheduler).any() & _spares(world, state).any()
    fresh = discovers & (numbers == jnp.asarray(parts.hosted[0])[spare])
    programs = replace(
        state.programs,
        present=state.programs.present | fresh,
        up=(state.programs.up & ~stopped) & ~(starts & process) | (starts & ~process),
        ready=jnp.where(stopped, jnp.inf, jnp.where(starts | fresh, now + startup, state.programs.ready)),
        deaths=jnp.where(stopped | starts, 0.0, state.programs.deaths),
    )
    drained = _failed_over(world, state, finishing)
    after = replace(
        _served(world, state, finishing & queries, now),
        programs=programs,
        healed=healed,
        workers=state.workers + more,
        drained=drained,
        orders=orders.cleared(current, finishing),
    )
    return _purged(world, after, category, target, finishing), stopped | (starts & process)


def _renewed(world: Episode, state: State, finishing: Array) -> Array:
    """[K] conditions on layers that what is done has renewed, or that went with the guests."""
    place = jnp.maximum(jnp.asarray(world.conditions.place), 0)
    layer = jnp.asarray(world.conditions.layer)
    target, category = state.orders.target, state.orders.category
    on_target = target[:, None] == place[None, :]
    residents = jnp.asarray(world.components.below)[target][:, place]
    reached = jnp.stack([on_target, residents, jnp.zeros_like(on_target)], axis=1)
    found = orders.renews(state.orders, reached, layer, finishing)
    host = jnp.asarray(world.components.host)
    at_libvirt = (jnp.asarray(world.role)[place] == ROLE["libvirt"])[None, :] & (
        host[target][:, None] == host[place][None, :]
    )
    guests = at_libvirt & finishing[:, None] & jnp.where(
        (layer == LAYER[Layer.OS])[None, :], among(category, OF_GUESTS)[:, None],
        (layer == LAYER[Layer.DEMAND])[None, :] & among(category, MOVING)[:, None],
    )  # fmt: skip
    uploaded = (
        on_target & (finishing & (category == NUMBER["rebuild"]))[:, None] & (layer == LAYER[Layer.DATA])[None, :]
    )
    return (found | guests.any(axis=0) | uploaded.any(axis=0)) & (jnp.asarray(world.conditions.place) >= 0)


def _served(world: Episode, state: State, done: Array, now: Array) -> State:
    """What orders to nova's API have done to hosts and servers."""
    hosts, runs = state.hosts, state.runs
    category = state.orders.category
    host = jnp.asarray(world.components.host)[state.orders.target]
    size = hosts.disabled.shape[0]
    at = (host[:, None] == jnp.arange(size)[None, :]) & done[:, None]

    def of(*names: str) -> Array:
        return (at & among(category, names)[:, None]).any(axis=0)

    opens = of("uncordon")
    immediate = (at & (~state.orders.gentle & (category == NUMBER["evacuate"]))[:, None]).any(axis=0)
    disabled = (hosts.disabled | of("cordon", "migrate")) & ~opens
    forced = (hosts.forced | immediate) & ~opens
    leaves = of("evacuate", "cold-migrate", "migrate", "live-migrate")
    alone = (at & (state.orders.gentle & (category == NUMBER["live-migrate"]))[:, None]).any(axis=0)
    leaves = leaves & ~alone
    takes = hosts.takes & ~leaves & ~disabled
    best = jnp.argmin(jnp.where(takes, hosts.seen, jnp.inf))
    leaves = leaves & takes.any()
    goes_dead = of("evacuate", "cold-migrate", "migrate")
    arriving = jnp.where(leaves[None, :], hosts.running + jnp.where(goes_dead[None, :], hosts.dead, 0.0), 0.0)
    running = jnp.where(leaves[None, :], 0.0, hosts.running)
    dead = jnp.where((leaves & goes_dead)[None, :], 0.0, hosts.dead)
    running = running + arriving.sum(axis=1)[:, None] * (jnp.arange(size) == best)[None, :]
    again = of("hard-reboot")
    running, dead = jnp.where(again[None, :], running + dead, running), jnp.where(again[None, :], 0.0, dead)
    place = jnp.maximum(runs.host, 0)
    left, told = read(once(stacked(leaves, of("reset-state"))), place) > 0.0
    moved = (runs.host >= 0) & left & (runs.state == DONE)
    reset = (runs.host >= 0) & told & ((runs.state == LOST) | (runs.state == ERROR))
    return replace(
        state,
        hosts=replace(hosts, disabled=disabled, forced=forced, running=running, dead=dead),
        runs=replace(
            runs,
            host=jnp.where(moved, best, runs.host).astype(jnp.int32),
            state=jnp.where(reset, DONE, runs.state),
            until=jnp.where(reset, now, runs.until),
        ),
    )


def _failed_over(world: Episode, state: State, finishing: Array) -> Array:
    """[3] database servers that are out of the balancer: the last that was failed over from."""
    group = jnp.asarray(world.components.group[0])
    done = finishing & (state.orders.category == NUMBER["fail-over-database"])
    out = ((group[None, :] == state.orders.target[:, None]) & done[:, None]).any(axis=0)
    assert out.shape == (MEMBERS,)
    return jnp.where(out.any(), out, state.drained)


def _purged(world: Episode, state: State, category: Array, target: Array, finishing: Array) -> State:
    """Messages that waited for whoever's queue was emptied are gone."""
    runs = state.runs
    done = finishing & (category == NUMBER["purge-queue"])
    (owner,) = read(jnp.asarray(world.work.owner)[None, :], jnp.maximum(runs.job, 0))
    role, host = jnp.asarray(world.role)[target], jnp.asarray(world.components.host)[target]
    of_role = (role[:, None] == owner[None, :]) & done[:, None]
    hit = (of_role & ((host[:, None] < 0) | (host[:, None] == runs.host[None, :]))).any(axis=0)
    return replace(state, runs=replace(runs, state=jnp.where(hit & (runs.state == WAITS), LOST, runs.state)))


def _spares(world: Episode, state: State, among_all: bool = False) -> Array:
    """[H] hosts that run but have no nova-compute."""
    parts = world.components
    there = jnp.asarray(parts.hosted[0]) >= 0
    spare = there & ~state.programs.present[jnp.maximum(jnp.asarray(parts.hosted[0]), 0)]
    return spare if among_all else spare & state.programs.up[jnp.maximum(jnp.asarray(parts.machine), 0)]


def _first(found: Array) -> Array:
    return jnp.argmax(found)
