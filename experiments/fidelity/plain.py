"""One tick of each kind of component of the inference cluster, written plainly: scalars, loops, Python's floats.

It says what a tick is meant to do, to be read beside `twin.fast.inference`, which does the same for thousands of
clusters at once. Conditions, durations and kernels come from `twin.mechanics`; times are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from twin.mechanics.engine_step import BLOCK_TOKENS, step_cost
from twin.mechanics.gpu_power import DECODE_ACTIVITY, PREFILL_ACTIVITY, clock_ratio
from twin.mechanics.hardware import Gpu, Model
from twin.mechanics.supervision import CRASH_LOOP_RESET, crash_loop_delay

# --- the gateway and the router ----------------------------------------------------------------------------------


def admitted(arrived: float, limit: float, limited: bool, dt: float, opens: bool) -> tuple[float, float]:
    """Requests that the gateway lets in, and those that it refuses: all where it or the router is down, what is above
    `limit` a second under a load limit."""
    if not opens:
        return 0.0, arrived
    entered = min(arrived, limit * dt) if limited else arrived
    return entered, arrived - entered


def shares(queues: Sequence[float], takes: Sequence[bool], preference: float) -> list[float]:
    """Of each replica, the share of requests that go to it: for each request two are drawn that take requests, and the
    one with the shorter queue gets it; by how much shorter, times `preference`, decides how surely."""
    able = [i for i, can in enumerate(takes) if can]
    found = [0.0] * len(queues)
    if len(able) == 1:
        found[able[0]] = 1.0
    pairs = [(i, j) for i in able for j in able if i < j]
    for i, j in pairs:
        wins = 1.0 / (1.0 + math.exp(-preference * (queues[j] - queues[i])))
        found[i] += wins / len(pairs)
        found[j] += (1.0 - wins) / len(pairs)
    return found


# --- an engine ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kernels:
    """What the steps of an engine cost (`twin.fast.inference.episodes.Episode` has the same, as arrays)."""

    step: Sequence[float]
    prefill: Sequence[float]
    mixed: Sequence[float]
    host: Sequence[float]
    budget: float
    sequences: float
    tokens: float
    vary: float = 1.0
    """Mean square of the answers' lengths over the square of their mean."""
    caching: bool = True
    """Whether blocks that were freed are found again."""


@dataclass(frozen=True)
class Worked:
    """What an engine did in a tick, in requests."""

    stages: list[float]
    queued: float
    completed: float


def engine(
    kernels: Kernels,
    stages: Sequence[float],
    queued: float,
    arrived: float,
    rate: float,
    lengths: tuple[float, float],
    slower: tuple[float, float],
    dt: float,
) -> Worked:
    """A tick of an engine that works: it computes the prompts that it has room for, one after the other, and spends the
    rest of the tick on decode steps. `rate`: requests a second of late; `slower`: decode steps and prompts take 1 + so
    many times as long."""
    prompt, output = lengths[0], max(lengths[1], 1.0)
    running = sum(stages)
    context = prompt + output / 2.0
    host = kernels.host[0] + kernels.host[1] * running
    decode = kernels.step[0] + running * (kernels.step[1] + kernels.step[2] * context)
    decode = max(decode * (1.0 + slower[0]), host)

    # The steps of a prompt. As many come on average while one is computed: where any do, they share the next.
    work = kernels.prefill[1] * prompt + kernels.prefill[2] * prompt * prompt / 2.0
    company = rate * (kernels.prefill[0] + work)
    sharing = (1.0 - math.exp(-company)) / max(company, 1e-3)
    chunks = max(math.ceil(prompt / kernels.budget) * sharing, prompt / kernels.budget)
    alone = kernels.prefill[0] * chunks + work
    beside = running * ((kernels.mixed[0] + kernels.mixed[1] * context) * chunks + kernels.mixed[2] * prompt)
    one = max(alone * (1.0 + slower[1]) + beside, host * chunks)

    # Blocks for a prompt and half its answer, the last one half full; half a prompt's blocks are idle. Where the cache
    # is what is short, some prompts are computed twice, in the steps of those that are let in with them.
    holds = (kernels.tokens - prompt / 2.0) / (prompt + output / 2.0 + BLOCK_TOKENS / 2.0)
    waiting = queued + arrived
    free = min(kernels.sequences, max(holds, 1.0)) - running
    steps_each = output / max(running, 1e-3)
    decodes = max(0.0, steps_each - chunks)
    if waiting > free and holds < kernels.sequences:
        came = min(1.0 + one / max(decodes * decode, 1e-6), max(running, 1.0))
        spread = running * math.sqrt(max(kernels.vary - 1.0, 0.0))
        together = 1.0 + (came - 1.0) * came / math.hypot(came, spread)
        lost = 1.0
        if kernels.caching:
            growth = together * output  # until answers leave, evenly in time: exponential
            lost = growth / prompt * (1.0 - math.exp(-prompt / growth))
        again = output / prompt * lost
        one += again * (work * (1.0 + slower[1]) + running * kernels.mixed[2] * prompt)

    # While n requests leave the engine takes n prompts, and makes n x output / running steps in all.
    places = (free * (decodes + chunks) * decode + dt) / (one + decodes * decode)
    begins = max(0.0, min(waiting, places, dt / one))
    steps = begins * chunks + max(0.0, dt - begins * one) / decode

    # Each step is a token; an answer of `output` tokens has as many stages as there are places.
    far = min(steps / output * len(stages), float(len(stages)))
    whole, part = int(far), far - int(far)
    after = [0.0] * len(stages)
    for place, count in enumerate(stages):
        for goes, share in ((place + whole, 1.0 - part), (place + whole + 1, part)):
            if goes < len(stages):
                after[goes] += count * share
    completed = running - sum(after)
    after[0] += begins
    return Worked(after, waiting - begins, completed)


# --- a process and its supervisor --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Life:
    """Of a program: whether it runs, when the start in progress ends, when it was started, how often it died of
    late."""

    up: bool
    ready: float
    born: float
    deaths: float


def life(before: Life, doomed: bool, takes: float, fails: float, soonest: float, now: float) -> Life:
    """A tick of a program that its supervisor starts again: at once after the first death, then after a back-off that
    doubles (`crash_loop_delay`), no sooner than after `soonest` seconds. Where what killed it is still there it dies
    again `fails` seconds after its start, which takes `takes`."""
    forgotten = now - before.born > CRASH_LOOP_RESET
    deaths = (0.0 if forgotten else before.deaths) + 1.0
    begun = before.ready - takes
    if doomed and (before.up or (math.isfinite(before.ready) and (now - begun >= fails or now >= before.ready))):
        delay = max(crash_loop_delay(int(deaths)), soonest)
        return Life(False, now + delay + takes, now + delay, deaths)
    if not before.up and now >= before.ready:
        return Life(True, math.inf, before.born, before.deaths)
    return before


# --- a GPU -------------------------------------------------------------------------------------------------------


def capped(
    gpu: Gpu, model: Model, gpus: int, watts: float, batch: int, prompt: int, output: int
) -> tuple[float, float]:
    """How many times longer, minus one, decode steps and prompts take under a power limit: at the clock that it leaves
    them, on the kernels of `twin.mechanics`."""
    times = []
    for activity, tokens, sequences, context, pairs in (
        (DECODE_ACTIVITY, batch, batch, batch * (prompt + output / 2.0), 0.0),
        (PREFILL_ACTIVITY, prompt, 1, 0.0, prompt * prompt / 2.0),
    ):
        slow = step_cost(gpu, model, gpus, clock_ratio(gpu, watts, activity), 1.0, 1.0)
        fast = step_cost(gpu, model, gpus, 1.0, 1.0, 1.0)
        times.append(
            slow.gpu_seconds(tokens, sequences, context, pairs) / fast.gpu_seconds(tokens, sequences, context, pairs)
        )
    return times[0] - 1.0, times[1] - 1.0


# --- the SLO -----------------------------------------------------------------------------------------------------


def judged(
    good: Sequence[Sequence[float]], bad: Sequence[Sequence[float]], shares: Sequence[float], newest: int
) -> tuple[float, bool]:
    """The loss of the newest second, and whether the window violates the SLO: requests that met each objective and that
    did not, tick by tick, and the share that must."""
    loss, violated = 0.0, False
    for met, missed, share in zip(good, bad, shares, strict=True):
        if share == 0.0:  # nothing is asked for
            continue
        loss = max(loss, missed[newest] / max(met[newest] + missed[newest], 1e-6))  # traces of requests are nobody
        # One part in a million of the requests more than may be: rounding is no violation.
        allowed = (1.0 - share + 1e-6) * (sum(met) + sum(missed)) + 1e-6
        violated = violated or sum(missed) > allowed
    return loss, violated
