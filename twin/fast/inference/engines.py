"""What engines do in a tick: prompts computed, answers moved on, and how long that takes whoever comes now.

Requests are a fluid. What its pace is comes from the same kernels as in the SimPy twin (`Episode.step`, `prefill`):
an engine computes the prompts that wait, each in steps that the decoding requests share, and spends the rest of the
tick on decode steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast.inference import kernels
from twin.fast.latency import EDGES, spread
from twin.fast.objectives import LEAST

if TYPE_CHECKING:
    from twin.fast.inference.episodes import Episode
    from twin.fast.inference.state import State

LONGEST = 1e4
"""Seconds that stand for never."""


@dataclass(frozen=True)
class Pace:
    """How fast engines are now: [R] each, as ratios to sound ones on idle hosts."""

    decode: Array
    prefill: Array
    host: Array
    works: Array
    """Whether steps end."""
    sequences: Array
    """That they take at a time."""
    tokens: Array
    """Of context that they hold."""


@dataclass(frozen=True)
class Work:
    """What engines did: [R] each, `decoding` [R, S]. Seconds, requests."""

    decoding: Array
    queued: Array
    admitted: Array
    completed: Array
    tokens: Array
    """Of answers, but for the first of each."""
    hung: Array
    """For how long steps have not ended."""
    busy: Array
    """Share of the time in which a kernel was resident."""
    shares: Array
    """[R, 2] of the time, in decode steps and in prompts."""
    prefill: Array
    """A prompt's own steps."""
    first: Array
    """From an arrival now to the first token."""
    aged: Array
    """The same of those whose prompts are computed now: they have waited, not will wait."""
    own: Array
    """Standard deviation of both, apart from waiting for others."""
    crowded: Array
    """Share of arrivals that wait for others."""
    tail: Array
    """Mean seconds that they do, once they do."""
    token: Array
    """Seconds a token of an answer."""
    interrupted: Array
    """Standard deviation of the time of a whole answer, by prompts of others and by its own length."""


def work(
    world: Episode,
    state: State,
    pace: Pace,
    routed: Array,
    rate: Array,
    lengths: Array,
    dt: float,
    chance: bool = True,
) -> Work:
    """A tick of the engines; `routed` [R] requests come, `rate` [R] a second of late, `lengths` [3] of them. Without
    `chance` they come at equal intervals: nobody shares a step, and nothing is computed twice."""
    prompt, output, computed = lengths[0], jnp.maximum(lengths[1], 1.0), jnp.maximum(lengths[2], 1.0)
    running = state.decoding.sum(axis=1)
    context = prompt + output / 2.0
    step = world.step[0] + (world.step[1] + world.step[2] * context) * running
    host = (world.host[0] + world.host[1] * running) * pace.host
    step = jnp.maximum(step * (1.0 + pace.decode), host)
    # Each prompt is a step, or several, in which the decoding requests get their tokens too. Those that come while one
    # is computed share the next, as far as it has room.
    one = (world.prefill[1] + world.prefill[2] * (prompt - computed / 2.0)) * computed
    meets = rate * (world.prefill[0] + one)
    sharing = -jnp.expm1(-meets) / jnp.maximum(meets, 1e-3) if chance else 1.0
    chunks = jnp.maximum(jnp.ceil(computed / world.budget) * sharing, computed / world.budget)
    alone = world.prefill[0] * chunks + one
    beside = running * ((world.mixed[0] + world.mixed[1] * context) * chunks + world.mixed[2] * computed)
    prefill = jnp.maximum(alone * (1.0 + pace.prefill) + beside, host * chunks)
    works = state.up[: running.shape[0]] & pace.works
    places = kernels.places(pace.tokens, computed, output)
    room = jnp.minimum(pace.sequences, jnp.maximum(places, 1.0)) - running
    backlog = state.queued + routed
    full = backlog > room
    # Between two answers that leave, the engine makes as many steps as give out the tokens of one. A place that comes
    # free in the tick is taken again in it; the steps of that prompt are among them. What is computed again is in them,
    # too: who gave way and who is next are let in when the same answer leaves.
    decodes = jnp.maximum(output / jnp.maximum(running, 1e-3) - chunks, 0.0)
    bunch = kernels.bunch(prefill, decodes * step, running, world.vary[1])
    again = kernels.again(computed, output, bunch, world.caching) if chance else 0.0
    again = jnp.where(full & (places < pace.sequences), again, 0.0)
    prefill = prefill + again * (one * (1.0 + pace.prefill) + running * world.mixed[2] * computed)
    departs = prefill + decodes * step
    freed = (room * (decodes + chunks) * step + dt) / departs
    admitted = jnp.where(works, jnp.clip(jnp.minimum(dt / prefill, freed), 0.0, backlog), 0.0)
    steps = admitted * chunks + jnp.maximum(dt - admitted * prefill, 0.0) / step
    moved = jnp.where(works, steps / output * state.decoding.shape[1], 0.0)
    decoding, completed = advanced(state.decoding, moved)
    decoding = decoding.at[:, 0].add(admitted)
    queued = backlog - admitted
    # A prompt waits for those before it: a queue with one server (M/G/1). Where all places are taken it waits for one,
    # and then nobody else has just begun. However crowded it is, the router sees to it that few wait.
    busy = jnp.minimum(rate * prefill, 1.0)
    crowded = jnp.minimum(busy, world.free.crowded)
    tail = prefill * world.vary[0] / (world.free.decay * (1.0 - crowded)) + LEAST
    own = prefill + step / 2.0
    waited = state.queued / jnp.maximum(rate, 0.05)
    hangs = ~pace.works
    hung = jnp.where(state.up[: running.shape[0]] & hangs & (backlog + running > 0.0), state.hung + dt, 0.0)
    # Over an answer's life prompts take their usual share of the time.
    usual = 1.0 / (busy / prefill * chunks + (1.0 - busy) / step)
    # The router sends whoever comes next elsewhere: where a request is, the prompt of one other is not.
    elsewhere = 1.0 - 1.0 / jnp.maximum(works.sum(), 1)
    answer = jnp.where(full, departs * running - prefill, (output - 1.0) * usual - elsewhere * prefill)
    token = jnp.maximum(answer / output, step / 2.0)
    whole = output * token
    prompts = jnp.clip(admitted * prefill / dt, 0.0, 1.0)
    decoded = (1.0 - prompts) * jnp.minimum(1.0, running)
    return Work(
        decoding=decoding,
        queued=queued,
        admitted=admitted,
        completed=completed,
        tokens=jnp.where(works, running * steps, 0.0),
        hung=hung,
        busy=jnp.where(works, jnp.minimum(1.0, running + prompts), 0.0),
        shares=jnp.where(works[:, None], jnp.stack([decoded, prompts], axis=1), 0.0),
        prefill=prefill,
        first=jnp.minimum(jnp.where(works, own + state.queued * jnp.where(full, departs, prefill), LONGEST), LONGEST),
        aged=jnp.minimum(own + waited, LONGEST),
        own=jnp.sqrt(prefill**2 * (world.vary[0] - 1.0) + step**2 / 12.0),
        crowded=jnp.where(full, 0.0, busy),
        tail=tail,
        token=token,
        interrupted=jnp.sqrt(rate * whole * prefill**2 + whole**2 * (world.vary[1] - 1.0)),
    )


def advanced(stages: Array, moved: Array) -> tuple[Array, Array]:
    """Requests [R, S] moved on by a real number of stages [R]; and those that come out, [R]."""
    size = stages.shape[1]
    moved = jnp.minimum(moved, float(size))
    further = jnp.arange(size)[None, :] - moved[:, None]
    # Stage by stage, so that no matrix of all pairs is written down.
    parts = [stages[:, i, None] * jnp.maximum(0.0, 1.0 - jnp.abs(further - i)) for i in range(size)]
    after = reduce(jnp.add, parts)
    return after, jnp.maximum(stages.sum(axis=1) - after.sum(axis=1), 0.0)


# --- how long things take ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lateness:
    """A time of [R] requests: lognormal with `mean` and `deviation`. A share `delayed` waits for others besides, for a
    Weibull time of scale `tail` and shape 1.5: those who wait share steps, so that the tail is lighter than an
    exponential one. A share `lost` loses packets, and waits for a time with an exponential tail `again`."""

    mean: Array
    deviation: Array
    delayed: Array
    tail: Array
    lost: Array
    again: Array

    def beyond(self, limit: Array) -> Array:
        """The share that takes longer than `limit`; both [..., R] or [R, B] and so on."""
        return _beyond(limit, self.mean, self.deviation, self.delayed, self.tail, self.lost, self.again)

    def counts(self, count: Array) -> Array:
        """[B] of `count` [R] requests, by how long they took."""
        edges = jnp.asarray(EDGES)[None, :]
        rows = (x[:, None] for x in (self.mean, self.deviation, self.delayed, self.tail, self.lost, self.again))
        return spread(count, 1.0 - _beyond(edges, *rows))


def _beyond(
    limit: Array, mean: Array, deviation: Array, delayed: Array, tail: Array, lost: Array, again: Array
) -> Array:
    relative = jnp.log1p((deviation / jnp.maximum(mean, LEAST)) ** 2) + 1e-4
    middle = jnp.log(jnp.maximum(mean, LEAST)) - relative / 2.0
    late = _above((jnp.log(jnp.maximum(limit, LEAST)) - middle) * jax.lax.rsqrt(relative))
    over = jnp.maximum(limit - mean, 0.0)
    waits = over / jnp.maximum(tail, LEAST)
    waits = delayed * jnp.exp(-jnp.minimum(waits * jnp.sqrt(waits), 60.0))
    repeats = lost * jnp.exp(-jnp.minimum(over / jnp.maximum(again, LEAST), 60.0))
    return jnp.where(jnp.isfinite(limit), 1.0 - (1.0 - late) * (1.0 - waits) * (1.0 - repeats), 0.0)


def _above(z: Array) -> Array:
    """The share of a normal distribution above `z` deviations, to 2e-4 (Bowling et al., JIEM 2009)."""
    return jax.nn.sigmoid(-(1.5976 + 0.070566 * z * z) * z)
