"""One tick of a cluster: programs live and die, requests come, engines compute, objectives are judged.

Requests are a fluid: real numbers that wait, get their prompts computed, and move through the stages of their answers
at the pace of their engine. What decides about them stands beside: `demand` and `clients` who comes, `network` what
messages meet, `routing` who gets them, `engines` what they take, `hosts` and `heat` how fast engines are,
`supervision` who lives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax.numpy as jnp
from jax import Array

from twin.fast import draws
from twin.fast.cluster import Tick
from twin.fast.conditions import present
from twin.fast.inference import (
    clients,
    engines,
    heat,
    hosts,
    network,
    operations,
    rollouts,
    routing,
    supervision,
)
from twin.fast.inference.engines import Lateness, Pace, Work
from twin.fast.inference.episodes import GATEWAY, HEAD, NODE, PROXY_NOTICED, Episode
from twin.fast.inference.levels import Levels, levels
from twin.fast.inference.network import Paths
from twin.fast.inference.state import STAGES, State
from twin.fast.inference.told import Counts, down, reloads
from twin.fast.objectives import LEAST, counted, judge
from twin.fast.once import once
from twin.inference.cgroup import ANSWER_BYTES_PER_TOKEN
from twin.mechanics.serving import READ_TIMEOUT

BAD = 0
"""Tells the draws of bad requests from others."""
STALE = 6.0
"""Of two queue lengths that no longer change one is always the shorter: the logarithm of how surely it is taken."""


def live(world: Episode, state: State, dt: float, chance: bool = True) -> tuple[State, Tick]:
    """One tick of `dt` seconds. Without `chance`, what is bad is counted as it is expected, in fractions."""
    replicas = world.exists.shape[0]
    now = state.tick * dt + dt / 2.0
    state = rollouts.begun(world, state, now)
    ordered = state
    state, stopped = operations.progress(world, state, now)
    on = present(world.conditions, state.healed, now)
    seat, node = operations.seats(world, state)
    touched = supervision.touched(world, on, seat, node)
    hits = touched.any
    channel = levels(world, hits)
    host = hosts.hosts(world, state, channel, _machines(world, on), node, dt)
    peers = jnp.append(jnp.arange(replicas), replicas + GATEWAY)
    paths = network.paths(world.hops, on, touched.itself, touched.machine, node, replicas + HEAD, peers)
    passes = paths.passes[:replicas]
    before = replace(state, orders=ordered.orders)
    state, died = supervision.lives(world, state, channel, hits, host, passes, stopped, seat, now, dt)
    down = died | stopped
    state, pace = _pace(world, state, channel.of(slice(replicas)), host.slowdown, dt)
    head, gateway = channel.of(replicas + HEAD), channel.of(replicas + GATEWAY)

    # Who comes, how far they get, and to whom they go.
    come = clients.coming(world, state, gateway, dt)
    heard = world.free.lengths
    lengths = jnp.where(come.arrived > 0, (1.0 - heard) * state.asked + heard * come.lengths, state.asked)
    way = _routed(world, state, come.arrived, head, gateway, paths, now, dt)
    rate = state.rate + (way.routed / dt - state.rate) * jnp.minimum(1.0, dt / world.free.memory)
    delivered = jnp.where(passes & state.up[:replicas], way.routed + state.undelivered, 0.0)
    undelivered = jnp.where(passes, 0.0, state.undelivered + way.routed)

    # What engines do with them, and what becomes of the answers.
    work = engines.work(world, state, pace, delivered, rate, lengths, dt, chance)
    late = _lateness(world, work, paths, rate, lengths)
    ends = _ends(world, state, work, late, way, paths, lengths, undelivered, rate, down, dt)

    # How well that is.
    objective = jnp.asarray(world.objective)
    first_limit = jnp.minimum(objective[1, 1], way.deadline)
    at_once = way.routed * way.fresh
    slow = once(at_once * jnp.where(passes, late.first.beyond(first_limit), 1.0)).sum() + way.entered - at_once.sum()
    bad_first = slow + way.refused + ends.unanswered
    late_whole = once(ends.completed * late.whole.beyond(objective[2, 1])).sum()
    everybody = ends.completed.sum() + ends.failed
    bad_whole = late_whole + ends.failed - ends.judged + ends.overdue
    expected = jnp.stack([ends.failed, bad_first, bad_whole])
    all_of_them = jnp.stack([everybody, come.arrived + ends.unanswered, everybody - ends.judged + ends.overdue])
    bad = jnp.minimum(expected, all_of_them)
    if chance:
        draw = draws.uniform(draws.seed(state.luck), state.tick, BAD, expected.shape[0])
        bad = counted(bad, all_of_them, draw)
    judged, loss, violated = judge(state.judged, objective, all_of_them - bad, bad, state.tick)
    completed = ends.completed.sum()
    served = state.served + (completed / dt - state.served) * jnp.minimum(1.0, dt / 60.0)
    thinking, pausing, credit = clients.after(world, come, gateway, completed, ends.failed)
    after = replace(
        state,
        tick=state.tick + 1,
        decoding=ends.decoding,
        queued=ends.queued,
        waiting=ends.waiting,
        undelivered=ends.undelivered,
        answered=ends.answered,
        unsent=ends.unsent,
        mute=jnp.where(way.mute & ~way.replaced, state.mute + dt, 0.0),
        hung=jnp.where(down[:replicas], 0.0, work.hung),
        asked=lengths,
        rate=rate,
        entering=way.entering,
        known=way.known,
        worked=work.shares,
        thinking=thinking,
        pausing=pausing,
        mix=come.mix,
        credit=credit,
        judged=judged,
        served=served,
        best=jnp.maximum(state.best, served),
    )
    told = Tick(
        loss=loss,
        violated=violated,
        arrived=come.arrived,
        completed=completed,
        failed=ends.failed,
        queue=in_flight(after),
        latency=jnp.stack([late.now.counts(work.admitted * ends.heard), late.whole_now.counts(ends.completed)]),
        counts=_told(world, state, before, after, pace, way, work, late, ends, head, on, died, come.arrived, dt),
    )
    return after, told


def in_flight(state: State) -> Array:
    """[] requests that somebody works on or that wait, wherever."""
    waiting = state.queued.sum() + state.undelivered.sum() + state.waiting
    return state.decoding.sum() + waiting + state.answered.sum() + state.unsent


# --- what exporters are told -------------------------------------------------------------------------------------


def _told(
    world: Episode,
    state: State,
    before: State,
    after: State,
    pace: Pace,
    way: _Way,
    work: Work,
    late: _Late,
    ends: _Ends,
    head: Levels,
    on: Array,
    died: Array,
    arrived: Array,
    dt: float,
) -> Counts:
    """`before`: programs before they lived this tick; `state`: after."""
    replicas = world.exists.shape[0]
    now = after.tick * dt
    reloaded, booted = reloads(world, before, now - dt / 2.0)
    works = state.up[:replicas] & pace.works
    alone = work.aged + work.crowded * work.tail
    given_up = ends.failed - ends.by_replica.sum() - way.refused
    return Counts(
        routed=way.routed,
        admitted=work.admitted,
        first_token=work.admitted * alone,
        queue_time=ends.completed * jnp.maximum(alone - work.prefill, 0.0),
        tokens=work.tokens,
        gaps=jnp.where(works, state.decoding.sum(axis=1) * dt, 0.0),
        completed=ends.completed,
        whole=ends.completed * late.whole_now.mean,
        broken=ends.begun,
        failed=ends.by_replica - ends.begun,
        lost=ends.lost,
        cancelled=ends.by_replica - ends.lost,
        given_up=given_up,
        died=(died & before.up).astype(jnp.float32),
        failed_starts=(~before.up & (state.deaths > before.deaths)).astype(jnp.float32),
        came=(~before.up & state.up).astype(jnp.float32),
        upstream=(ends.by_replica - ends.lost).sum() * jnp.minimum(way.reads, way.patience)
        + (ends.lost * late.whole_now.mean).sum() / 2.0,
        decode=work.shares[:, 0] * dt,
        prefill=work.shares[:, 1] * dt,
        arrived=arrived,
        refused=way.refused,
        unheard=jnp.where(way.replaced, given_up, 0.0),
        hung=jnp.where(head["silent"] > 0.0, dt, 0.0),
        reloaded=reloaded.astype(jnp.float32),
        booted=booted.astype(jnp.float32),
        met=on.astype(jnp.float32),
        ran=state.up * dt,
        awake=jnp.where(down(world, after, now), 0.0, dt),
    )


# --- what there is to work with ----------------------------------------------------------------------------------


def _machines(world: Episode, on: Array) -> Levels:
    """[D] the levels of machines themselves."""
    if world.limits.shape[0] == 0:
        return Levels((world.gpus_of_node.shape[0],), {})
    place = jnp.maximum(jnp.asarray(world.conditions.place), 0)
    numbers = jnp.arange(world.gpus_of_node.shape[0])[None, :]
    here = (jnp.asarray(world.role)[place] == NODE)[:, None] & (jnp.asarray(world.index)[place][:, None] == numbers)
    return levels(world, here & on[:, None])


def _pace(world: Episode, state: State, channel: Levels, slowdown: Array, dt: float) -> tuple[State, Pace]:
    """How fast engines are, with GPUs as warm as they are by now."""
    decode, prefill = channel["decode"], channel["prefill"]
    if world.heat.inlet.shape[0]:
        path = jnp.exp(channel["heat"])
        warm, clock = heat.warmed(world.heat, state.warm, path, state.worked, dt)
        slower = heat.slower(world.heat, clock)
        decode, prefill = jnp.maximum(decode, slower[:, 0]), jnp.maximum(prefill, slower[:, 1])
        state = replace(state, warm=warm)
    rolled = channel["sequences"]
    return state, Pace(
        decode=decode,
        prefill=prefill,
        host=slowdown,
        works=(channel["hang"] + channel["frozen"]) == 0.0,
        sequences=jnp.where(rolled > 0.0, rolled, state.sequences),
        tokens=jnp.maximum(world.most[1] + channel["tokens"], 1.0),
    )


# --- the way there -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Way:
    """How far requests got before their engines. Requests, seconds."""

    entered: Array
    refused: Array
    """[] by the gateway, or by the head."""
    routed: Array
    """[R]"""
    fresh: Array
    """[] share of these that came in this tick."""
    waiting: Array
    """[] for a replica."""
    expired: Array
    """[] those that waited too long for one."""
    mute: Array
    """[] whether nothing passes the head."""
    replaced: Array
    """[] whether Serve's controller replaces the proxy, which answers no check."""
    deadline: Array
    """[] until the first token; after it the gateway or the client hangs up."""
    patience: Array
    """[] of clients, for a whole answer."""
    reads: Array
    """[] of the gateway, between two pieces of an answer."""
    entering: Array
    """[] requests a second of late."""
    known: Array
    """[R] queue lengths as the router has heard them."""


def _routed(
    world: Episode, state: State, arrived: Array, head: Levels, gateway: Levels, paths: Paths, now: Array, dt: float
) -> _Way:
    replicas = world.exists.shape[0]
    reads = _least(READ_TIMEOUT, gateway["hurry"])
    patience, deadline = jnp.float32(jnp.inf), reads
    if world.patience.shape[0]:
        patience = _least(jnp.asarray(world.patience)[0], gateway["patience"])
        deadline = jnp.minimum(jnp.minimum(reads, patience), world.patience[1])
    allowed = jnp.where(now < state.limited, jnp.minimum(arrived, state.limit * dt), arrived)
    # nginx has two connections for each request.
    places = _least(jnp.inf, gateway["connections"]) / 2.0
    allowed = jnp.minimum(allowed, jnp.maximum(places - in_flight(state), 0.0))
    entered = jnp.where(supervision.entrance(state, gateway, replicas), allowed, 0.0)
    mute = (head["silent"] > 0.0) | ~paths.passes[replicas]
    # A new proxy hangs as the old one, where what is wrong outlasts it.
    replaced = (head["silent"] > 0.0) & (state.mute > PROXY_NOTICED) & (head["unmanaged"] == 0.0)
    entering = state.entering + (entered / dt - state.entering) * jnp.minimum(1.0, dt / world.free.memory)
    load = state.decoding.sum(axis=1) + state.queued + state.undelivered + state.answered
    stale = head["stale"] > 0.0
    takes = state.deployed & (state.up[:replicas] | stale) & (~state.gone | stale)
    takes = takes & (state.excluded <= now) & ~operations.draining(world, state, now)
    ongoing = _least(jnp.asarray(world.ongoing), head["ongoing"])
    room = jnp.where(takes & ~mute, jnp.maximum(ongoing - load, 0.0), 0.0)
    backlog = entered + state.waiting
    # A router that hears nothing goes on by the lengths of then, which are whole numbers and seldom the same.
    known = jnp.where(stale, state.known, load)
    differs = jnp.where(stale, jnp.arange(replicas) / world.free.preference * STALE, 0.0)
    share = routing.shares(known + differs, takes & (room > 0.0), world.free.preference)
    routed = routing.routed(backlog, share, room)
    waiting = jnp.maximum(backlog - routed.sum(), 0.0)
    # Serve refuses who would be one too many to wait.
    most = _least(jnp.inf, head["queue"]) - 1.0
    turned_away = jnp.where(mute, 0.0, jnp.maximum(waiting - jnp.maximum(most, 0.0), 0.0))
    turned_away = jnp.where(jnp.isfinite(most), jnp.minimum(turned_away, entered), 0.0)
    waiting = waiting - turned_away
    # Those who wait came within the deadline: whoever came before has gone.
    expired = jnp.maximum(waiting - entering * deadline - entered, 0.0)
    return _Way(
        entered=entered - turned_away,
        refused=arrived - entered + turned_away,
        routed=routed,
        fresh=(entered - turned_away) / jnp.maximum(backlog, LEAST),
        waiting=waiting - expired,
        expired=expired,
        mute=mute,
        replaced=replaced,
        deadline=deadline,
        patience=patience,
        reads=reads,
        entering=entering,
        known=known,
    )


def _least(usual: Array | float, rate: Array) -> Array:
    """The smaller of a limit and 1 / `rate`, where that is above 0."""
    return jnp.minimum(usual, jnp.where(rate > 0.0, 1.0 / jnp.maximum(rate, 1e-6), jnp.inf))


# --- how late things are -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Late:
    """[R] each: first tokens and whole answers of those who come now, and of those who are served now."""

    first: Lateness
    whole: Lateness
    now: Lateness
    whole_now: Lateness
    back: Array
    """Seconds that an answer takes from the replica to the head."""


def _lateness(world: Episode, work: Work, paths: Paths, rate: Array, lengths: Array) -> _Late:
    replicas = world.exists.shape[0]
    answer = ANSWER_BYTES_PER_TOKEN * lengths[1]
    sloth = paths.sloth[1, :replicas] + paths.sloth[1, replicas]
    used = jnp.minimum(rate * answer * sloth, 0.98)
    behind = answer * sloth * used / (2.0 * (1.0 - used))
    delay = paths.delay.sum(axis=0)
    there_and_back = delay[:replicas] + delay[replicas] + behind
    varies = (paths.jitter**2).sum(axis=0)
    varies = varies[:replicas] + varies[replicas]
    # TCP hands on in order: behind a lost packet all that follows waits.
    held = jnp.minimum(2.0 * rate * paths.lost[1, :replicas] * paths.again[1, :replicas], 0.9)
    kept = ((1.0 - paths.lost[:, :replicas]) * (1.0 - paths.lost[:, replicas:])).prod(axis=0) * (1.0 - held)
    again = jnp.maximum(paths.again[:, :replicas].max(axis=0), paths.again[:, replicas].max())
    own = jnp.sqrt(work.own**2 + varies)
    lost = 1.0 - kept
    answers = lengths[1] * work.token
    deviation = jnp.sqrt(work.own**2 + varies + work.interrupted**2)

    def first(mean: Array) -> Lateness:
        return Lateness(mean + there_and_back, own, work.crowded, work.tail, lost, again)

    def whole(mean: Array) -> Lateness:
        total = mean + answers + there_and_back + answer * sloth
        return Lateness(total, deviation, work.crowded, work.tail, lost, again)

    back = paths.delay[1, :replicas] + paths.lost[1, :replicas] * paths.again[1, :replicas] + answer * sloth + behind
    return _Late(first(work.first), whole(work.first), first(work.aged), whole(work.aged), back)


# --- the way back ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ends:
    """What is left of requests after a tick."""

    decoding: Array
    queued: Array
    waiting: Array
    undelivered: Array
    answered: Array
    """[R] on their way back."""
    unsent: Array
    """[] answers that the head does not hand on."""
    completed: Array
    """[R] answers that clients have."""
    failed: Array
    """[] after they had been taken in, or refused."""
    by_replica: Array
    """[R] those that engines or their silence have cost."""
    heard: Array
    """[R] share of first tokens that somebody still waits for."""
    unanswered: Array
    """[] lost without a first token."""
    overdue: Array
    """[] answers that have just become late while their engine stands still."""
    judged: Array
    """[] failed ones that were late before."""
    lost: Array
    """[R] of those that failed, those that ended with their process."""
    begun: Array
    """[R] of those that failed, those that had their first token."""


def _ends(
    world: Episode,
    state: State,
    work: Work,
    late: _Late,
    way: _Way,
    paths: Paths,
    lengths: Array,
    undelivered: Array,
    rate: Array,
    down: Array,
    dt: float,
) -> _Ends:
    replicas = world.exists.shape[0]
    passes = paths.passes[:replicas]
    # Without head or gateway all connections break, and engines are told.
    broken = down[replicas + HEAD] | down[replicas + GATEWAY] | way.replaced
    lost = down[:replicas] | broken | state.gone | ~state.up[:replicas]
    # Whoever waits for a first token hangs up at the deadline: before the engine gets to it, or while it computes.
    waited = state.queued / jnp.maximum(rate, 0.05)
    near = waited > 0.95 * way.deadline
    in_time = 1.0 - late.now.beyond(jnp.maximum(way.deadline, LEAST))
    heard = jnp.where(near, jnp.exp(-rate * work.prefill), in_time)
    hung_up = work.admitted * (1.0 - heard)
    ahead = way.waiting / jnp.maximum(way.entering, 0.05)
    most = rate * jnp.maximum(way.deadline - ahead, 0.0) + way.routed
    expired = jnp.maximum(work.queued - most, 0.0)
    unreached = jnp.maximum(undelivered - rate * way.deadline - way.routed, 0.0)
    # An answer that has begun stops after a gap, or when its client has waited long enough.
    stages = jnp.arange(STAGES)[None, :]
    each = (lengths[1] * work.token / STAGES)[:, None]
    elapsed = late.now.mean[:, None] + stages * each + work.hung[:, None]
    kept = jnp.broadcast_to((work.hung <= way.reads)[:, None], elapsed.shape)
    if world.patience.shape[0]:
        kept = kept * jnp.clip((way.patience - elapsed) / each, 0.0, 1.0)
    decoding = work.decoding.at[:, 0].add(-jnp.minimum(hung_up, work.decoding[:, 0]))
    stays = decoding * kept
    abandoned = (decoding - stays).sum(axis=1)
    # Of an engine that stands still each answer becomes late at its moment.
    limit = jnp.asarray(world.objective)[2, 1]
    crosses = (elapsed > limit) & (elapsed - dt <= limit) & (work.hung > 0.0)[:, None]
    overdue = (stays * crosses).sum()
    judged = jnp.where(work.hung > 0.0, ((decoding - stays) * (elapsed > limit)).sum(axis=1), 0.0).sum()
    # So does each one of a replica that is cut off: those that it was at then, and those that were sent there since.
    length, cut = lengths[1] * work.token, state.silent
    over = (cut > limit - length) & (cut <= limit)
    overdue = overdue + jnp.where(over, state.answered * jnp.minimum(dt / length, 1.0), 0.0).sum()
    overdue = overdue + jnp.where(cut > limit, undelivered * dt / jnp.maximum(cut, dt), 0.0).sum()
    answered_late = jnp.clip((cut - limit + length) / length, 0.0, 1.0)
    undelivered_late = jnp.clip(1.0 - limit / jnp.maximum(cut, dt), 0.0, 1.0)
    # Answers go back over the network, and through the head.
    answered = state.answered + work.completed
    comes = jnp.where(late.back > 0.0, 1.0 - jnp.exp(-dt / jnp.maximum(late.back, 1e-3)), 1.0)
    back = jnp.where(passes, answered * comes, 0.0)
    answered = answered - back
    forgotten = jnp.where(state.silent > way.reads, answered, 0.0)
    judged = judged + (forgotten * answered_late + unreached * undelivered_late).sum()
    impatient = back * late.whole_now.beyond(way.patience) if world.patience.shape[0] else jnp.zeros_like(back)
    good = back - impatient
    kept_back = jnp.where(way.mute, state.unsent + good.sum(), 0.0)
    given_up = jnp.where(way.mute & (state.mute > way.reads) | broken, kept_back, 0.0)
    released = jnp.where(way.mute | broken, 0.0, state.unsent)
    completed = jnp.where(way.mute, 0.0, good + released / replicas)
    alive = ~lost
    remains = stays.sum(axis=1) + work.queued - expired + undelivered - unreached + answered - forgotten
    gone = jnp.where(lost, remains, 0.0)
    by_replica = gone + hung_up + expired + unreached + abandoned + forgotten + impatient
    waiting = jnp.where(broken, 0.0, way.waiting)
    failed = by_replica.sum() + way.refused + way.expired + given_up + way.waiting - waiting
    return _Ends(
        decoding=jnp.where(alive[:, None], stays, 0.0),
        queued=jnp.where(alive, work.queued - expired, 0.0),
        waiting=waiting,
        undelivered=jnp.where(alive, undelivered - unreached, 0.0),
        answered=jnp.where(alive, answered - forgotten, 0.0),
        unsent=kept_back - given_up,
        completed=completed,
        failed=failed,
        by_replica=by_replica,
        heard=heard,
        unanswered=jnp.where(lost, work.queued - expired, 0.0).sum(),
        overdue=overdue,
        judged=judged,
        lost=gone,
        begun=jnp.where(lost, stays.sum(axis=1) + answered - forgotten, 0.0) + abandoned + forgotten + impatient,
    )
