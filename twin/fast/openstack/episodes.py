"""One life of an OpenStack scenario as arrays: what is where, who comes when, what calls cost, and what breaks.

Everything random is drawn here, by the streams of the SimPy twin, or keyed by what it belongs to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jax
import numpy as np
from numpy.typing import NDArray

from twin.fast import conditions, objectives
from twin.fast.conditions import Conditions
from twin.fast.errors import NotCompiledError
from twin.fast.openstack import mutations
from twin.fast.openstack.channels import CHANNEL, effects
from twin.fast.openstack.components import ROLE, SINGLE, WEB, Components, components
from twin.fast.openstack.exposed import Exposed, exposed
from twin.fast.openstack.flows import QUANTILES, Visits
from twin.fast.openstack.scripts import Tables, script, table
from twin.mechanics import openstack as facts
from twin.mechanics.tenants import PROBE_INTERVAL
from twin.openstack.tenants.capacity import DEFAULT_FLAVORS
from twin.openstack.tenants.lifecycle import DEFAULT_LIFETIME
from twin.openstack.tenants.reading import MIX, READS
from twin.openstack.tenants.workload import DEFAULT_RATE

if TYPE_CHECKING:
    from twin.openstack.cluster import OpenStackCluster
    from twin.scenario.workload import Load
    from twin.world import World

SIGNALS: Final = ("success", "api", "create", "availability")
"""What objectives are about."""
CALLED: Final = ("nova-conductor", "nova-scheduler", "cinder-scheduler", "cinder-volume", "nova-compute")
"""Who is asked by messages that somebody waits for."""
LONGEST_LIFE: Final = 220.0
"""Seconds that a run takes beyond its server's lifetime on average where much goes wrong: what slots are counted by.
Runs that find none wait, and are counted in the queue."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Work:
    """What V calls and stages of jobs do. Seconds, times."""

    seconds: NDArray[np.float32]
    """[V, Q]"""
    http: NDArray[np.float32]
    """[V, W] requests to the services behind the balancer."""
    calls: NDArray[np.float32]
    """[V, 5] to `CALLED`."""
    think: NDArray[np.float32]
    """[V, S] of Python, by single service."""
    sql: NDArray[np.float32]
    """[V, 4] statements, transactions, those that write; statements that it waits for itself."""
    casts: NDArray[np.float32]
    """[V] messages that nobody waits for the answer of."""
    host: NDArray[np.float32]
    """[V] seconds on the compute host."""
    owner: NDArray[np.int32]
    """[V] role of who takes the message that begins a stage; -1 of calls."""
    guest: NDArray[np.float32]
    """[V] seconds from a plugged-in interface until the guest is there; 0 of what builds none."""
    after: NDArray[np.float32]
    """[V] seconds after the agent has begun to say that all is wired; 0 of what waits for none."""
    later: NDArray[np.float32]
    """[V] statements in these."""
    validated: NDArray[np.float32]
    """[V] tokens that keystone is asked about."""
    uploads: NDArray[np.bool_]
    """[V] whether an image is sent to the store."""
    stores: NDArray[np.bool_]
    """[V] whether room in the storage pool is taken."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Episode:
    """One episode. N components, H hosts, M slots of runs, R rows of scripts, V visits, K conditions, T ticks."""

    role: NDArray[np.int32]
    """[N]"""
    components: Components
    work: Work
    rows: NDArray[np.float32]
    """[R, F] scripts: `twin.fast.openstack.scripts.FIELDS`."""
    since: NDArray[np.int32]
    """[] the tick of the first row of what is given tick by tick."""
    arrivals: NDArray[np.float32]
    """[T] runs that arrive by themselves in each tick."""
    entrance: NDArray[np.int32]
    """[] the row at which they begin."""
    users: NDArray[np.float32]
    """[M, 3] of a closed loop's user, who has a slot of its own: when it begins (infinite of other slots), its pause,
    how many runs."""
    entry: NDArray[np.int32]
    """[M] the row at which its runs begin."""
    reads: NDArray[np.float32]
    """[T, D] requests that only look, by what they ask."""
    reading: NDArray[np.int32]
    """[D] the row of `work` of each."""
    tenants: NDArray[np.float32]
    """[H] servers that have been there from the beginning."""
    probed: NDArray[np.float32]
    """[H] the second of each minute in which those of a host are probed."""
    spare: NDArray[np.bool_]
    """[H] hosts without nova-compute at the beginning."""
    room: NDArray[np.float32]
    """[H] servers that placement puts there at most."""
    processors: NDArray[np.float32]
    """[H] servers that its virtual processors are enough for, as deployed."""
    own_image: NDArray[np.bool_]
    """[] whether runs bring images of their own."""
    faults: mutations.Mutated
    objective: NDArray[np.float32]
    """[4, 2] the share that must show each of `SIGNALS`, and within what."""
    conditions: Conditions
    exposed: Exposed


@dataclass(frozen=True, slots=True)
class Shape:
    """The padded sizes of episodes that are lived through together."""

    components: int
    hosts: int
    slots: int
    rows: int
    visits: int
    conditions: int
    ways: int
    ticks: int


def shape(worlds: Sequence[World], tick: float, padded: int) -> Shape:
    """The sizes that hold the episodes of all these worlds, whose observations are padded to `padded` components."""
    for world in worlds:
        _check(world)
    found = [_tables(world) for world in worlds]
    return Shape(
        padded,
        max(len(_cluster(world).site.hosts) for world in worlds),
        max(_users(world) + _open_slots(world) for world in worlds),
        max(len(tables.rows) for tables, _ in found),
        max(len(tables.visits) for tables, _ in found),
        max(1, *(conditions.slots(world) for world in worlds)),
        max(mutations.count(world) for world in worlds),
        max(round(world.spec.horizon / tick) for world in worlds),
    )


def episode(world: World, tick: float, shape: Shape) -> Episode:
    """The episode of a world that has not lived yet. Raises NotCompiledError."""
    cluster = _cluster(world)
    tables, entries = _tables(world)
    parts = components(world, shape.components, shape.hosts)
    names = list(cluster.site.hosts)
    users, entry = _loops(world, entries, shape.slots)
    arrivals, entrance = _arrivals(world, entries, tick, shape.ticks)
    flavor = facts.FLAVORS[_loads(world)[0].flavor or DEFAULT_FLAVORS[_loads(world)[0].kind]]
    fleet = cluster.workload.fleet
    counts = [sum(s.host == name for s in fleet.servers) if fleet is not None else 0 for name in names]
    probes = world.streams["tenants/probe"]
    nodes = [cluster.site.hosts[name] for name in names]
    memory = [node.memory / 2**20 * facts.RAM_ALLOCATION_RATIO - facts.RESERVED_MEMORY_MB for node in nodes]
    room = [
        min(m / flavor.memory_mb, node.disk_size / 2**30 * facts.DISK_ALLOCATION_RATIO / flavor.disk_gb)
        for m, node in zip(memory, nodes, strict=True)
    ]
    loads = _loads(world)
    return Episode(
        role=parts.role,
        components=parts,
        work=_work(tables.visits, shape.visits),
        rows=table(tables, shape.rows),
        since=np.int32(0),  # type: ignore[arg-type]
        arrivals=arrivals,
        entrance=np.int32(entrance),  # type: ignore[arg-type]
        users=users,
        entry=entry,
        reads=_reads(world, tick, shape.ticks),
        reading=np.array([_reading(tables, name) for name in READS], np.int32),
        tenants=_padded(counts, shape.hosts),
        probed=_padded([probes.between(0.0, PROBE_INTERVAL, name) for name in names], shape.hosts),
        spare=_padded([cluster.site.computes[n] in cluster._idle for n in names], shape.hosts).astype(bool),
        room=_padded([math.floor(value) for value in room], shape.hosts),
        processors=_padded([node.cores * facts.CPU_ALLOCATION_RATIO / flavor.vcpus for node in nodes], shape.hosts),
        own_image=np.bool_(all(load.kind != "lifecycle" for load in loads)),  # type: ignore[arg-type]
        faults=mutations.mutated(world, tables, shape.ways, shape.rows, shape.visits),
        objective=objectives.objectives(world.slo.objectives, SIGNALS),
        conditions=conditions.drawn(
            world, shape.conditions, CHANNEL, lambda c, on: effects(c, on) if (f := mutations.effects(c)) is None else f
        ),
        exposed=exposed(world, shape.conditions, shape.components, flavor),
    )


def _cluster(world: World) -> OpenStackCluster:
    return world.cluster  # type: ignore[return-value]


def _check(world: World) -> None:
    """Raise NotCompiledError for what a scenario may say and the arrays do not have."""
    settings, spec = world.spec.cluster, world.spec
    wants = {
        f"the OpenStack preset {settings.preset}": settings.preset not in (None, "small", "medium"),
        "quotas": settings.quotas is not None,  # type: ignore[union-attr]
        "benign noise": spec.noise != "none",
        "background failures": spec.background != "none",
        "more than one load whose runs arrive by themselves": sum(_opens(load) for load in _loads(world)) > 1,
    }
    missing = [what for what, wanted in wants.items() if wanted]
    if missing:
        raise NotCompiledError(", ".join(missing))


# --- who comes -----------------------------------------------------------------------------------------------------


def _loads(world: World) -> tuple[Load, ...]:
    return world.spec.workload.all_loads()


def _opens(load: Load) -> bool:
    """Whether its runs arrive by themselves."""
    return (load.arrivals is None or load.arrivals.concurrency is None) and (
        load.arrivals is not None or load.kind == "lifecycle"
    )


def _rate(load: Load) -> float:
    arrivals = load.arrivals
    return float((arrivals and (arrivals.constant or arrivals.poisson)) or DEFAULT_RATE)


def _users(world: World) -> int:
    return sum(_of_loop(load)[0] for load in _loads(world) if not _opens(load))


def _of_loop(load: Load) -> tuple[int, float, float, float]:
    """Users of a closed loop, its pause and ramp, and runs of each."""
    loop = load.arrivals.concurrency if load.arrivals is not None else None
    users, think, ramp = (loop.users, loop.think, loop.ramp) if loop is not None else (1, 0.0, 0.0)
    runs = load.repeat or (1 if load.arrivals is None else math.inf)
    return users, think, ramp, runs


def _open_slots(world: World) -> int:
    """Slots for runs that arrive by themselves, in steps of 16."""
    lives = [
        _rate(load) * ((load.lifetime or DEFAULT_LIFETIME) + LONGEST_LIFE) for load in _loads(world) if _opens(load)
    ]
    return 16 * math.ceil(1.15 * sum(lives) / 16)


def _loops(world: World, entries: Sequence[int], slots: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    users, entry = np.full((slots, 3), np.inf, np.float32), np.zeros(slots, np.int32)
    slot = 0
    for load, row in zip(_loads(world), entries, strict=True):
        if _opens(load):
            continue
        number, think, ramp, runs = _of_loop(load)
        for user in range(number):
            users[slot], entry[slot] = ((load.at or 0.0) + ramp * user / number, think, runs), row
            slot += 1
    return users, entry


def _arrivals(world: World, entries: Sequence[int], tick: float, ticks: int) -> tuple[NDArray[np.float32], int]:
    """As `twin.openstack.tenants.workload.Workload` has them arrive."""
    found, entrance, first = np.zeros(ticks, np.float32), 0, 1
    loads = _loads(world)
    series = sum(1 if _opens(load) else _of_loop(load)[0] for load in loads)
    gaps = world.streams["workload/arrivals"]
    for load, row in zip(loads, entries, strict=True):
        if not _opens(load):
            first += _of_loop(load)[0]
            continue
        entrance, time, number, come = row, float(load.at or 0.0), first, 0
        while time < ticks * tick and (load.repeat is None or come < load.repeat):
            constant = load.arrivals.constant if load.arrivals is not None else None
            time += 1.0 / constant if constant else gaps.exponential(1.0 / _rate(load), number)
            number, come = number + series, come + 1
            if time < ticks * tick:
                found[int(time / tick)] += 1.0
        first += 1
    return found, entrance


def _reads(world: World, tick: float, ticks: int) -> NDArray[np.float32]:
    """As `twin.openstack.tenants.reading.Readers` asks."""
    found = np.zeros((ticks, len(READS)), np.float32)
    workload, stream = world.spec.workload, world.streams["workload/reads"]
    if workload.requests is None:
        return found
    weights = workload.mix or MIX
    names, total = list(READS), np.cumsum(list(weights.values()))
    time, number = 0.0, 0
    while True:
        number += 1
        time += stream.exponential(1.0 / workload.requests, number, "gap")
        if time >= ticks * tick:
            return found
        what = list(weights)[int(np.searchsorted(total, stream.uniform(number, "what") * total[-1], side="right"))]
        found[int(time / tick), names.index(what)] += 1.0


def _reading(tables: Tables, name: str) -> int:
    read = READS[name]
    return tables.call("lifecycle", f"{read.service} {read.operation}")


# --- what they do --------------------------------------------------------------------------------------------------


def _tables(world: World) -> tuple[Tables, list[int]]:
    """Scripts and visits of all loads; the first row of each load."""
    tables = Tables()
    entries = [script(tables, load) for load in _loads(world)]
    for name in READS:
        _reading(tables, name)
    return tables, entries


def _work(visits: Sequence[Visits], size: int) -> Work:
    def column(of: Any, width: int | None = None, kind: Any = np.float32) -> NDArray[Any]:
        found = np.zeros((size, width) if width else size, kind)
        for i, visit in enumerate(visits):
            found[i] = of(visit)
        return found

    return Work(
        seconds=column(lambda v: v.seconds, len(QUANTILES)),
        http=column(lambda v: [v.http.get(name, 0.0) for name in WEB], len(WEB)),
        calls=column(lambda v: [v.calls.get(name, 0.0) for name in CALLED], len(CALLED)),
        think=column(lambda v: [v.think.get(name, 0.0) for name in SINGLE], len(SINGLE)),
        sql=column(lambda v: [v.statements, v.transactions, v.writes, v.awaited], 4),
        casts=column(lambda v: v.casts),
        host=column(lambda v: v.host),
        owner=column(lambda v: ROLE.get(v.owner, -1), kind=np.int32),
        guest=column(lambda v: v.guest),
        after=column(lambda v: v.after),
        later=column(lambda v: v.later),
        validated=column(lambda v: v.http.get("keystone", 0.0) - (v.name == "keystone token")),
        uploads=column(lambda v: v.name.endswith("images.create"), kind=bool),
        stores=column(lambda v: v.owner == "cinder-volume" and v.name in STORING, kind=bool),
    )


STORING: Final = ("create_volume", "create_snapshot", "extend_volume")
"""Methods of cinder-volume that take room."""


def _padded(values: Sequence[Any], size: int) -> NDArray[np.float32]:
    return np.array([*values, *[0.0] * (size - len(values))], np.float32)
