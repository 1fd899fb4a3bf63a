"""Recovery actions in flight: whether they may be ordered, what they stop, what they renew, and when.

What each renews, how long each takes and what it costs is in `twin.mechanics`, as for the SimPy twin.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import Array

from twin.actions import CATEGORIES
from twin.fast import orders
from twin.fast.inference.episodes import GATEWAY, GPU, HEAD, NODE, PROGRAM, Episode
from twin.fast.inference.state import State
from twin.fast.once import once
from twin.fast.orders import NUMBER, among
from twin.inference.operations import FEWEST_SEQUENCES
from twin.inference.steering import LEAST_RATE
from twin.mechanics.durations import (
    BOOT_PER_GPU,
    DRAIN_LIMIT,
    DURATIONS,
    EXCLUDED_FOR,
    REPLACE_GPU,
    SHED_FOR,
    SHED_SHARE,
)

ON_PROGRAM = ("restart", "recreate", "rollback-config")
ON_REPLICA = ("limit-kv", "migrate", "scale-in", "route-around")
ON_HEAD = ("scale-out", "fail-over-head")
ON_GATEWAY = ("shed-load",)
ON_GPU = ("restore-power-limit", "reset-gpu", "replace")
ON_NODE = ("reboot", "power-cycle", "replace", "cordon", "uncordon", "drain")
INTERRUPTS = (
    "restart", "recreate", "rollback-config", "limit-kv", "reset-gpu", "reboot", "power-cycle", "replace", "migrate",
    "drain", "scale-in", "fail-over-head",
)  # fmt: skip
NEW_CONTAINER = ("recreate", "rollback-config", "limit-kv")
MOVES = ("migrate", "drain")
NEEDS_SPARE = (*MOVES, "scale-out", "replace")
CARRIED_OUT: Final = frozenset((*ON_PROGRAM, *ON_REPLICA, *ON_HEAD, *ON_GATEWAY, *ON_GPU, *ON_NODE, "noop"))
"""Categories that the fast twin carries out."""


_SECONDS = np.array([DURATIONS[category] for category in CATEGORIES], np.float32)
_BOOTS = np.isin(CATEGORIES, ("reboot", "power-cycle"))


def legal(world: Episode, state: State, now: Array) -> Array:
    """[C, N] whether an action could be ordered now; noop's row is empty."""
    return _legal(world, state, now, jnp.arange(world.role.shape[0]))


def _legal(world: Episode, state: State, now: Array, members: Array) -> Array:
    """[C, M] whether it could be on these components [M]."""
    replicas = world.exists.shape[0]
    role, index = jnp.asarray(world.role)[members], jnp.asarray(world.index)[members]
    program, gpu, node = role == PROGRAM, role == GPU, role == NODE
    replica = program & (index < replicas)
    at = jnp.where(replica, index, 0)
    wanted = ~replica | state.deployed[at]
    head, gateway = program & (index == replicas + HEAD), program & (index == replicas + GATEWAY)
    machine = jnp.where(node, index, 0)
    spare = _spares(world, state)
    nodes = jnp.asarray(world.node_of_seat)[state.seat]
    nodes_of = jnp.asarray(world.node_of_seat)
    holder = jnp.where(replica, nodes[at], jnp.where(gpu, nodes_of[jnp.where(gpu, index, 0)], machine))
    # Of spares on several machines one is always elsewhere.
    first = jnp.where(spare, nodes, -1).max()
    elsewhere = jnp.where(holder == first, (spare & (nodes != first)).any(), first >= 0)
    aboard = (state.deployed[None, :] & (nodes[None, :] == machine[:, None])).sum(axis=1)
    cordoned = state.cordoned[machine]
    excluded = state.excluded[at] > now
    others = (state.deployed & (state.excluded <= now)).sum()
    rows = {
        **dict.fromkeys(ON_PROGRAM, program & wanted),
        "limit-kv": replica & wanted & (state.sequences[at] > FEWEST_SEQUENCES),
        "migrate": replica & wanted & elsewhere,
        "scale-in": replica & wanted & (state.deployed.sum() > 1),
        "route-around": replica & wanted & ~excluded & (others > 1),
        "scale-out": head & spare.any(),
        "fail-over-head": head,
        "shed-load": gateway,
        "restore-power-limit": gpu,
        "reset-gpu": gpu,
        "reboot": node,
        "power-cycle": node,
        "replace": (node | gpu) & elsewhere,
        "cordon": node & ~cordoned,
        "uncordon": node & cordoned,
        "drain": node & (aboard == 1) & (machine != 0) & elsewhere,
    }
    free = ~_occupied(world, state, members)
    return jnp.stack([rows.get(category, jnp.zeros_like(program)) & free for category in CATEGORIES])


def occupied(world: Episode, state: State) -> Array:
    """[N] whether an action in flight is on a component, on what is placed on it, or has reserved it."""
    return _occupied(world, state, jnp.arange(world.role.shape[0]))


def free(world: Episode, state: State, target: Array) -> Array:
    """[] whether no action in flight is on one component."""
    return ~_occupied(world, state, target[None])[0]


def _occupied(world: Episode, state: State, members: Array) -> Array:
    """[M] whether these components are."""
    active = state.orders.active
    role, index = jnp.asarray(world.role)[members], jnp.asarray(world.index)[members]
    on_target = state.orders.target[:, None] == members[None, :]
    residents = _below(world, state, role, index)
    reserved = (role == PROGRAM)[None, :] & (index[None, :] == state.spare[:, None])
    return ((on_target | residents | reserved) & active[:, None]).any(axis=0)


def order(world: Episode, state: State, action: Array, now: Array) -> tuple[State, Array]:
    """Begin an action [3] (category, target, parameter); an illegal one changes nothing. Returns whether it was legal
    (waiting is)."""
    category, target, parameter = action[0], action[1], action[2]
    slot = orders.free(state.orders)
    allowed = _legal(world, state, now, target[None])[category, 0] & slot.any()
    gentle = parameter == 0
    working = state.decoding.sum() + state.queued.sum() > 0.0
    drains = jnp.where(gentle & among(category, INTERRUPTS) & working, drain_seconds(world, state), 0.0)
    seconds = jnp.asarray(_SECONDS)[category]
    machine = jnp.where(jnp.asarray(world.role)[target] == NODE, jnp.asarray(world.index)[target], 0)
    more = BOOT_PER_GPU * jnp.maximum(jnp.asarray(world.gpus_of_node)[machine] - 1.0, 0.0)
    seconds = seconds + jnp.where(jnp.asarray(_BOOTS)[category], more, 0.0)
    of_gpu = (category == NUMBER["replace"]) & (jnp.asarray(world.role)[target] == GPU)
    seconds = jnp.where(of_gpu, REPLACE_GPU, seconds)
    spare = jnp.where(among(category, NEEDS_SPARE), _spare_for(world, state, target), -1)
    here = slot & allowed
    begun = replace(
        state,
        orders=orders.begun(state.orders, here, action, now, drains, seconds),
        spare=jnp.where(here, spare, state.spare),
    )
    return begun, allowed | (category == 0)


def draining(world: Episode, state: State, now: Array) -> Array:
    """[R] replicas that finish what they have and get nothing new."""
    waits = (state.orders.active) & (now < state.orders.interrupts) & among(state.orders.category, INTERRUPTS)
    return (_affected(world, state) & waits[:, None]).any(axis=0)[: world.exists.shape[0]]


def progress(world: Episode, state: State, now: Array) -> tuple[State, Array]:
    """What operations do at this moment. Returns the state and [P], the programs that are stopped."""
    replicas = world.exists.shape[0]
    category = state.orders.category
    interrupting = orders.interrupting(state.orders, now, INTERRUPTS)
    finishing = orders.finishing(state.orders, now)
    affected = once(_affected(world, state))
    stopped = (affected & interrupting[:, None]).any(axis=0)
    healed = state.healed | _renewed(world, state, affected, finishing)
    started = (affected & (finishing & interrupting)[:, None]).any(axis=0)
    given_up = (affected & (finishing & (category == NUMBER["scale-in"]))[:, None]).any(axis=0)
    moves = finishing & among(category, MOVES) & (state.spare >= 0)
    moved = (affected & moves[:, None]).any(axis=0)
    contained = (affected & (finishing & among(category, NEW_CONTAINER))[:, None]).any(axis=0)
    fresh = jnp.where(moved, 2, jnp.where(contained, 1, state.fresh))
    wanted = finishing & (category == NUMBER["scale-out"]) & (state.spare >= 0)
    added = ((jnp.arange(replicas)[None, :] == state.spare[:, None]) & wanted[:, None]).any(axis=0)
    added_program = jnp.concatenate([added, jnp.zeros(len(fresh) - replicas, bool)])
    fresh = jnp.where(added_program, 2, fresh)
    starts = (started & ~given_up) | added_program
    takes = jnp.take_along_axis(jnp.asarray(world.start), fresh[:, None], axis=1)[:, 0]
    ready = jnp.where(stopped, jnp.inf, state.ready)
    ready = jnp.where(starts, now + takes, ready)
    halves = (affected & (finishing & (category == NUMBER["limit-kv"]))[:, None]).any(axis=0)[:replicas]
    restores = (affected & (finishing & (category == NUMBER["rollback-config"]))[:, None]).any(axis=0)[:replicas]
    sequences = jnp.where(halves, jnp.maximum(FEWEST_SEQUENCES, jnp.floor(state.sequences / 2)), state.sequences)
    around = finishing & (category == NUMBER["route-around"])
    until = now + jnp.where(state.orders.gentle, EXCLUDED_FOR["gentle"], EXCLUDED_FOR["immediate"])
    excluded = jnp.where(affected[:, :replicas] & around[:, None], until[:, None], 0.0).max(axis=0)
    sheds = finishing & (category == NUMBER["shed-load"])
    share = jnp.where(state.orders.gentle, SHED_SHARE["gentle"], SHED_SHARE["immediate"])
    limit = jnp.where(sheds, share * state.best, 0.0).max()
    machines = jnp.arange(len(state.cordoned))
    index = jnp.asarray(world.index)[state.orders.target]
    nodes = jnp.asarray(world.node_of_seat)[state.seat]
    cordons = finishing & ((category == NUMBER["cordon"]) | (category == NUMBER["drain"]))
    cordons = (machines[None, :] == index[:, None]) & cordons[:, None]
    used_up = finishing & (category == NUMBER["replace"]) & (state.spare >= 0)
    gone = (machines[None, :] == nodes[jnp.maximum(state.spare, 0)][:, None]) & used_up[:, None]
    opens = (machines[None, :] == index[:, None]) & (finishing & (category == NUMBER["uncordon"]))[:, None]
    after = replace(
        state,
        healed=healed,
        up=state.up & ~stopped,
        ready=ready,
        born=jnp.where(starts, now, state.born),
        deaths=jnp.where(stopped, 0.0, state.deaths),
        fresh=fresh,
        seat=_exchanged(state, affected[:, :replicas], moves),
        deployed=(state.deployed & ~given_up[:replicas]) | added,
        excluded=jnp.where(starts[:replicas], 0.0, jnp.maximum(state.excluded, excluded)),
        sequences=jnp.where(restores, world.most[0], sequences),
        limit=jnp.where(sheds.any(), jnp.maximum(limit, LEAST_RATE), state.limit),
        limited=jnp.where(sheds.any(), now + SHED_FOR, state.limited),
        cordoned=(state.cordoned | cordons.any(axis=0) | gone.any(axis=0)) & ~opens.any(axis=0),
        orders=orders.cleared(state.orders, finishing),
        spare=jnp.where(finishing, -1, state.spare),
        pressed=jnp.where(stopped[:replicas], 0.0, state.pressed),
        gone=state.gone & ~stopped[:replicas],
    )
    return after, stopped


# --- who is meant ------------------------------------------------------------------------------------------------


def _affected(world: Episode, state: State) -> Array:
    """[J, P] the programs that each operation is about: its target, or what runs on it."""
    replicas, programs = world.exists.shape[0], state.up.shape[0]
    role, index = jnp.asarray(world.role)[state.orders.target], jnp.asarray(world.index)[state.orders.target]
    numbers = jnp.arange(programs)
    seat, node = seats(world, state)
    itself = (role == PROGRAM)[:, None] & (numbers[None, :] == index[:, None])
    on_gpu = (role == GPU)[:, None] & (seat[None, :] == index[:, None])
    on_node = (role == NODE)[:, None] & (node[None, :] == index[:, None])
    there = jnp.concatenate([state.deployed, jnp.ones(programs - replicas, bool)])
    return (itself | on_gpu | on_node) & there[None, :] & (state.orders.active)[:, None]


def seats(world: Episode, state: State) -> tuple[Array, Array]:
    """[P] whose seat and on which node each program is; the seat of others than replicas is -1, their node the
    first."""
    others = state.up.shape[0] - world.exists.shape[0]
    seat = jnp.concatenate([state.seat, jnp.full(others, -1, jnp.int32)])
    nodes = jnp.asarray(world.node_of_seat)[state.seat]
    return seat, jnp.concatenate([nodes, jnp.zeros(others, jnp.int32)])


def _below(world: Episode, state: State, role: Array, index: Array) -> Array:
    """[J, M] which components of these roles and indices [M] are placed on the target of each order, at any depth."""
    seat, node = seats(world, state)
    program, gpu = role == PROGRAM, role == GPU
    at_seat = jnp.where(gpu, index, jnp.where(program, seat[jnp.where(program, index, 0)], -1))
    nodes_of = jnp.asarray(world.node_of_seat)
    of_program = jnp.where(program, node[jnp.where(program, index, 0)], -1)
    at_node = jnp.where(gpu, nodes_of[jnp.where(gpu, index, 0)], of_program)
    to, which = jnp.asarray(world.role)[state.orders.target], jnp.asarray(world.index)[state.orders.target]
    on_gpu = (to == GPU)[:, None] & (program & (at_seat >= 0))[None, :] & (at_seat[None, :] == which[:, None])
    on_node = (to == NODE)[:, None] & (program | gpu)[None, :] & (at_node[None, :] == which[:, None])
    return on_gpu | on_node


def _renewed(world: Episode, state: State, affected: Array, finishing: Array) -> Array:
    """[K] conditions on layers that an operation which is done has renewed."""
    place, target = jnp.maximum(jnp.asarray(world.conditions.place), 0), state.orders.target
    role, index = jnp.asarray(world.role)[place], jnp.asarray(world.index)[place]
    to, which = jnp.asarray(world.role)[target], jnp.asarray(world.index)[target]
    seat, _ = seats(world, state)
    on_target = target[:, None] == place[None, :]
    residents = _below(world, state, role, index)
    # A replica that moves is renewed itself, whatever the order was about.
    moving = among(state.orders.category, MOVES)
    program = role == PROGRAM
    subject = affected[:, jnp.where(program, index, 0)] & program[None, :]
    on_target = jnp.where(moving[:, None], subject, on_target)
    device = (
        (to == PROGRAM)[:, None]
        & (role == GPU)[None, :]
        & (seat[jnp.where(to == PROGRAM, which, 0)][:, None] == index[None, :])
    )
    reached = jnp.stack([on_target, residents, device], axis=1)
    renewed = orders.renews(state.orders, reached, jnp.asarray(world.conditions.layer), finishing)
    return renewed & (jnp.asarray(world.conditions.place) >= 0)


def _spares(world: Episode, state: State) -> Array:
    """[R] replicas that are not deployed and whose seat could take one: on a machine that is not cordoned, not
    reserved."""
    nodes = jnp.asarray(world.node_of_seat)[state.seat]
    reserved = (jnp.arange(world.exists.shape[0])[:, None] == state.spare[None, :]).any(axis=1)
    return jnp.asarray(world.exists) & ~state.deployed & ~state.cordoned[nodes] & ~reserved


def _spare_for(world: Episode, state: State, target: Array) -> Array:
    """The first spare on another node than the target's; -1 where there is none."""
    role, index = jnp.asarray(world.role)[target], jnp.asarray(world.index)[target]
    _, node = seats(world, state)
    nodes_of = jnp.asarray(world.node_of_seat)
    here = jnp.where(
        role == NODE,
        index,
        jnp.where(role == GPU, nodes_of[jnp.where(role == GPU, index, 0)], node[jnp.where(role == PROGRAM, index, 0)]),
    )
    free = _spares(world, state) & (node[: world.exists.shape[0]] != here)
    return jnp.where(free.any(), jnp.argmax(free), -1).astype(jnp.int32)


def _exchanged(state: State, affected: Array, moves: Array) -> Array:
    """[R] seats after replicas that move have changed places with spare ones."""
    numbers = jnp.arange(len(state.seat))
    spare = jnp.maximum(state.spare, 0)
    mover = jnp.argmax(affected, axis=1)
    leaves = (numbers[None, :] == mover[:, None]) & moves[:, None]
    comes = (numbers[None, :] == spare[:, None]) & moves[:, None]
    seat = jnp.where(leaves.any(axis=0), (leaves * state.seat[spare][:, None]).sum(axis=0), state.seat)
    return jnp.where(comes.any(axis=0), (comes * state.seat[mover][:, None]).sum(axis=0), seat).astype(jnp.int32)


def seconds_of(category: str) -> Array:
    """What an operation itself takes."""
    return jnp.asarray(_SECONDS)[NUMBER[category]]


def drain_seconds(world: Episode, state: State) -> Array:
    """How long what is in flight takes, at most `DRAIN_LIMIT`: an answer at the present pace."""
    running = state.decoding.sum(axis=1).max()
    step = world.step[0] + world.step[1] * running + world.step[2] * running * (state.asked[0] + state.asked[1] / 2)
    return jnp.minimum(DRAIN_LIMIT, step * state.asked[1])
