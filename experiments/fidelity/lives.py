"""One life of a scenario in the SimPy twin, as it is compared: what the SLO said, how long requests were."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.fidelity.orders import Order, order
from twin.scenario import Scenario
from twin.slo import SloMeter
from twin.world import World


@dataclass(frozen=True)
class Life:
    """T seconds from the warm-up to the horizon."""

    scenario: str
    seed: int
    category: str
    loss: NDArray[np.float32]
    """[T]"""
    violated: NDArray[np.bool_]
    """[T]"""
    queue: NDArray[np.float32]
    """[T] requests in all engines, where they are looked at."""
    completed: float
    """Requests answered since the warm-up."""
    first: NDArray[np.float32]
    """Times to first token of requests that came since the warm-up, in order."""
    whole: NDArray[np.float32]
    """Times to the last token, alike."""


def lived(scenario: str, seed: int, category: str) -> Life | None:
    """The life in the SimPy twin under one order; None where the order has no target there, or is refused."""
    world = World(Scenario.load(scenario, ("spec.telemetry=off",)), seed)
    ordered = order(world, category)
    if category != "noop" and ordered is None:
        return None
    warm = world.spec.control.warmup
    found = _Latencies(world.slo, warm)
    queue = []
    step = world.spec.control.interval
    time, horizon = warm, world.spec.horizon
    world.run(until=warm)
    while time < horizon:
        if ordered is not None and ordered.time == time and not _carried_out(world, ordered):
            return None
        time = min(time + step, horizon)
        world.run(until=time)
        queue.append(sum(r.engine.running + r.engine.queued for r in _replicas(world) if r.engine is not None))
    first, last = int(warm), int(horizon)
    return Life(
        scenario,
        seed,
        category,
        np.array(world.slo.loss[first:last], np.float32),
        np.array(world.slo.violated[first:last]),
        np.repeat(np.array(queue, np.float32), int(step))[: last - first],
        float(found.answered),
        np.array(found.of("ttft"), np.float32),
        np.array(found.of("e2e"), np.float32),
    )


def _replicas(world: World) -> list:  # type: ignore[type-arg]
    return world.cluster.router.replicas  # type: ignore[attr-defined,no-any-return]


def _carried_out(world: World, ordered: Order) -> bool:
    return world.apply(ordered.action).legal


class _Latencies:
    """Listens to an SLO meter: how long each signal of each request took."""

    def __init__(self, meter: SloMeter, since: float) -> None:
        self._since = since
        self._opened: dict[tuple[str, Hashable], float] = {}
        self._found: dict[str, list[float]] = {}
        self.answered = 0
        opened, met = meter.opened, meter.met

        def hear_opened(signal: str, key: Hashable, now: float) -> None:
            self._opened[signal, key] = now
            opened(signal, key, now)

        def hear_met(signal: str, key: Hashable, now: float) -> None:
            began = self._opened.pop((signal, key), None)
            if began is not None and began >= self._since:
                self._found.setdefault(signal, []).append(now - began)
            if signal == "success" and now >= self._since:
                self.answered += 1
            met(signal, key, now)

        meter.opened, meter.met = hear_opened, hear_met  # type: ignore[method-assign]

    def of(self, signal: str) -> list[float]:
        """Seconds of each."""
        return self._found.get(signal, [])
