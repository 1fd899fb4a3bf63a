"""One tick of a cluster: programs live and die, requests come, engines compute, objectives are judged.

Requests are a fluid: real numbers that wait, get their prompts computed, and move through the stages of their answers
at the pace of their engine. What that pace is comes from the same kernels as in the SimPy twin (`Episode.step`,
`Episode.prefill`): in a tick of `dt` seconds an engine computes the prompts that wait, each in a step of its own that
the decoding requests share, and spends the rest on decode steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast.cluster import Tick
from twin.fast.conditions import LAYER, present
from twin.fast.inference import operations
from twin.fast.inference.channels import CHANNEL
from twin.fast.inference.episodes import GATEWAY, GPU, HEAD, NODE, PROGRAM, STORE, Episode
from twin.fast.inference.features import Flow
from twin.fast.inference.state import STAGES, State
from twin.fast.latency import EDGES, spread
from twin.fast.objectives import LEAST, counted, judge
from twin.mechanics.durations import DURATIONS
from twin.mechanics.engine_step import IMPORT_SECONDS
from twin.mechanics.layers import Layer
from twin.mechanics.serving import READ_TIMEOUT
from twin.mechanics.supervision import CRASH_LOOP_BASE, CRASH_LOOP_LIMIT, CRASH_LOOP_RESET
from twin.mechanics.vllm import EXECUTE_TIMEOUT

PROCESS, CONTEXT = LAYER[Layer.PROCESS], LAYER[Layer.CONTEXT]
MEMORY = 20.0
"""Seconds over which the rate of requests is taken."""
TAIL = 1.9
"""Decay of the waiting time in service times, over 1 - rho. Of M/D/1 it is 2.6 within a fifth for rho from 0.2 to 0.9
(the root of rho (exp(x) - 1) = x); requests of one moment make it smaller: fitted to the time to first token of
`inference-healthy`, a scenario of the training suite."""
CROWDED = 0.97
"""Share of an engine's time that prompts take at most in the estimate of how long one waits."""


def live(world: Episode, state: State, dt: float, chance: bool = True) -> tuple[State, Tick]:
    """One tick of `dt` seconds. Without `chance`, what is bad is counted as it is expected, in fractions."""
    replicas = world.exists.shape[0]
    now = state.tick * dt + dt / 2.0
    state, stopped = operations.progress(world, state, now)
    on = present(world.conditions, state.healed, now)
    seat, node = operations.seats(world, state)
    hits = _hits(world, on, seat, node)
    channel = jnp.where(hits[:, :, None], jnp.asarray(world.conditions.channels)[:, None, :], 0.0).max(axis=0)
    state, died = _lives(world, state, channel, hits, stopped, seat, now)
    engines = channel[:replicas]
    head, gateway = channel[replicas + HEAD], channel[replicas + GATEWAY]

    # Who comes, and how far they get.
    asked = jnp.asarray(world.arrivals)[jnp.minimum(state.tick, world.arrivals.shape[0] - 1)]
    arrived = asked[0] * (1.0 + gateway[CHANNEL["demand"]])
    lengths = asked[1:] * jnp.stack([1.0 + gateway[CHANNEL["prompts"]], 1.0 + gateway[CHANNEL["outputs"]]])
    lengths = jnp.where(asked[0] > 0, 0.7 * state.asked + 0.3 * lengths, state.asked)
    allowed = jnp.where(now < state.limited, jnp.minimum(arrived, state.limit * dt), arrived)
    entrance = state.up[replicas + HEAD] & state.up[replicas + GATEWAY] & (gateway[CHANNEL["refuses"]] == 0.0)
    heard = (head[CHANNEL["silent"]] + head[CHANNEL["cut"]] + gateway[CHANNEL["cut"]]) == 0.0
    entered = jnp.where(entrance & heard, allowed, 0.0)
    refused = arrived - entered

    # To whom they go.
    load = state.decoding.sum(axis=1) + state.queued
    hearing = state.deployed & (state.up[:replicas] | (head[CHANNEL["stale"]] > 0.0))
    takes = hearing & (state.excluded <= now) & ~operations.draining(world, state, now)
    takes = takes & (load < world.ongoing)
    share = _shares(load, takes)
    anybody = takes.any()
    routed = jnp.where(anybody, (entered + state.waiting) * share, 0.0)
    lost_on_the_way = jnp.where(state.up[:replicas], 0.0, routed)
    routed = routed - lost_on_the_way
    given_up = jnp.where(anybody, 0.0, state.waiting * dt / READ_TIMEOUT)
    waiting = jnp.where(anybody, 0.0, state.waiting + entered - given_up)

    # What engines do with them.
    rate = state.rate + (routed / dt - state.rate) * min(1.0, dt / MEMORY)
    work = _engines(world, state, engines, routed, rate, lengths, dt)
    gone = died | stopped
    lost = jnp.where(gone[:replicas], load + routed, 0.0)
    reads = jnp.minimum(READ_TIMEOUT, 1.0 / jnp.maximum(gateway[CHANNEL["hurry"]], 1.0 / READ_TIMEOUT))
    delay = engines[:, CHANNEL["latency"]] + head[CHANNEL["latency"]] + gateway[CHANNEL["latency"]]
    first = work.first_token + 2.0 * delay
    # The gateway hangs up on an answer that has not begun in time, and its engine is told.
    hung_up = routed * _tail(reads, first, work)
    stuck = work.hung > reads
    timed_out = jnp.where(stuck & ~gone[:replicas], (load + routed) * jnp.minimum(1.0, dt / reads), 0.0)
    left = jnp.where(gone[:replicas], 0.0, 1.0 - timed_out / jnp.maximum(load + routed, LEAST))

    # How well that is.
    whole = first + lengths[1] * work.token + delay
    objective = jnp.asarray(world.objective)
    late_first = _tail(jnp.minimum(objective[1, 1], reads), first, work)
    late_whole = _beyond(objective[2, 1], whole, 0.05 * whole)
    failed = refused + given_up + lost_on_the_way.sum() + lost.sum() + timed_out.sum() + hung_up.sum()
    unheard = refused + lost_on_the_way.sum() + jnp.where(anybody, 0.0, entered)
    bad_first = (routed * late_first).sum() + unheard
    bad_whole = (work.completed * late_whole).sum() + failed
    expected = jnp.stack([failed, bad_first, bad_whole])
    everybody = jnp.stack([work.completed.sum() + failed, routed.sum() + unheard, work.completed.sum() + failed])
    bad = jnp.minimum(counted(expected, jax.random.fold_in(state.luck, state.tick), chance), everybody)
    good = everybody - bad
    judged, loss, violated = judge(state.judged, objective, good, bad, state.tick)
    served = state.served + (work.completed.sum() / dt - state.served) * jnp.minimum(1.0, dt / 60.0)
    after = replace(
        state,
        tick=state.tick + 1,
        decoding=work.decoding.at[:, 0].set(jnp.maximum(work.decoding[:, 0] - hung_up, 0.0)) * left[:, None],
        queued=work.queued * left,
        waiting=waiting,
        hung=jnp.where(gone[:replicas], 0.0, work.hung),
        asked=lengths,
        rate=rate,
        judged=judged,
        served=served,
        best=jnp.maximum(state.best, served),
    )
    told = Tick(
        loss=loss,
        violated=violated,
        arrived=arrived,
        completed=work.completed.sum(),
        failed=failed,
        queue=work.decoding.sum() + work.queued.sum(),
        latency=jnp.stack([_first_tokens(routed, first, work), _answers(work.completed, whole)]),
        flow=Flow(
            prompts=routed,
            completed=work.completed,
            failed=lost + timed_out + hung_up,
            first_token=routed * first,
            whole=work.completed * whole,
            busy=dt * work.busy,
            arrived=arrived,
            refused=refused,
        ),
    )
    return after, told


# --- programs ----------------------------------------------------------------------------------------------------


def _hits(world: Episode, on: Array, seat: Array, node: Array) -> Array:
    """[K, P] whether a condition that holds touches a program: itself, the GPUs of its seat, or its machine."""
    place = jnp.maximum(jnp.asarray(world.conditions.place), 0)
    role, index = jnp.asarray(world.role)[place][:, None], jnp.asarray(world.index)[place][:, None]
    numbers = jnp.arange(seat.shape[0])[None, :]
    itself = (role == PROGRAM) & (index == numbers)
    touches = itself | ((role == GPU) & (index == seat[None, :])) | ((role == NODE) & (index == node[None, :]))
    return touches & on[:, None]


def _lives(
    world: Episode, state: State, channel: Array, hits: Array, stopped: Array, seat: Array, now: Array
) -> tuple[State, Array]:
    """Who dies, who starts, who runs. Returns [P] who died, too."""
    replicas = world.exists.shape[0]
    programs = state.up.shape[0]
    wanted = jnp.concatenate([state.deployed, jnp.ones(programs - replicas, bool)])
    doomed, halted = channel[:, CHANNEL["doomed"]] > 0.0, channel[:, CHANNEL["halted"]] > 0.0
    dark = channel[:, CHANNEL["dark"]] > 0.0
    overdue = jnp.concatenate([state.hung > EXECUTE_TIMEOUT, jnp.zeros(programs - replicas, bool)])
    died = state.up & (doomed | halted | dark | overdue)
    takes = jnp.take_along_axis(jnp.asarray(world.start), state.fresh[:, None], axis=1)[:, 0]
    takes = takes * (1.0 + channel[:, CHANNEL["host"]])
    arrives = ~state.up & (now >= state.ready)
    came = arrives & ~(doomed | halted | dark)
    fails = (arrives & doomed) | (died & doomed)
    forgets = now - state.born > CRASH_LOOP_RESET
    deaths = jnp.where(died | (arrives & doomed), jnp.where(forgets, 0.0, state.deaths) + 1.0, state.deaths)
    delay = jnp.where(
        deaths <= 1.0, 0.0, jnp.minimum(CRASH_LOOP_LIMIT, CRASH_LOOP_BASE * 2.0 ** jnp.clip(deaths - 2.0, 0.0, 9.0))
    )
    failing = jnp.where(arrives, IMPORT_SECONDS, takes)
    ready = jnp.where(fails | (died & overdue), now + delay + jnp.where(died, takes, failing), state.ready)
    ready = jnp.where(
        (halted | dark) & wanted & ~stopped, now + takes + jnp.where(dark, DURATIONS["reboot"], 0.0), ready
    )
    # Nothing is obtained from a store that gives nothing: whoever needs it waits.
    store = channel[replicas + STORE, CHANNEL["storeless"]] > 0.0
    managed = channel[replicas + HEAD, CHANNEL["unmanaged"]] > 0.0
    needs = jnp.concatenate([state.fresh[:replicas] == 2, jnp.zeros(programs - replicas, bool)])
    held = ~state.up & ((needs & store) | (managed & (jnp.arange(programs) < replicas)))
    ready = jnp.where(held & jnp.isfinite(ready), jnp.maximum(ready, now + takes), ready)
    starting = ~state.up & ~died & jnp.isfinite(ready) & (now >= ready - takes)
    after = replace(
        state,
        healed=state.healed | _begun_anew(world, starting, hits, seat),
        up=(state.up & ~died) | came,
        ready=jnp.where(came, jnp.inf, ready),
        born=jnp.where(came, now, state.born),
        deaths=deaths,
        fresh=jnp.where(came, 0, state.fresh),
    )
    return after, died


def _begun_anew(world: Episode, starting: Array, hits: Array, seat: Array) -> Array:
    """[K] conditions that a new process leaves behind: on its own memory, and on its context on the GPUs."""
    place = jnp.maximum(jnp.asarray(world.conditions.place), 0)
    role, layer = jnp.asarray(world.role)[place], jnp.asarray(world.conditions.layer)
    volatile = ((role == PROGRAM) & (layer == PROCESS)) | ((role == GPU) & (layer == CONTEXT))
    return volatile & (hits & starting[None, :]).any(axis=1)


# --- requests ----------------------------------------------------------------------------------------------------


def _shares(load: Array, takes: Array) -> Array:
    """[R] what share of requests each replica gets: of two chosen at random the one with the shorter queue."""
    among = takes.sum()
    pairs = takes[:, None] & takes[None, :] & ~jnp.eye(load.shape[0], dtype=bool)
    wins = jax.nn.sigmoid(2.0 * (load[None, :] - load[:, None]))
    share = (pairs * wins).sum(axis=1) / jnp.maximum(among * (among - 1) / 2.0, 1.0)
    return jnp.where(among > 1, share, takes.astype(jnp.float32))


@dataclass(frozen=True)
class _Work:
    """What engines did in a tick: [R] each, `decoding` [R, S]."""

    decoding: Array
    queued: Array
    completed: Array
    hung: Array
    busy: Array
    first_token: Array
    crowded: Array
    spread: Array
    token: Array


def _engines(
    world: Episode, state: State, channel: Array, routed: Array, rate: Array, lengths: Array, dt: float
) -> _Work:
    prompt, output = lengths[0], jnp.maximum(lengths[1], 1.0)
    running = state.decoding.sum(axis=1)
    context = prompt + output / 2.0
    step = world.step[0] + (world.step[1] + world.step[2] * context) * running
    host = (world.host[0] + world.host[1] * running) * (1.0 + channel[:, CHANNEL["host"]])
    step = jnp.maximum(step * (1.0 + channel[:, CHANNEL["decode"]]), host)
    alone = world.prefill[0] * prompt + world.prefill[1] * prompt * prompt / 2.0
    beside = running * (world.mixed[0] + world.mixed[1] * context + world.mixed[2] * prompt)
    prefill = jnp.maximum(alone * (1.0 + channel[:, CHANNEL["prefill"]]) + beside, host)
    hangs = (channel[:, CHANNEL["hang"]] + channel[:, CHANNEL["frozen"]] + channel[:, CHANNEL["cut"]]) > 0.0
    works = state.up[: running.shape[0]] & ~hangs
    room = jnp.minimum(state.sequences, world.most[1] / (prompt + output)) - running
    backlog = state.queued + routed
    # Each prompt is a step, or several, in which the decoding requests get their tokens too.
    chunks = jnp.ceil(prompt / world.budget)
    admitted = jnp.where(works, jnp.clip(jnp.minimum(dt / prefill, room), 0.0, backlog), 0.0)
    steps = admitted * chunks + jnp.maximum(dt - admitted * prefill, 0.0) / step
    moved = jnp.where(works, steps / output * STAGES, 0.0)
    decoding, completed = _advanced(state.decoding, moved)
    decoding = decoding.at[:, 0].add(admitted)
    queued = backlog - admitted
    # A prompt waits for those before it: a queue with one server and fixed service (M/D/1), whose tail is exponential.
    busy = jnp.minimum(rate * prefill, CROWDED)
    spread = prefill / (TAIL * (1.0 - busy))
    drained = jnp.where(room > backlog, prefill, output * step / jnp.maximum(running, 1.0))
    first = jnp.where(works, prefill + step / 2.0 + state.queued * drained, jnp.inf)
    # Over an answer's life prompts take their usual share of the time.
    token = 1.0 / (busy / prefill * chunks + (1.0 - busy) / step)
    hung = jnp.where(state.up[: running.shape[0]] & hangs & (backlog + running > 0.0), state.hung + dt, 0.0)
    occupied = jnp.where(works, jnp.minimum(1.0, (running * dt + admitted * prefill) / dt), 0.0)
    return _Work(decoding, queued, completed, hung, occupied, jnp.minimum(first, 1e4), busy, spread + LEAST, token)


def _advanced(stages: Array, moved: Array) -> tuple[Array, Array]:
    """Requests [R, S] moved on by a real number of stages [R]; and those that come out, [R]."""
    size = stages.shape[1]
    numbers = jnp.arange(size)
    moved = jnp.minimum(moved, float(size))
    goes = numbers[None, :, None] + moved[:, None, None]
    weight = jnp.maximum(0.0, 1.0 - jnp.abs(numbers[None, None, :] - goes))
    after = (stages[:, :, None] * weight).sum(axis=1)
    return after, jnp.maximum(stages.sum(axis=1) - after.sum(axis=1), 0.0)


def _tail(limit: Array, first: Array, work: _Work) -> Array:
    """[R] the share of first tokens later than a limit: some wait for others, for times with an exponential tail."""
    return jnp.where(first >= limit, 1.0, work.crowded * _beyond(limit, first, work.spread))


def _beyond(limit: Array, mean: Array, spread: Array) -> Array:
    """The share beyond a limit of what is `mean` on average and has an exponential tail of that spread."""
    return jnp.where(mean >= limit, 1.0, jnp.exp(-jnp.minimum((limit - mean) / jnp.maximum(spread, LEAST), 60.0)))


def _first_tokens(routed: Array, first: Array, work: _Work) -> Array:
    """[B] those who came, by their time to first token."""
    later = work.crowded[:, None] * _beyond(jnp.asarray(EDGES)[None, :], first[:, None], work.spread[:, None])
    return spread(routed, 1.0 - jnp.where(first[:, None] > EDGES[None, :], 1.0, later))


def _answers(completed: Array, whole: Array) -> Array:
    """[B] those who were answered, by the time to their last token."""
    return spread(completed, (whole[:, None] <= EDGES[None, :]).astype(jnp.float32))
