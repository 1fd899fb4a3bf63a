"""Clients: runs arrive, make the calls of their script, look whether what they asked for is there, and end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast import draws, latency
from twin.fast.once import once
from twin.fast.openstack import mutations
from twin.fast.openstack.components import ROLE
from twin.fast.openstack.episodes import Episode
from twin.fast.openstack.felt import Felt
from twin.fast.openstack.flows import PAUSES, QUANTILES
from twin.fast.openstack.jobs import COMPUTE, CREATION, DELETION
from twin.fast.openstack.lookup import counts, read, stacked
from twin.fast.openstack.scripts import CALL, COLUMN, END, FIELDS, LOGIN, WAIT
from twin.fast.openstack.services import Services
from twin.fast.openstack.state import DONE, ERROR, NONE, TOLD, WAITS, WIRED, WIRES, WORKS, State
from twin.mechanics import haproxy, hypervisor
from twin.mechanics.tenants import CLI_SPREAD, DELETE_ATTEMPTS, DELETE_PAUSE, POLL_WAITS

BOOT = hypervisor.KERNEL_BOOT + hypervisor.DHCP_SECONDS + hypervisor.METADATA_SECONDS + hypervisor.SSHD_START
"""Seconds from a guest's start until it lets anybody in."""
LONGER = jnp.log(latency.EDGES[1] / latency.EDGES[0])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Told:
    """Of this tick."""

    arrived: Array
    """[] runs."""
    well: Array
    """[] that ended well."""
    badly: Array
    """[]"""
    good: Array
    """[] calls that were answered in time."""
    bad: Array
    """[] others, each counted when that is known."""
    latency: Array
    """[B] answers by their seconds."""
    calls: Array
    """[V] calls begun."""
    failed: Array
    """[V] of these: those that fail."""
    seconds: Array
    """[V] of these: their seconds, summed."""


def bins(seconds: Array, count: Array) -> Array:
    """[B] `count` […] answers by their `seconds` […]."""
    place = jnp.ceil(jnp.log(jnp.maximum(seconds, 1e-4) / latency.SHORTEST) / LONGER)
    place = jnp.clip(place, 0, latency.BINS - 1).astype(jnp.int32)
    return jnp.zeros(latency.BINS).at[place.ravel()].add(count.ravel())


def live(
    world: Episode, state: State, services: Services, channel: Felt, reached: Array, alive: Array, now: Array,
    dt: float, luck: Array, limit: Array,
) -> tuple[State, Told]:  # fmt: skip
    """A tick of all runs. `reached` [H] whether guests there can be logged in to, `alive` [H] whether nova takes the
    host for alive, `limit` []: of a call."""
    runs, end = state.runs, now + dt
    state, arrived = _arrivals(world, state, now)
    state = once(state)
    runs = state.runs
    size = runs.active.shape[0]
    columns = once(read(_rows(world, services), runs.row))

    def of(name: str) -> Array:
        return columns[COLUMN[name]]

    share, late, more, spread, own = columns[len(FIELDS) : len(FIELDS) + 5]

    u = [draws.uniform(luck, state.tick, 20 + i, size) for i in range(5)]
    ready = runs.active & (runs.due < end)
    kind = of("kind")
    over = ready & (kind == END)

    # A wait, or the time before a call.
    waits = ready & ((kind == WAIT) | ((kind == CALL) & (of("before") > 0.0) & ~runs.armed))
    typed = of("before") * jnp.exp(CLI_SPREAD * draws.normal(u[0]))
    rest = jnp.where(kind == WAIT, of("before") * _paused(u[0]), typed)

    # A call.
    calls = ready & (kind == CALL) & ~waits
    ready, waits, calls = once((ready, waits, calls))
    fails, usual = once((u[1] < share, draws.quantile(u[2], columns[len(FIELDS) + 5 :], QUANTILES)))
    longer = jnp.maximum(more + draws.normal(u[3]) * spread, 0.0)
    led = None
    if world.faults.condition.shape[0]:  # scenarios without mutations pay nothing
        led = mutations.astray(world.faults, services.mutated, runs.way, runs.row, runs.host, runs.turns, luck)
        longer = longer + led.slower
    seconds = once(jnp.where(fails, late, usual + longer))
    fails = fails if led is None else fails | (calls & led.broken)
    timed_out = seconds >= haproxy.SERVER_TIMEOUT
    fails, seconds = fails | timed_out, jnp.minimum(seconds, haproxy.SERVER_TIMEOUT)
    needs = calls & (of("needs") > 0.0) & (runs.state != DONE) & (runs.state != NONE)
    needs = needs if led is None else needs | (calls & led.refused & ~fails)
    answered = calls & ~fails
    passes = answered & (seconds <= limit)
    verdict = runs.due + jnp.where(fails, jnp.minimum(seconds, limit), jnp.minimum(seconds, limit + 1e-3))
    fails = fails | needs
    fails, seconds, rest, answered, verdict = once((fails, seconds, rest, answered, verdict))

    # A login.
    logins = ready & (kind == LOGIN)
    reaches, lives = read(stacked(reached, alive), jnp.maximum(runs.host, 0)) > 0.0
    open_ = (runs.state == DONE) & reaches & (runs.host >= 0) & (runs.due >= runs.alive + BOOT)
    open_ = open_ if led is None else open_ & ~led.unseen
    seconds = jnp.where(logins, jnp.where(open_, hypervisor.SSH_SECONDS, hypervisor.SSH_TIMEOUT), seconds)

    # What follows.
    after = runs.due + seconds
    seconds, open_, after = once((seconds, open_, after))
    checks = (of("check") > 0.0) & (calls | logins)
    looks = (of("again") > 0.0) & (calls | logins)
    seen = jnp.where(logins, open_, (runs.state == DONE) | (runs.state == NONE)) & ~(calls & fails)
    seen = seen if led is None else seen & ~led.unseen
    unseen = looks & ((checks & ~seen) | (calls & fails))
    wrong = calls & checks & (runs.state == ERROR) & (of("touchy") > 0.0) & ~fails
    spent = (runs.tries + 1.0 >= of("tries")) | (after - runs.since >= of("patience"))
    looks, unseen, wrong, spent = once((looks, unseen, wrong, spent))
    repeats = unseen & ~wrong & ~spent
    leaves = (unseen & ~repeats) | (calls & fails & (of("strict") > 0.0))
    deletes = (of("deletes") > 0.0) & (of("touchy") > 0.0)
    rounds = jnp.where(calls & deletes, runs.rounds + 1.0, runs.rounds)
    to_delete = leaves & ((calls & deletes) | (looks & (runs.kind == DELETION)))
    given_up = to_delete & (rounds >= DELETE_ATTEMPTS)
    otherwise = jnp.where(given_up, 0.0, of("otherwise"))
    row = jnp.where(leaves, otherwise, jnp.where(repeats, of("again"), of("next")))
    moves = calls | logins | (ready & (kind == WAIT))
    row = jnp.where(moves, row, runs.row).astype(jnp.int32)
    leaves, repeats, moves, given_up, rounds = once((leaves, repeats, moves, given_up, rounds))
    tries = jnp.where(repeats, runs.tries + 1.0, jnp.where(moves & ~(looks & ~checks & ~leaves), 0.0, runs.tries))
    pause = read(jnp.asarray([POLL_WAITS]), jnp.clip(tries, 0, len(POLL_WAITS) - 1).astype(jnp.int32))[0]
    due = jnp.where(calls | logins, after + jnp.where(repeats, pause, 0.0), runs.due + rest)
    due = jnp.where(leaves & calls & deletes & ~given_up, after + DELETE_PAUSE, due)
    since = jnp.where(moves & ~repeats & ~(looks & ~checks & ~leaves), due, runs.since)
    bad = runs.bad | (leaves & (of("spoils") > 0.0)) | given_up
    bad = bad | (calls & (fails & ~needs) & (of("touchy") > 0.0)) | wrong
    bad = bad | (leaves & looks & (runs.kind == DELETION) & given_up)

    # Jobs that calls begin.
    begins = calls & ~fails & (of("job") >= 0.0)
    first = of("job").astype(jnp.int32)
    creates, removes = begins & (of("creates") > 0.0), begins & (of("deletes") > 0.0)
    by_itself = removes & (own > 0.0) & ((runs.host < 0) | ~lives)
    tries, due, bad, row = once((tries, due, bad, row))
    ignored = removes & (runs.kind == DELETION) & (runs.state != DONE) & ~by_itself & (runs.state != ERROR)
    begins = begins & ~ignored
    sort = jnp.where(creates, CREATION, jnp.where(removes, DELETION, 0))

    # Runs that end, and users that come again.
    over = over | (moves & (row == 0) & (due < end))  # an error and the end that it makes are of one moment
    begins, by_itself = once((begins, by_itself))
    users = jnp.asarray(world.users)
    mine = jnp.isfinite(users[:, 0])
    turns = runs.turns + over
    returns = over & mine & (turns < users[:, 2])
    due = jnp.where(over, due + users[:, 1] * _paused(u[4]), due)
    row = jnp.where(over, jnp.asarray(world.entry), row)
    way, swept = runs.way, jnp.float32(0.0)
    if led is not None:
        way = jnp.where(calls | logins, led.way, runs.way).astype(jnp.int32)
        gone, at = over & (way > 0), jnp.maximum(way - 1, 0)
        due = due + gone * jnp.asarray(world.faults.rest)[at]
        swept = (gone * jnp.asarray(world.faults.swept)[at]).sum()
        way = jnp.where(over, 0, way)
    stays = runs.active & (~over | returns)
    forgets = over
    judged = runs.active & (runs.verdict < end)
    now_judged = calls & (verdict < end)
    asked, refused, spent_on = _by_visit(world, runs.row, calls, calls & ~answered, jnp.where(calls, seconds, 0.0))
    told = Told(
        arrived=arrived + returns.sum(),
        well=(over & ~bad).sum().astype(jnp.float32),
        badly=(over & bad).sum().astype(jnp.float32),
        good=(judged & runs.good).sum() + (now_judged & passes).sum().astype(jnp.float32),
        bad=(judged & ~runs.good).sum() + (now_judged & ~passes).sum().astype(jnp.float32) + swept,
        latency=bins(seconds, answered.astype(jnp.float32)),
        calls=asked,
        failed=refused,
        seconds=spent_on,
    )
    # Who gives up has the server deleted that is being built, which its host counts as a build that failed.
    building = (runs.state == WORKS) | (runs.state == WIRES) | (runs.state == WIRED) | (runs.state == TOLD)
    given_up = over & building & (runs.kind == CREATION) & (runs.host >= 0)
    hosts = state.hosts
    at = given_up[:, None] & (runs.host[:, None] == jnp.arange(hosts.failures.shape[0])[None, :])
    hosts = replace(hosts, failures=hosts.failures + at.sum(axis=0))
    none = jnp.full(size, -1, jnp.int32)
    following = replace(
        runs,
        active=stays,
        row=row,
        due=jnp.where(ready, due, runs.due),
        armed=jnp.where(ready, waits & (kind == CALL), runs.armed),
        tries=tries,
        since=since,
        rounds=jnp.where(forgets, 0.0, rounds),
        bad=jnp.where(forgets, False, jnp.where(ready, bad, runs.bad)),
        turns=turns,
        verdict=jnp.where(calls & ~now_judged, verdict, jnp.where(judged, jnp.inf, runs.verdict)),
        good=jnp.where(calls, passes, runs.good),
        job=jnp.where(forgets, none, jnp.where(begins, first, runs.job)),
        left=jnp.where(begins, of("stages").astype(jnp.int32) - 1, runs.left),
        state=jnp.where(forgets, NONE, jnp.where(begins, jnp.where(by_itself, DONE, WAITS), runs.state)),
        until=jnp.where(begins, after, runs.until),
        kind=jnp.where(forgets, 0, jnp.where(begins, sort, runs.kind)),
        host=jnp.where(forgets | (creates & begins), none, jnp.where(by_itself, none, runs.host)),
        attempts=jnp.where(creates & begins, 0.0, runs.attempts),
        opened=jnp.where(creates & begins, after, runs.opened),
        alive=jnp.where(forgets | begins, jnp.inf, runs.alive),
        way=way,
    )
    return replace(state, runs=following, hosts=hosts), told


def _paused(draw: Array) -> Array:
    """How many times its mean a pause lasts."""
    shortest, longest = PAUSES
    return shortest + (longest - shortest) * draw


def _rows(world: Episode, services: Services) -> Array:
    """[F + 5 + Q, R] the scripts, and of the call of each row: the share that fails, after how long, how much longer
    the others take, by what deviation; whether the job that it begins is its host's; the quantiles of its seconds."""
    rows, work = jnp.asarray(world.rows), world.work
    visit = rows[:, COLUMN["visits"]].astype(jnp.int32)
    first = jnp.maximum(rows[:, COLUMN["job"]], 0.0).astype(jnp.int32)
    return stacked(
        rows.T, services.fails[visit], services.after[visit], services.longer[visit], services.spread[visit],
        jnp.asarray(work.owner)[first] == COMPUTE, jnp.asarray(work.seconds)[visit].T,
    )  # fmt: skip


def _by_visit(world: Episode, row: Array, *what: Array) -> Array:
    """[C, V] sums of some columns [M] by the visit of each run's row [M]."""
    rows = jnp.asarray(world.rows)
    visits = rows[:, COLUMN["visits"]].astype(jnp.int32)[:, None] == jnp.arange(world.work.owner.shape[0])[None, :]
    return jnp.matmul(counts(row, rows.shape[0], what), visits.astype(jnp.float32), precision="highest")


def _arrivals(world: Episode, state: State, now: Array) -> tuple[State, Array]:
    """Runs that arrive by themselves take slots that are free; two a tick, the others wait."""
    runs = state.runs
    come = jnp.asarray(world.arrivals)[jnp.minimum(state.tick - world.since, world.arrivals.shape[0] - 1)]
    waiting = state.waiting + come
    free = ~runs.active & ~jnp.isfinite(jnp.asarray(world.users)[:, 0])
    order = jnp.cumsum(free) * free
    takes = free & (order <= waiting)
    runs = replace(
        runs,
        active=runs.active | takes,
        row=jnp.where(takes, world.entrance, runs.row),
        due=jnp.where(takes, now, runs.due),
        since=jnp.where(takes, now, runs.since),
        tries=jnp.where(takes, 0.0, runs.tries),
        bad=runs.bad & ~takes,
        rounds=jnp.where(takes, 0.0, runs.rounds),
        verdict=jnp.where(takes, jnp.inf, runs.verdict),
    )
    return replace(state, runs=runs, waiting=waiting - takes.sum()), come


def reads(
    world: Episode, state: State, services: Services, luck: Array, limit: Array
) -> tuple[Array, Array, Array, Array]:
    """Requests that only look: answered in time, others, [B] answers by their seconds, [V] calls."""
    asked = jnp.asarray(world.reads)[jnp.minimum(state.tick - world.since, world.reads.shape[0] - 1)]
    visit = jnp.asarray(world.reading)
    size = visit.shape[0]
    u = [draws.uniform(luck, state.tick, 30 + i, size) for i in range(3)]
    wrong = services.fails[visit]
    if world.faults.condition.shape[0]:
        wrong = 1.0 - (1.0 - wrong) * (1.0 - mutations.others(world.faults, services.mutated)[visit])
    fails = u[0] < wrong
    usual = draws.quantile(u[1], jnp.asarray(world.work.seconds)[visit].T, QUANTILES)
    seconds = usual + jnp.maximum(services.longer[visit] + draws.normal(u[2]) * services.spread[visit], 0.0)
    fails = fails | (seconds >= haproxy.SERVER_TIMEOUT)
    passes = ~fails & (seconds <= limit)
    (calls,) = counts(visit, services.fails.shape[0], [asked])
    return (asked * passes).sum(), (asked * ~passes).sum(), bins(seconds, asked * ~fails), calls


def reachable(world: Episode, state: State, channel: Felt) -> Array:
    """[H] whether who logs in to a guest of a host gets there: flows, addresses, the router's machine."""
    parts = world.components
    single = jnp.maximum(jnp.asarray(parts.single), 0)
    machine = jnp.maximum(jnp.asarray(parts.machine), 0)
    agent = jnp.maximum(jnp.asarray(parts.hosted[2]), 0)
    router = jnp.asarray(parts.node)[single[ROLE["neutron-l3-agent"]]]
    leases = channel.of("leaseless")[single[ROLE["neutron-dhcp-agent"]]] == 0.0
    leases = leases & state.programs.up[single[ROLE["neutron-dhcp-agent"]]]
    there = state.programs.up[machine] & (channel.of("dark")[machine] + channel.of("cut")[machine] == 0.0)
    narrow = (channel.of("narrow")[machine] > 0.0) | (channel.of("narrow")[router] > 0.0)
    outside = state.programs.up[router] & (channel.of("cut")[router] == 0.0)
    return there & outside & leases & ~narrow & (channel.of("lost")[agent] < 0.5)
