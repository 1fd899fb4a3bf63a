"""Who comes, tick by tick: the very requests of the SimPy twin's streams, as far as no answer decides about them.

Beyond the workload's own arrivals these are a flash crowd, an abusive client, longer prompts and answers: conditions on
layer DEMAND, which no action renews, so that all of it can be drawn beforehand. Who comes back after an answer (closed
loops, conversations) or after a failure (retries) depends on how the cluster does: `twin.fast.inference.clients`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from twin.fast.background import plans
from twin.inference.clients import CANCEL_MEAN
from twin.inference.surge import CELL, points
from twin.inference.workload import Arrival, Asks, arrivals, nominal_rate
from twin.mechanics.conditions import Condition, effective
from twin.mechanics.layers import Layer

if TYPE_CHECKING:
    from twin.world import World

SAMPLE: Final = 512
"""Calls of which the lengths of those who come back are the mean."""


@dataclass(frozen=True)
class Demand:
    """Tokens and seconds."""

    arrivals: NDArray[np.float32]
    """[T, 4] requests of each tick; their mean prompt, mean answer, and tokens of the prompt that must be computed."""
    returning: NDArray[np.float32]
    """[3] the same lengths of those who come back after an answer."""
    vary: NDArray[np.float32]
    """[2] second moment over the squared mean, of computed tokens and of answers."""
    again: NDArray[np.float32]
    """[2] share of users who come back after an answer, after a failure."""
    think: float
    """Mean seconds until they do."""

    @property
    def computed(self) -> NDArray[np.float32]:
        """[n] tokens of prompts that must be computed, tick by tick as far as somebody comes."""
        found = self.arrivals[self.arrivals[:, 0] > 0, 3]
        return found if len(found) else self.returning[2:]


def demand(world: World, tick: float, ticks: int, replicas: int, pace: float) -> Demand:
    """What clients ask of a cluster with that many replicas, which give a token each `pace` seconds."""
    spec = world.spec.workload
    found, seen = np.zeros((ticks, 4)), []
    for arrival in chain(_usual(world, pace), _beyond(world)):
        slot = int(arrival.time / tick)
        if slot < ticks:
            computed = arrival.prompt - _shared(arrival)
            found[slot] += (1.0, arrival.prompt, arrival.output, computed)
            seen.append((computed, arrival.output))
    found[:, 1:] /= np.maximum(found[:, :1], 1.0)
    asks = Asks(spec, world.streams)
    sample = [asks.of(0.0, number) for number in range(SAMPLE)]
    lengths = np.array([(a.prompt, a.output, a.prompt - _shared(a)) for a in sample], float)
    returning, again, think = lengths.mean(axis=0), (0.0, 0.0), 1.0
    if spec.conversations is not None:
        returning, again = (
            _next_turns(lengths, spec.conversations.turns, replicas),
            (1.0 - 1.0 / spec.conversations.turns, 0.0),
        )
        think = spec.conversations.think
    elif spec.arrivals is not None and spec.arrivals.concurrency is not None:
        again, think = (1.0, 1.0), spec.arrivals.concurrency.think or 0.0
    work = np.array(seen, float) if seen else lengths[:, [2, 1]]
    vary = (work**2).mean(axis=0) / np.maximum(work.mean(axis=0) ** 2, 1e-9)
    return Demand(
        found.astype(np.float32), returning.astype(np.float32), vary.astype(np.float32),
        np.array(again, np.float32), max(think, tick),
    )  # fmt: skip


def _usual(world: World, pace: float) -> Iterator[Arrival]:
    """The workload's own, as conditions shift and thin them; of a closed loop the first call of each user."""
    spec, streams = world.spec.workload, world.streams
    closed = spec.arrivals.concurrency if spec.arrivals is not None else None
    if closed is not None:
        asks = Asks(spec, streams)
        calls: Iterator[Arrival] = (asks.of(closed.ramp * user / closed.users, user) for user in range(closed.users))
    else:
        calls = arrivals(spec, streams)
    changed = _changes(world)
    thinning, shift, cancels = streams["clients/thinning"], streams["clients/shift"], streams["noise/cancel"]
    cancelled = world.spec.benign.cancelled
    for number, call in enumerate(calls):
        if call.time >= world.spec.horizon:
            return
        prompt, output = call.prompt, call.output
        present = [c for at, until, c in changed if at <= call.time < until]
        if present:
            factor = effective(present, "arrival_rate")
            if factor < 1.0 and thinning.uniform(number) >= factor:
                continue
            if shift.uniform(number) < effective(present, "shifted_share"):
                prompt = max(1, round(prompt * effective(present, "prompt_length")))
                output = max(1, round(output * effective(present, "output_length")))
        if cancelled and cancels.uniform(number) < cancelled:
            seen = cancels.exponential(CANCEL_MEAN, number, "pause") / pace
            output = max(1, min(output, round(seen)))
        yield Arrival(call.time, prompt, min(output, max(1, _longest(world) - prompt)), call.prefix, call.client)


def _beyond(world: World) -> Iterator[Arrival]:
    """A crowd and an abusive client, thinned from the planes of points of the SimPy twin (`twin.inference.surge`)."""
    changed = _changes(world)
    usual = nominal_rate(world.spec.workload)
    asks = Asks(world.spec.workload, world.streams)
    crowd, abuse = world.streams["surge/crowd"], world.streams["surge/abuse"]
    for cell in range(math.ceil(world.spec.horizon / CELL)):
        near = [(at, until, c) for at, until, c in changed if at < (cell + 1) * CELL and until > cell * CELL]
        if not near:
            continue
        most = max(1.0, math.prod(c.value for _, _, c in near if c.parameter == "arrival_rate"))
        rate = max(usual(cell * CELL), usual((cell + 1) * CELL)) if usual is not None else 0.0
        for number, time, level in points(crowd, cell, (most - 1.0) * rate):
            here = [(at, c) for at, until, c in near if at <= time < until]
            present = [c for _, c in here]
            ramp = effective(present, "arrival_ramp")
            since = min((at for at, c in here if c.parameter == "arrival_rate"), default=time)
            grown = 1.0 if ramp <= 0.0 else min(1.0, (time - since) / ramp)
            extra = max(0.0, effective(present, "arrival_rate") - 1.0) * (usual(time) if usual is not None else 0.0)
            if level < grown * extra:
                yield asks.of(time, "crowd", cell, number)
        for _, time, level in points(abuse, cell, sum(c.value for _, _, c in near if c.parameter == "abuse_rate")):
            present = [c for at, until, c in near if at <= time < until]
            if level < effective(present, "abuse_rate"):
                prompt, output = (max(1, round(effective(present, p))) for p in ("abuse_prompt", "abuse_output"))
                yield Arrival(time, prompt, output)


def _changes(world: World) -> list[tuple[float, float, Condition]]:
    """(begin, end, condition) of those on layer DEMAND."""
    return [
        (plan.at, math.inf if plan.until is None else plan.until, condition)
        for plan in plans(world)
        for _, condition in plan.conditions
        if condition.layer is Layer.DEMAND
    ]


def _shared(arrival: Arrival) -> int:
    """Tokens of a prompt that other requests begin with too, and that caches have: not the last of them."""
    return min(max((end for _, end in arrival.prefix), default=0), arrival.prompt - 1)


def _next_turns(lengths: NDArray[np.float64], turns: float, replicas: int) -> NDArray[np.float64]:
    """[3] mean lengths of the later turns of conversations whose number of turns is geometric with that mean: what was
    said comes first each time, and one of `replicas` has it in its cache."""
    prompt, output = lengths[:, 0].mean(), lengths[:, 1].mean()
    said = turns * (prompt + output)  # before a later turn, in the mean over all of them
    computed = prompt + said * (1.0 - 1.0 / replicas)
    return np.array([said + prompt, output, computed])


def _longest(world: World) -> int:
    return int(world.cluster.gateway.max_length)  # type: ignore[attr-defined]
