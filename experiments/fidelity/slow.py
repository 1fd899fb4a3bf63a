"""Lives in the SimPy twin."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.fidelity import kept
from experiments.fidelity.life import Life
from experiments.fidelity.orders import order
from experiments.fidelity.policies import policy_of
from experiments.fidelity.trial import NOTHING, Trial
from twin.env import ACTION_COST, ClusterEnv
from twin.fast.latency import counted
from twin.slo import SloMeter
from twin.world import World

LATENCIES = ("ttft", "e2e", "api", "create")
"""Signals whose latencies are counted."""


def lives(trials: Sequence[Trial], workers: int, keep: Path | None = None) -> Iterator[tuple[Trial, Life | None]]:
    """Each trial and its life, in their order; None where the order has no target there, or is refused. Lives that are
    in the folder `keep` are read, others are written there."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from zip(trials, pool.map(_found, trials, [keep] * len(trials), chunksize=4), strict=True)


def _found(trial: Trial, keep: Path | None) -> Life | None:
    if keep is None:
        return lived(trial)
    path = kept.path_of(keep, trial)
    if not path.exists():
        kept.write(path, lived(trial))
    return kept.read(path)


def lived(trial: Trial) -> Life | None:
    """One life; None where the order has no target there, or is refused."""
    return _with_policy(trial, trial.policy) if trial.policy else _with_order(trial)


def _with_order(trial: Trial) -> Life | None:
    world = World(trial.load(), trial.seed)
    ordered = order(world, trial.doing)
    if trial.doing != NOTHING and ordered is None:
        return None
    warm, step, horizon = world.spec.control.warmup, world.spec.control.interval, world.spec.horizon
    found = _Latencies(world, warm)
    queue, time = [], warm
    world.run(until=warm)
    while time < horizon:
        if ordered is not None and ordered.time == time and not world.apply(ordered.action).legal:
            return None
        time = min(time + step, horizon)
        world.run(until=time)
        queue.append(found.waiting)
    first, last = int(warm), int(horizon)
    return Life(
        tick=1.0,
        loss=np.array(world.slo.loss[first:last], np.float32),
        violated=np.array(world.slo.violated[first:last]),
        queue=np.repeat(np.array(queue, np.float32), int(step))[: last - first],
        completed=float(found.completed),
        latency={signal: found.of(signal) for signal in LATENCIES},
    )


def _with_policy(trial: Trial, name: str) -> Life:
    env, policy = ClusterEnv(trial.load()), policy_of(name)
    observation, _ = env.reset(seed=trial.seed)
    policy.reset(trial.seed)
    ended = False
    while not ended:
        observation, _, terminated, truncated, _ = env.step(policy.act(observation))
        ended = terminated or truncated
    world = env.world
    first, last = int(world.spec.control.warmup), int(world.spec.horizon)
    return Life(
        tick=1.0,
        loss=np.array(world.slo.loss[first:last], np.float32),
        violated=np.array(world.slo.violated[first:last]),
        queue=np.zeros(0, np.float32),
        completed=float("nan"),
        cost=sum(ACTION_COST[ticket.action.category] for ticket in world.tickets if ticket.legal),
    )


class _Latencies:
    """Hears of each request what the world's SLO meter is told: that it came, and how long each signal of it took."""

    def __init__(self, world: World, since: float) -> None:
        self._since = since
        self._opened: dict[tuple[str, Hashable], float] = {}
        self._found: dict[str, list[float]] = {}
        self.completed = 0
        meter = world.slo
        meter.opened = self._after(meter, "opened", self._hear_opened)  # type: ignore[method-assign]
        meter.met = self._after(meter, "met", self._hear_met)  # type: ignore[method-assign]
        meter.failed = self._after(meter, "failed", self._hear_failed)  # type: ignore[method-assign]

    @property
    def waiting(self) -> int:
        """Requests that have neither succeeded nor failed."""
        return sum(signal == "success" for signal, _ in self._opened)

    def of(self, signal: str) -> NDArray[np.float64]:
        """[B] requests that came since the warm-up, by the seconds until the signal came."""
        return counted(np.array(self._found.get(signal, []), np.float64))

    def _after(self, meter: SloMeter, name: str, hear: Callable[..., None]) -> Callable[..., None]:
        told = getattr(meter, name)

        def both(*args: object) -> None:
            hear(*args)
            told(*args)

        return both

    def _hear_opened(self, signal: str, key: Hashable, now: float) -> None:
        self._opened[signal, key] = now

    def _hear_met(self, signal: str, key: Hashable, now: float) -> None:
        began = self._opened.pop((signal, key), None)
        if began is not None and began >= self._since:
            self._found.setdefault(signal, []).append(now - began)
        if signal == "success" and now >= self._since:
            self.completed += 1

    def _hear_failed(self, signal: str, key: Hashable) -> None:
        self._opened.pop((signal, key), None)
