"""What changes while a cloud lives: one lane's arrays."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast import objectives, orders
from twin.fast.objectives import Judged
from twin.fast.openstack.episodes import SIGNALS, Episode
from twin.fast.orders import Orders
from twin.mechanics.openstack import STATEMENT

NONE, WAITS, WORKS, WIRES, WIRED, DONE, ERROR, LOST, TOLD = range(9)
"""States of a job: there is none; a message waits for who takes it; it is worked on; it waits for the host's agent; the
agent is at it; it is done; it failed; who worked on it is gone; nova is told that the agent is done."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Programs:
    """N components."""

    up: Array
    """Whether it runs; of machines and pools, whether it is on."""
    ready: Array
    """When the one that starts will run; infinite where nobody starts it."""
    born: Array
    deaths: Array
    present: Array
    """Whether it is there at all: a spare host has no nova-compute."""
    trusted: Array
    """Whether the load balancer takes it for up."""
    streak: Array
    """Seconds for which checks have spoken against that."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Runs:
    """M slots of clients' runs, each with the server or volume that it is about, and the job at work on that."""

    active: Array
    row: Array
    """int32: of its script."""
    due: Array
    """When it does what its row says."""
    armed: Array
    """Whether the time before a call has been waited."""
    tries: Array
    """Of a check so far."""
    since: Array
    """When its row was first come to."""
    rounds: Array
    """How often its server's deletion has been asked for."""
    bad: Array
    """Whether something went wrong that its client saw."""
    turns: Array
    """Runs of a closed loop's user so far."""
    verdict: Array
    """When its last call is judged; infinite where it has been."""
    good: Array
    """How."""
    job: Array
    """int32: the stage at work, a row of `Work`; -1."""
    left: Array
    """int32: stages that follow."""
    state: Array
    """int32: of the job."""
    until: Array
    """When its stage is done, or since when it waits."""
    fails: Array
    """Whether its stage will turn out to have failed: 1 for good, 2 where another host may do."""
    kind: Array
    """int32: 1 a creation, 2 a deletion, 0 another job."""
    host: Array
    """int32: of its server; -1."""
    attempts: Array
    """Hosts that have tried to build it."""
    opened: Array
    """When its server was accepted; infinite where that has been judged."""
    alive: Array
    """When its server came to run; infinite where it does not."""
    way: Array
    """int32: 1 + how a mutation has led it astray (`twin.fast.openstack.mutations`); 0 where none has."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hosts:
    """H compute hosts."""

    heard: Array
    """Its service's last heartbeat, by the clock of whoever wrote it."""
    failures: Array
    """Builds that failed since the last that did not."""
    disabled: Array
    forced: Array
    """Whether it has been declared dead."""
    wiring: Array
    """Until when its agent is at a pass, or when it begins the next."""
    stirred: Array
    """Seconds of its agent's next pass for interfaces that are there: new ones look at once more, filters anew."""
    leaving: Array
    """Interfaces that have gone, for its agent's next pass."""
    running: Array
    """[H, H] tenants' servers that were first on the one and now run on the other."""
    dead: Array
    """[H, H] the same, of those whose guest does not run."""
    down: Array
    """Tenants' servers, by the host they were first on, that their last probe did not reach."""
    seen: Array
    """Servers on it as nova last said."""
    takes: Array
    """Whether nova last said that it is up, enabled and has room."""
    broken: Array
    """Whether nova last said that a server on it is in ERROR."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """K conditions, J orders, W ticks of the SLO's window. Seconds, servers, calls."""

    tick: Array
    luck: Array
    healed: Array
    orders: Orders
    judged: Judged
    programs: Programs
    runs: Runs
    hosts: Hosts
    waiting: Array
    """[] runs that have come and found no slot."""
    backlog: Array
    """[] seconds of the database's threads that statements under way still take."""
    batch: Array
    """[] the same of one call or stage, on average, of late; at first, over all that there are."""
    settles: Array
    """[] until when the members of the database agree on who is left."""
    member: Array
    """[3] who is in the database's primary component."""
    drained: Array
    """[3] database servers that an operator has taken out of the balancer."""
    notified: Array
    """[] when neutron has sent, or will send, its last news to nova."""
    elects: Array
    """[] until when the broker's queues have no leader."""
    silenced: Array
    """[] since when one of the broker's nodes hears nobody; infinite where all hear each other."""
    workers: Array
    """[N] workers that scaling out has added."""


def _batch(world: Episode) -> Array:
    """[] seconds of a call's or stage's statements in the mean over those that ask the database for anything."""
    statements = jnp.asarray(world.work.sql)[:, 0]
    return STATEMENT * statements.sum() / jnp.maximum((statements > 0.0).sum(), 1)


def first(world: Episode, luck: Array, window: int, tick: float) -> State:
    """All that is deployed runs; nobody has come yet. `window`: ticks of the SLO's."""
    parts = world.components
    running = jnp.asarray(parts.running) & (jnp.asarray(world.role) >= 0)
    size, hosts, slots = running.shape[0], world.spare.shape[0], world.users.shape[0]
    users = jnp.asarray(world.users)
    nothing, nobody, never = jnp.zeros(slots), jnp.zeros(slots, jnp.int32), jnp.full(slots, jnp.inf)
    no = jnp.zeros(slots, bool)
    none = jnp.zeros(hosts)
    tenants = jnp.asarray(world.tenants)
    return State(
        tick=jnp.int32(0),
        luck=luck,
        healed=jnp.zeros(world.conditions.place.shape[0], bool),
        orders=orders.none(),
        judged=objectives.none(len(SIGNALS), window),
        programs=Programs(
            up=running, ready=jnp.full(size, jnp.inf), born=jnp.zeros(size), deaths=jnp.zeros(size), present=running,
            trusted=jnp.ones(size, bool), streak=jnp.zeros(size),
        ),
        runs=Runs(
            active=jnp.isfinite(users[:, 0]), row=jnp.asarray(world.entry), due=users[:, 0], armed=no, tries=nothing,
            since=nothing, rounds=nothing, bad=no, turns=nothing, verdict=never, good=no, job=nobody - 1, left=nobody,
            state=nobody, until=never, fails=nothing, kind=nobody, host=nobody - 1, attempts=nothing, opened=never,
            alive=never, way=nobody,
        ),
        hosts=Hosts(
            heard=jnp.where(world.spare, -jnp.inf, 0.0), failures=none, disabled=none > 1, forced=none > 1, wiring=none,
            stirred=none, leaving=none,            running=jnp.diag(tenants), dead=jnp.zeros((hosts, hosts)), down=none,
            seen=tenants, takes=~jnp.asarray(world.spare) & (jnp.asarray(parts.machine) >= 0), broken=none > 1,
        ),
        waiting=jnp.float32(0.0),
        backlog=jnp.float32(0.0),
        batch=_batch(world),
        settles=jnp.float32(0.0),
        member=jnp.asarray(parts.group[0]) >= 0,
        drained=jnp.zeros(parts.group.shape[1], bool),
        notified=jnp.float32(-jnp.inf),
        elects=jnp.float32(0.0),
        silenced=jnp.float32(jnp.inf),
        workers=jnp.zeros(size),
    )  # fmt: skip
