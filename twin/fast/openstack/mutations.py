"""Call-site mutations of programs: which runs go astray where, and what becomes of them.

A mutation changes code, which the arrays do not have. So its effect is measured when a scenario is compiled, by short
lives of the SimPy twin with it and without (`twin.fast.openstack.probing`). The effect sits on the layer of the program
that carries the mutation, and goes when that is renewed; what has gone astray stays so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from twin.fast import conditions, draws
from twin.fast.background import plans
from twin.fast.conditions import Conditions, Effects
from twin.fast.openstack.kept import found
from twin.fast.openstack.probing import NEVER as NEVER
from twin.fast.openstack.probing import Found, Way, case
from twin.fast.openstack.scripts import COLUMN
from twin.mechanics.conditions import Condition

if TYPE_CHECKING:
    from twin.fast.openstack.scripts import Tables
    from twin.openstack.cluster import OpenStackCluster
    from twin.world import World

PARAMETER = "mutation"
COMPUTE_STAGE = 1
"""Of a creation: that in which its host builds it."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Mutated:
    """U ways in which runs go astray, over all mutations, R rows of scripts, V calls. Shares of those that do, seconds.

    No way at all is the shape of a scenario without mutations, and costs nothing."""

    condition: NDArray[np.int32]
    """[U] the mutation's slot; -1 of padding."""
    host: NDArray[np.int32]
    """[U] the host whose runs it concerns; -1: everybody's."""
    row: NDArray[np.int32]
    """[U] where it shows; -1 of a job's stage."""
    stage: NDArray[np.int32]
    """[U] the stage of a creation that fails, a row of `Work`; -1 of others."""
    share: NDArray[np.float32]
    """[2, U] from which to which share of the runs that come there it leads astray."""
    flaw: NDArray[np.float32]
    """[U] of a stage: 1 it fails, 2 it does on this host, 3 it never ends."""
    after: NDArray[np.float32]
    """[U] when."""
    refused: NDArray[np.float32]
    """[U, R] answered, but not as asked for."""
    broken: NDArray[np.float32]
    """[U, R] answered with 500 or more."""
    unseen: NDArray[np.float32]
    """[U, R] not found as looked for."""
    slower: NDArray[np.float32]
    """[U, R] seconds."""
    rest: NDArray[np.float32]
    """[U] seconds in which a client removes what a stopped run has left."""
    swept: NDArray[np.float32]
    """[U] answers of 500 and more meanwhile."""
    others: NDArray[np.float32]
    """[U, V] share of other clients' calls that are answered so."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Astray:
    """M runs in this tick: which are gone astray, 1 + how, and what that does to them at their row."""

    way: Array
    refused: Array
    broken: Array
    unseen: Array
    slower: Array


def effects(condition: Condition) -> Effects | None:
    """The channels of a mutation, which are none: its effect is measured; None of other conditions."""
    return {} if condition.parameter == PARAMETER else None


def count(world: World) -> int:
    """In how many ways a world's mutations lead runs astray, which is found out here, and kept."""
    return len(_ways(world))


def _ways(world: World) -> list[tuple[int, int, int, Found, Way | None]]:
    """Slot of the condition, host, load, what was found, and each way; None where a mutation leads nobody astray, but
    breaks calls."""
    cluster: OpenStackCluster = world.cluster  # type: ignore[assignment]
    hosts = {name: i for i, name in enumerate(cluster.site.hosts)}
    carried = [(component, condition) for plan in plans(world) for component, condition in plan.conditions]
    ways = []
    for slot, (component, condition) in enumerate(carried):
        if condition.parameter != PARAMETER:
            continue
        host = hosts.get(component.name.partition("@")[2], -1)
        for number, load in enumerate(world.spec.workload.all_loads()):
            what = found(case(world, load, condition, component.kind))
            silent = what.broken and not what.ways
            ways += [(slot, host, number, what, way) for way in (what.ways or ((None,) if silent else ()))]
    return ways


def mutated(world: World, tables: Tables, size: int, rows: int, visits: int) -> Mutated:
    """Those of a world, padded."""

    def none() -> NDArray[np.int32]:
        return np.full(size, -1, np.int32)

    def zero(*more: int) -> NDArray[np.float32]:
        return np.zeros((size, *more), np.float32)

    made = Mutated(
        condition=none(), host=none(), row=none(), stage=none(), share=np.stack([zero(), zero()]), flaw=zero(),
        after=zero(), refused=zero(rows), broken=zero(rows), unseen=zero(rows), slower=zero(rows), rest=zero(),
        swept=zero(), others=zero(visits),
    )  # fmt: skip
    for u, (slot, host, load, what, way) in enumerate(_ways(world)):
        made.condition[u], made.host[u] = slot, host
        for v, visit in enumerate(tables.visits):
            made.others[u, v] = what.broken.get(visit.name, 0.0) if not visit.owner else 0.0
        if way is not None:
            _write(made, u, way, tables, load)
    return made


def _write(made: Mutated, u: int, way: Way, tables: Tables, load: int) -> None:
    spans = tables.spans[load]

    def row(step: int, call: int) -> int:
        first, last = spans[step]
        return min(first + call, last)

    if way.flaw:
        begun = tables.rows[spans[way.step][1]]
        # A host's own program comes into it no sooner than the host does.
        made.stage[u] = int(begun[COLUMN["job"]]) + (COMPUTE_STAGE if made.host[u] >= 0 else way.stage)
    else:
        first, last = spans[way.step]
        looks = way.step in way.unseen
        at = [call for step, call in (*way.refused, *way.broken) if step == way.step]
        made.row[u] = row(way.step, at[0]) if at else last if looks else first
    same = (made.condition == made.condition[u]) & (made.row == made.row[u]) & (made.stage == made.stage[u])
    begins = made.share[1, :u].max(where=same[:u], initial=0.0)  # one of several ways that begin alike
    made.share[:, u] = begins, min(1.0, begins + way.share)
    made.flaw[u], made.after[u] = way.flaw, way.after
    made.rest[u], made.swept[u] = way.rest, way.swept
    for (step, call), share in way.refused.items():
        made.refused[u, row(step, call)] = share
    for (step, call), share in way.broken.items():
        made.broken[u, row(step, call)] = share
    for step, share in way.unseen.items():
        made.unseen[u, spans[step][1]] = share
    for step, longer in way.slower.items():
        made.slower[u, spans[step][0]] = longer


# --- in each tick --------------------------------------------------------------------------------------------------


def active(faults: Mutated, held: Conditions, healed: Array, running: Array, now: Array) -> Array:
    """[U] whether the program with the mutation of each way runs. `running` [N]: programs that run."""
    slot = jnp.maximum(jnp.asarray(faults.condition), 0)
    on = conditions.present(held, healed, now) & running[jnp.maximum(jnp.asarray(held.place), 0)]
    return on[slot] & (jnp.asarray(faults.condition) >= 0)


def luck(seed: Array, turns: Array, what: int) -> Array:
    """[M] in (0, 1): what is drawn once for each run; `turns` [M]: runs of its slot before it."""
    return draws.uniform(seed, turns.astype(jnp.uint32), what, turns.shape[0])


def _begun(hit: Array, faults: Mutated, on: Array, host: Array, drawn: Array) -> Array:
    """[M] 1 + the way of those that are `hit` [M, U]; 0 of others."""
    concerns = (jnp.asarray(faults.host)[None, :] < 0) | (jnp.asarray(faults.host)[None, :] == host[:, None])
    low, high = jnp.asarray(faults.share)
    goes = hit & on[None, :] & concerns & (drawn[:, None] >= low) & (drawn[:, None] < high)
    return jnp.where(goes.any(axis=1), jnp.argmax(goes, axis=1) + 1, 0)


def astray(faults: Mutated, on: Array, way: Array, row: Array, host: Array, turns: Array, seed: Array) -> Astray:
    """What happens to runs at their `row` [M]. `way` [M]: 1 + how each is gone astray before; `on` [U]."""
    drawn = luck(seed, turns, 60)
    way = jnp.where(way > 0, way, _begun(row[:, None] == jnp.asarray(faults.row)[None, :], faults, on, host, drawn))
    at = jnp.maximum(way - 1, 0)
    share = luck(seed, turns, 61)

    def of(values: NDArray[np.float32]) -> Array:
        return jnp.where(way > 0, jnp.asarray(values)[at, row], 0.0)

    return Astray(
        way, share < of(faults.refused), share < of(faults.broken), share < of(faults.unseen), of(faults.slower)
    )


def spoilt(faults: Mutated, on: Array, stage: Array, host: Array, turns: Array, seed: Array) -> Array:
    """[M] 1 + the way of those whose creation's `stage` [M], which begins, goes wrong; 0 of others."""
    return _begun(stage[:, None] == jnp.asarray(faults.stage)[None, :], faults, on, host, luck(seed, turns, 60))


def others(faults: Mutated, on: Array) -> Array:
    """[V] share of calls that are answered with 500 or more, whoever asks."""
    return (jnp.asarray(faults.others) * on[:, None]).max(axis=0)
