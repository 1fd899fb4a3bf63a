"""Lives in the SimPy twin."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

from experiments.fidelity.life import Life
from experiments.fidelity.orders import NOTHING, order
from twin.fast.latency import counted
from twin.fast.twin import cluster_of
from twin.scenario import Scenario
from twin.slo import SloMeter
from twin.world import World


def lived(scenario: str, seed: int, category: str) -> Life | None:
    """The life under one order; None where the order has no target there, or is refused."""
    world = World(Scenario.load(scenario, ("spec.telemetry=off",)), seed)
    ordered = order(world, category)
    if category != NOTHING and ordered is None:
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
        latency={signal: found.of(signal) for signal in cluster_of(world.spec.cluster.kind).LATENCIES},
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
